/* Columns that several lists have, and one item in detail. */
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/mem.h"
#include "console/span.h"
#include "console/view.h"

#define SHORT_ID 9

/* The agent takes any unique ending, so the ending is what is shown. */
void short_id(const char *id, char *out, size_t size)
{
	size_t len = strlen(id);

	if (len <= SHORT_ID)
		snprintf(out, size, "%s", id);
	else
		snprintf(out, size, "..%s", id + len - (SHORT_ID - 2));
}

void cell_id(const struct model *m, const struct item *it,
	     struct text_cell *out)
{
	(void)m;
	snprintf(out->text, sizeof(out->text), "%s", it->id);
}

void cell_state(const struct model *m, const struct item *it,
		struct text_cell *out)
{
	const struct approval *a = (const struct approval *)it;
	bool over = it->kind == ITEM_APPROVAL && !it->state->rank &&
		    a->until_us <= m->now_us;

	snprintf(out->text, sizeof(out->text), "%c %s",
		 over ? '?' : it->state->glyph,
		 over ? "EXPD" : it->state->word);
	out->style = over ? STYLE_stale : it->state->style;
}

void cell_age(const struct model *m, const struct item *it,
	      struct text_cell *out)
{
	if (it->at_us)
		span_age(m->wall_us - it->at_us, out->text);
	else
		*out->text = 0;
}

void cell_time(const struct model *m, const struct item *it,
	       struct text_cell *out)
{
	char text[CLOCK_TEXT] = "";

	(void)m;
	if (it->at_us)
		clock_text(it->at_us, text);
	snprintf(out->text, sizeof(out->text), "%.8s",
		 strlen(text) > 19 ? text + 11 : "");
	out->style = STYLE_muted;
}

static const char *who(const struct item *it)
{
	const struct task *t = (const struct task *)it;

	if (it->kind == ITEM_APPROVAL)
		return ((const struct approval *)it)->requester;
	if (it->kind == ITEM_RUN)
		return ((const struct run *)it)->actor;
	if (it->kind == ITEM_RECORD)
		return ((const struct record *)it)->actor;
	if (it->kind == ITEM_REVISION)
		return ((const struct revision *)it)->actor;
	if (it->kind != ITEM_TASK)
		return "";
	return *t->holder ? t->holder : *t->assignee ? t->assignee :
						       t->creator;
}

void cell_who(const struct model *m, const struct item *it,
	      struct text_cell *out)
{
	(void)m;
	snprintf(out->text, sizeof(out->text), "%s", who(it));
}

/* How far it is comes first: the title may be longer than the line. */
static void what_task(const struct model *m, const struct item *it,
		      struct text_cell *out)
{
	const struct task *t = (const struct task *)it;
	const struct run *r = it->state->rank < RANK_OVER ?
				      model_run_of(m, it->id) : NULL;
	char run[128] = "", far[16] = "";

	if (r && r->percent >= 0 && r->item.state->rank < RANK_OVER) {
		snprintf(far, sizeof(far), "%d%% ", (int)r->percent);
		snprintf(run, sizeof(run), "   %s", r->tool);
	} else if (it->state->rank < RANK_OVER && t->percent >= 0) {
		snprintf(far, sizeof(far), "%d%% ", (int)t->percent);
		snprintf(run, sizeof(run), "   %s", t->message);
	} else if (r && r->item.state->rank <= 1) {
		snprintf(run, sizeof(run), "   %s %s", r->tool,
			 r->item.state->word);
	}
	snprintf(out->text, sizeof(out->text), "%s%s%s", far, t->title, run);
}

static void what_approval(const struct model *m, const struct item *it,
			  struct text_cell *out)
{
	const struct approval *a = (const struct approval *)it;
	const struct task *t = model_task(m, a->task_id);

	snprintf(out->text, sizeof(out->text), "%s%s%s", a->tool,
		 t ? " for " : "", t ? t->title : "");
}

static void what_run(const struct model *m, const struct item *it,
		     struct text_cell *out)
{
	const struct run *r = (const struct run *)it;

	(void)m;
	if (*r->fault)
		snprintf(out->text, sizeof(out->text), "%s: %s", r->tool,
			 r->fault);
	else if (r->percent >= 0 && it->state->rank < RANK_OVER)
		snprintf(out->text, sizeof(out->text), "%s %d%%", r->tool,
			 (int)r->percent);
	else
		snprintf(out->text, sizeof(out->text), "%s", r->tool);
}

static void what_record(const struct model *m, const struct item *it,
			struct text_cell *out)
{
	(void)m;
	snprintf(out->text, sizeof(out->text), "%s",
		 ((const struct record *)it)->summary);
}

static void what_artifact(const struct model *m, const struct item *it,
			  struct text_cell *out)
{
	(void)m;
	snprintf(out->text, sizeof(out->text), "%s",
		 ((const struct artifact *)it)->name);
}

static void what_component(const struct model *m, const struct item *it,
			   struct text_cell *out)
{
	const struct component *c = (const struct component *)it;

	(void)m;
	snprintf(out->text, sizeof(out->text), "%s%s%s", c->detail,
		 *c->detail && *c->effect ? "; " : "", c->effect);
}

static void what_gap(const struct model *m, const struct item *it,
		     struct text_cell *out)
{
	const struct record *r = (const struct record *)it;

	(void)m;
	snprintf(out->text, sizeof(out->text), "GAP %lld records, %lld to "
		 "%lld, are not kept any more", (long long)(r->to - r->seq + 1),
		 (long long)r->seq, (long long)r->to);
	out->style = STYLE_attention;
}

/* The changed fields in one line. */
static void what_revision(const struct model *m, const struct item *it,
			  struct text_cell *out)
{
	const struct revision *r = (const struct revision *)it;

	(void)m;
	snprintf(out->text, sizeof(out->text), "%s%s%s%s%s", r->reason,
		 *r->reason ? "  " : "", r->documents,
		 *r->documents && *r->changes ? "  " : "", r->changes);
	for (char *at = out->text; (at = strchr(at, '\n')); at++)
		*at = ' ';
}

void cell_what(const struct model *m, const struct item *it,
	       struct text_cell *out)
{
	static void (*const of[ITEM_KINDS])(const struct model *,
					    const struct item *,
					    struct text_cell *) = {
		[ITEM_TASK] = what_task, [ITEM_APPROVAL] = what_approval,
		[ITEM_RUN] = what_run, [ITEM_RECORD] = what_record,
		[ITEM_ARTIFACT] = what_artifact,
		[ITEM_COMPONENT] = what_component, [ITEM_GAP] = what_gap,
		[ITEM_REVISION] = what_revision,
	};

	of[it->kind](m, it, out);
}

void size_text(int64_t bytes, char out[16])
{
	static const char units[] = "kMGT";
	double n = (double)bytes;
	int unit = -1;

	for (; n >= 1000 && unit < 3; unit++)
		n /= 1000;
	if (unit < 0)
		snprintf(out, 16, "%d B", (int)bytes);
	else
		snprintf(out, 16, "%.1f %cB", n, units[unit]);
}
