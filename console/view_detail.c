/* One item with everything known of it: beside lists, and as a page. */
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/mem.h"
#include "console/span.h"
#include "console/view.h"

static void add_if(struct lines *l, const char *label, const char *text)
{
	if (*text)
		lines_add(l, label, STYLE_normal, false, text);
}

static void add_time(struct lines *l, const char *label, int64_t us)
{
	char text[CLOCK_TEXT];

	if (!us)
		return;
	clock_text(us, text);
	lines_addf(l, label, STYLE_normal, "%.19sZ", text);
}

/* Who works on it, until when it is theirs, and how far they say to be. */
static void add_holder(const struct task *t, struct lines *l)
{
	char end[CLOCK_TEXT];

	if (t->lease_us) {
		clock_text(t->lease_us, end);
		lines_addf(l, "HOLDER", STYLE_normal, "%s until %.19sZ",
			   t->holder, end);
	} else {
		add_if(l, "HOLDER", t->holder);
	}
	if (t->percent >= 0)
		lines_addf(l, "DOES", STYLE_normal, "%d%% %s",
			   (int)t->percent, t->message);
	else
		add_if(l, "DOES", t->message);
}

static void detail_task(const struct model *m, const struct item *it,
			struct lines *l)
{
	const struct task *t = (const struct task *)it;
	size_t shown = 0;

	lines_add(l, "TITLE", STYLE_untrusted, true, t->title);
	if (*t->labels)
		lines_add(l, "LABELS", STYLE_untrusted, true, t->labels);
	add_holder(t, l);
	add_if(l, "FOR", t->assignee);
	add_if(l, "BY", t->creator);
	lines_addf(l, "EFFECT", STYLE_normal, "%s, attempt %lld; publishing "
		   "%s", t->level, (long long)t->attempt, t->allow_publish ?
		   "is allowed" : "is not allowed");
	add_time(l, "CHANGED", t->changed_us);
	if (*t->text)
		lines_add(l, "TEXT", STYLE_untrusted, true, t->text);
	if (*t->criteria)
		lines_add(l, "MUST", STYLE_untrusted, true, t->criteria);
	if (*t->issues)
		lines_add(l, "ISSUES", STYLE_untrusted, true, t->issues);
	for (size_t i = m->runs.n; i-- > 0 && shown < 10;) {
		const struct run *r = (const void *)m->runs.at[i];
		struct text_cell cell = {.style = STYLE_normal};

		if (strcmp(r->task_id, it->id))
			continue;
		cell_what(m, &r->item, &cell);
		lines_addf(l, shown++ ? "" : "RUNS", r->item.state->style,
			   "%c %s %s", r->item.state->glyph,
			   r->item.state->word, cell.text);
	}
	shown = 0;
	for (size_t i = 0; i < m->artifacts.n && shown < 20; i++) {
		const struct artifact *a = (const void *)m->artifacts.at[i];

		if (!strcmp(a->task_id, it->id))
			lines_addf(l, shown++ ? "" : "FILES", STYLE_normal,
				   "%s %.12s..", a->name, a->sha256);
	}
}

static void detail_approval(const struct model *m, const struct item *it,
			    struct lines *l)
{
	const struct approval *a = (const struct approval *)it;
	char left[SPAN_TEXT];

	lines_addf(l, "WHAT", STYLE_strong, "%s with %s", a->kind, a->tool);
	add_if(l, "TASK", a->task_id);
	lines_addf(l, "WHO", STYLE_normal, "%s", a->requester);
	lines_addf(l, "NEEDS", STYLE_normal, "%lld approval%s, has %lld",
		   (long long)a->required, a->required == 1 ? "" : "s",
		   (long long)a->decided);
	if (*a->criterion_text)
		lines_add(l, a->criterion, STYLE_untrusted, true,
			  a->criterion_text);
	if (!it->state->rank) {
		span_left(a->until_us - m->now_us, left);
		lines_addf(l, "EXPIRES", STYLE_normal, "%s", left);
	}
	add_if(l, "DIGEST", a->digest);
}

static void detail_run(const struct model *m, const struct item *it,
		       struct lines *l)
{
	const struct run *r = (const struct run *)it;

