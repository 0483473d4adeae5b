/* See model_task.h. */
#include "console/model_task.h"

#include <float.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/json.h"
#include "common/mem.h"
#include "console/model_item_text.h"
#include "console/model_take.h"
#include "console/safe.h"

static void forget_then(struct history *h)
{
	free(h->commit);
	free(h->then);
	free(h->then_trouble);
	h->commit = h->then = h->then_trouble = NULL;
}

static void forget_pages(struct history *h)
{
	items_fini(&h->revisions);
	free(h->trouble);
	free(h->next);
	h->trouble = h->next = NULL;
	h->loaded = h->more = false;
}

static void history_fini(struct history *h)
{
	forget_then(h);
	forget_pages(h);
	xfree(h->task);
}

static void fidelity_fini(struct fidelity *f)
{
	free(f->task);
	free(f->trouble);
	free(f->gaps);
	free(f->proof);
	free(f->verdict);
	free(f->faults);
	*f = (struct fidelity){0};
}

static bool same(const char *a, const char *b)
{
	return a && b && !strcmp(a, b);
}

void model_open_history(struct model *m, const char *task)
{
	history_fini(&m->history);
	m->history.task = xstrdup(task);
	m->stamp++;
	model_ask(m, ASK_history, task);
}

void model_close_history(struct model *m)
{
	history_fini(&m->history);
	m->stamp++;
}

void model_open_revision(struct model *m, const char *commit)
{
	struct history *h = &m->history;

	forget_then(h);
	if (!h->task)
		return;
	h->commit = xstrdup(commit);
	model_ask_more(m, ASK_revision, h->task, "rev", commit);
}

void model_close_revision(struct model *m)
{
	forget_then(&m->history);
}

void model_open_fidelity(struct model *m, const char *task)
{
	fidelity_fini(&m->fidelity);
	m->fidelity.task = xstrdup(task);
	model_ask(m, ASK_fidelity, task);
}

void model_close_fidelity(struct model *m)
{
	fidelity_fini(&m->fidelity);
}

void model_task_changed(struct model *m, const char *task)
{
	if (same(m->history.task, task))
		model_ask(m, ASK_history, task);
	if (same(m->fidelity.task, task))
		model_ask(m, ASK_fidelity, task);
}

const struct revision *model_revision(const struct model *m,
				      const char *commit)
{
	const struct items *list = &m->history.revisions;

	for (size_t i = 0; commit && i < list->n; i++)
		if (!strcmp(list->at[i]->id, commit))
			return (const struct revision *)list->at[i];
	return NULL;
}

/* A page has its newest last; here it comes first. */
static void add_revisions(struct model *m, const json_t *result)
{
	struct history *h = &m->history;
	const json_t *items = json_object_get(result, "items");

	for (size_t i = json_array_size(items); i-- > 0;) {
		struct item *it = item_decode(ITEM_REVISION,
					      json_array_get(items, i));

		if (it)
			items_add(&h->revisions, it);
	}
}

/* The first page replaces what was there; the next only what it belongs to. */
void take_history(struct model *m, const struct ask *ask,
		  const json_t *result, const json_t *problem)
{
	struct history *h = &m->history;
	const char *cursor = json_str(result, "next_cursor");

	if (!same(h->task, ask->id) ||
	    (ask->more && !same(h->next, ask->more)))
		return;
	if (!ask->more)
		forget_pages(h);
	xfree(h->next);
	if (problem) {
		free(h->trouble);
		h->trouble = problem_text(problem);
		return;
	}
	add_revisions(m, result);
	h->loaded = true;
	h->more = cursor && h->revisions.n >= HISTORY_MOST;
	if (!cursor || h->more)
		return;
	h->next = xstrdup(cursor);
	model_ask_more(m, ASK_history, h->task, "cursor", cursor);
}

void take_revision(struct model *m, const struct ask *ask,
		   const json_t *result, const json_t *problem)
{
	struct history *h = &m->history;
	char *text, *lines;

	if (!same(h->task, ask->id) || !same(h->commit, ask->more))
		return;
	if (problem) {
		h->then_trouble = problem_text(problem);
		return;
	}
	text = json_dumps(result, JSON_INDENT(2) | JSON_SORT_KEYS |
				  JSON_REAL_PRECISION(DBL_DIG));
	lines = xasprintf("%s\n", text);
	h->then = safe_block(lines);
	free(lines);
	free(text);
}

static bool add_gap(struct buf *b, const json_t *gap)
{
	const char *about = json_str(gap, "criterion_ref");
	const char *detail = json_str(gap, "detail");

	if (!about)
		about = json_str(gap, "run_id");
	if (about) {
		item_add(b, about);
		buf_adds(b, ": ");
	}
	item_add(b, detail ? detail : json_str(gap, "kind"));
	return true;
}

static const char *met_word(const json_t *met)
{
	return json_is_true(met) ? "met" : json_is_false(met) ? "not met" :
	       "no result";
}

static bool add_proof(struct buf *b, const json_t *criterion)
{
	const char *ref = json_str(criterion, "criterion_ref");
	size_t files = json_array_size(json_object_get(criterion, "evidence"));
	size_t runs = json_array_size(json_object_get(criterion, "effects"));

	item_add(b, ref ? ref : "?");
	buf_addf(b, ": %s, %s, %zu file%s, %zu run%s",
		 json_is_set(criterion, "echoed") ? "echoed" : "not echoed",
		 met_word(json_object_get(criterion, "met")), files,
		 files == 1 ? "" : "s", runs, runs == 1 ? "" : "s");
	return true;
}

/* The newest attempt's criteria. */
static char *proof_of(const json_t *attempts)
{
	const json_t *last = json_array_get(attempts,
					    json_array_size(attempts) - 1);

	return item_list(json_object_get(last, "criteria"), "\n", add_proof);
}

/* The newest attempt that was judged, or NULL. */
static const json_t *judged(const json_t *attempts)
{
	for (size_t i = json_array_size(attempts); i-- > 0;) {
		const json_t *each = json_array_get(attempts, i);

		if (json_str(each, "decision"))
			return each;
	}
	return NULL;
}

static void take_verdict(struct fidelity *f, const json_t *attempt)
{
	const char *decision = json_str(attempt, "decision");
	const char *by = json_str(attempt, "verdict_by");
	json_t *all = json_array(), *each;
	struct buf b = {0};
	size_t i;

	json_array_foreach (json_object_get(attempt, "criteria"), i, each)
		json_array_extend(all, json_object_get(each, "issues"));
	f->faults = item_said(all);
	json_decref(all);
	f->passed = !strcmp(decision, "pass");
	buf_adds(&b, f->passed ? "passed by " :
		 strcmp(decision, "fail") ? "judged by " : "failed by ");
	item_add(&b, by ? by : "?");
	buf_addf(&b, ", attempt %lld",
		 (long long)json_int(attempt, "attempt", 0));
	f->verdict = buf_take(&b, NULL);
}

void take_fidelity(struct model *m, const struct ask *ask,
		   const json_t *result, const json_t *problem)
{
	const json_t *attempts = json_object_get(result, "attempts");
	struct fidelity *f = &m->fidelity;

	if (!same(f->task, ask->id))
		return;
	fidelity_fini(f);
	f->task = xstrdup(ask->id);
	if (problem) {
		f->trouble = problem_text(problem);
		return;
	}
	f->loaded = true;
	f->complete = json_is_set(result, "complete");
	f->gaps = item_list(json_object_get(result, "gaps"), "\n", add_gap);
	f->proof = proof_of(attempts);
	if (judged(attempts))
		take_verdict(f, judged(attempts));
}