	(void)m;
	add_if(l, "TOOL", r->tool);
	add_if(l, "TASK", r->task_id);
	add_if(l, "BY", r->actor);
	if (r->percent >= 0)
		lines_addf(l, "DONE", STYLE_normal, "%d%%", (int)r->percent);
	if (*r->fault)
		lines_add(l, "FAULT", STYLE_danger, true, r->fault);
	if (*r->fault_hint)
		lines_add(l, "HINT", STYLE_normal, true, r->fault_hint);
}

static void detail_record(const struct model *m, const struct item *it,
			  struct lines *l)
{
	const struct record *r = (const struct record *)it;

	(void)m;
	lines_addf(l, "RECORD", STYLE_strong, "%lld %s", (long long)r->seq,
		   r->type);
	add_if(l, "ACTOR", r->actor);
	add_if(l, "TASK", r->task_id);
	add_if(l, "RUN", r->run_id);
	add_if(l, "ASKED", r->approval_id);
	if (r->status)
		lines_addf(l, "STATUS", STYLE_normal, "%lld",
			   (long long)r->status);
	if (*r->summary)
		lines_add(l, "DATA", STYLE_untrusted, true, r->summary);
}

static void detail_artifact(const struct model *m, const struct item *it,
			    struct lines *l)
{
	const struct artifact *a = (const struct artifact *)it;
	char size[16];

	(void)m;
	size_text(a->size, size);
	lines_add(l, "NAME", STYLE_untrusted, true, a->name);
	lines_addf(l, "SIZE", STYLE_normal, "%s (%lld bytes)", size,
		   (long long)a->size);
	add_if(l, "KIND", a->media);
	add_if(l, "TASK", a->task_id);
	add_if(l, "RUN", a->run_id);
	lines_add(l, "SHA256", STYLE_digest, false, a->sha256);
}

static void detail_component(const struct model *m, const struct item *it,
			     struct lines *l)
{
	const struct component *c = (const struct component *)it;

	(void)m;
	add_if(l, "WHAT", c->detail);
	add_if(l, "EFFECT", c->effect);
	if (*c->hint)
		lines_add(l, "DO", STYLE_strong, false, c->hint);
}

static void detail_revision(const struct model *m, const struct item *it,
			    struct lines *l)
{
	const struct revision *r = (const struct revision *)it;

	(void)m;
	add_if(l, "BY", r->actor);
	add_if(l, "STEP", r->operation);
	if (*r->reason)
		lines_add(l, "WHY", STYLE_untrusted, true, r->reason);
	add_if(l, "WITH", r->documents);
	if (r->seq)
		lines_addf(l, "RECORD", STYLE_normal, "%lld",
			   (long long)r->seq);
	add_if(l, "SHA", r->sha);
	if (*r->changes)
		lines_add(l, "CHANGED", STYLE_untrusted, true, r->changes);
}

void item_detail(const struct model *m, const struct item *it,
		 struct lines *l)
{
	static void (*const of[ITEM_KINDS])(const struct model *,
					    const struct item *,
					    struct lines *) = {
		[ITEM_TASK] = detail_task, [ITEM_APPROVAL] = detail_approval,
		[ITEM_RUN] = detail_run, [ITEM_RECORD] = detail_record,
		[ITEM_ARTIFACT] = detail_artifact,
		[ITEM_COMPONENT] = detail_component,
		[ITEM_GAP] = detail_record, [ITEM_REVISION] = detail_revision,
	};
	const char *chain = model_chain_of(m, it);

	if (it->kind != ITEM_ARTIFACT && it->kind != ITEM_RECORD &&
	    it->kind != ITEM_GAP)
		lines_addf(l, "ID", STYLE_strong, "%s", it->id);
	if (*it->state->wire)
		lines_addf(l, "STATE", it->state->style, "%c %s (%s)",
			   it->state->glyph, it->state->word,
			   it->state->wire);
	of[it->kind](m, it, l);
	add_time(l, "SINCE", it->at_us);
	if (*chain)
		lines_addf(l, "CHAIN", STYLE_normal, "%s", chain);
}
