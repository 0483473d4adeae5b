/* See model_take.h. */
#include "console/model_take.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/json.h"
#include "common/mem.h"
#include "console/model_review.h"
#include "console/safe.h"
#include "console/span.h"

#define LOOK_SEALED_US (2 * SPAN_S)
#define RECORDS_KEPT 5000

char *problem_text(const json_t *problem)
{
	const char *detail = json_str(problem, "detail");
	const char *hint = json_str(problem, "remediation_hint");
	char *raw = xasprintf("%s%s%s", detail ? detail : "refused",
			      hint ? ". " : "", hint ? hint : "");
	char *out = safe_line(raw);

	free(raw);
	return out;
}

/*
 * A read that failed is a remark. Not so what a lost connection took along,
 * which has its own words, nor what is gone by the time it is asked for.
 */
static bool failed(struct model *m, const json_t *problem)
{
	const char *code = json_str(problem, "error_code");

	if (problem && m->link == LINK_LIVE &&
	    (!code || strcmp(code, "not_found")))
		model_note(m, problem_text(problem));
	return problem;
}

void take_nothing(struct model *m, const struct ask *ask, const json_t *result,
		  const json_t *problem)
{
	(void)ask, (void)result;
	failed(m, problem);
}

static void put(struct model *m, struct items *list, struct item *it)
{
	struct approval *a = (struct approval *)it;

	if (!it)
		return;
	if (it->kind == ITEM_APPROVAL)
		a->until_us = m->now_us + a->left_s * SPAN_S;
	items_put(list, it);
}

static void put_all(struct model *m, struct items *list, enum item_kind kind,
		    const json_t *array)
{
	const json_t *each;
	size_t i;

	json_array_foreach ((json_t *)array, i, each)
		put(m, list, item_decode(kind, each));
}

/* One page of a list; the next is asked for until there is none. */
static void take_page(struct model *m, const struct ask *ask,
		      struct items *list, enum item_kind kind,
		      const json_t *result, const json_t *problem)
{
	const char *cursor = json_str(result, "next_cursor");

	if (failed(m, problem))
		return;
	put_all(m, list, kind, json_object_get(result, "items"));
	if (cursor)
		model_ask(m, ask->kind, cursor);
}

void take_tasks(struct model *m, const struct ask *ask, const json_t *result,
		const json_t *problem)
{
	take_page(m, ask, &m->tasks, ITEM_TASK, result, problem);
}

void take_approvals(struct model *m, const struct ask *ask,
		    const json_t *result, const json_t *problem)
{
	take_page(m, ask, &m->approvals, ITEM_APPROVAL, result, problem);
	m->synced |= !problem;
}

void take_runs(struct model *m, const struct ask *ask, const json_t *result,
	       const json_t *problem)
{
	take_page(m, ask, &m->runs, ITEM_RUN, result, problem);
}

void take_artifacts(struct model *m, const struct ask *ask,
		    const json_t *result, const json_t *problem)
{
	if (ask->kind == ASK_artifacts)
		take_page(m, ask, &m->artifacts, ITEM_ARTIFACT, result,
			  problem);
	else if (!failed(m, problem))
		put_all(m, &m->artifacts, ITEM_ARTIFACT,
			json_object_get(result, "items"));
}

void take_task(struct model *m, const struct ask *ask, const json_t *result,
	       const json_t *problem)
{
	(void)ask;
	if (!failed(m, problem))
		put(m, &m->tasks, item_decode(ITEM_TASK, result));
	review_changed(m);
}

void take_approval(struct model *m, const struct ask *ask,
		   const json_t *result, const json_t *problem)
{
	struct item *it = result ? item_decode(ITEM_APPROVAL, result) : NULL;
	bool known = it && items_find(&m->approvals, it->id);

	(void)ask;
	failed(m, problem);
	if (it && !known && !it->state->rank)
		m->bells++;
	put(m, &m->approvals, it);
	review_approval(m, result);
}

void take_run(struct model *m, const struct ask *ask, const json_t *result,
	      const json_t *problem)
{
	(void)ask;
	if (!failed(m, problem))
		put(m, &m->runs, item_decode(ITEM_RUN, result));
	review_changed(m);
}

void take_records(struct model *m, const struct ask *ask,
		  const json_t *result, const json_t *problem)
{
	const json_t *list = json_object_get(result, "items"), *each;
	int64_t last = 0;
	char after[24];
	size_t i;

	if (failed(m, problem))
		return;
	json_array_foreach ((json_t *)list, i, each) {
		struct item *it = item_decode(ITEM_RECORD, each);
		struct record *r = (struct record *)it;

		last = it ? r->seq : last;
		if (it && !strcmp(r->type, "request"))
			item_free(it);
		else
			put(m, &m->records, it);
	}
	snprintf(after, sizeof(after), "%lld", (long long)last);
	if (i == MODEL_PAGE && strcmp(after, ask->id ? ask->id : ""))
		model_ask(m, ASK_records, after);
	if (m->records.n > RECORDS_KEPT)
		items_drop_first(&m->records, m->records.n - RECORDS_KEPT);
}

/* Does the journal take records? While it does not, looking leaves none. */
static bool records_taken(const struct model *m)
{
	for (size_t i = 0; i < m->components.n; i++)
		if (!strcmp(m->components.at[i]->id, "audit"))
			return m->components.at[i]->state->rank == RANK_OVER;
	return true;
}

void take_health(struct model *m, const struct ask *ask, const json_t *result,
		 const json_t *problem)
{
	(void)ask;
	if (failed(m, problem))
		return;
	free(m->health);
	m->health = safe_line(json_str(result, "status"));
	if (json_str(result, "mode")) {
		free(m->mode);
		m->mode = safe_line(json_str(result, "mode"));
	}
	items_fini(&m->components);
	put_all(m, &m->components, ITEM_COMPONENT,
		json_object_get(result, "components"));
	if (!records_taken(m))
		m->look_us = m->now_us + LOOK_SEALED_US;
}

/* The word was sent; what came of it is said, whichever it is. */
void take_mode(struct model *m, const struct ask *ask, const json_t *result,
	       const json_t *problem)
{
	(void)ask;
	if (failed(m, problem) || !json_str(result, "mode"))
		return;
	free(m->mode);
	m->mode = safe_line(json_str(result, "mode"));
	if (!json_is_set(result, "unrecorded"))
		return;
	model_note(m, xasprintf("%s, not on the record yet: the journal "
				"cannot be written", m->mode));
}

void chain_fini(struct chain *c)
{
	items_fini(&c->records);
	items_fini(&c->runs);
	items_fini(&c->approvals);
	items_fini(&c->artifacts);
	free(c->id);
	free(c->missing);
	free(c->trouble);
	*c = (struct chain){0};
}

static char *list_text(const json_t *array)
{
	struct buf b = {0};
	const json_t *each;
	size_t i;

	json_array_foreach ((json_t *)array, i, each) {
		char *raw = json_is_string(each) ?
				    xstrdup(json_string_value(each)) :
				    json_line(each, NULL);
		char *safe = safe_line(raw);

		buf_addf(&b, "%s%s", i ? ", " : "", safe);
		free(safe);
		free(raw);
	}
	buf_adds(&b, "");
	return buf_take(&b, NULL);
}

void take_chain(struct model *m, const struct ask *ask, const json_t *result,
		const json_t *problem)
{
	struct chain *c = &m->chain;
	char *id;

	if (!c->id || strcmp(c->id, ask->id))
		return;		/* another one is open by now */
	id = xstrdup(c->id);
	chain_fini(c);
	c->id = id;
	c->loaded = !problem;
	if (problem) {
		c->trouble = problem_text(problem);
		return;
	}
	c->complete = json_is_set(result, "complete");
	c->missing = list_text(json_object_get(result, "missing"));
	put_all(m, &c->records, ITEM_RECORD,
		json_object_get(result, "events"));
	put_all(m, &c->runs, ITEM_RUN, json_object_get(result, "runs"));
	put_all(m, &c->approvals, ITEM_APPROVAL,
		json_object_get(result, "approvals"));
	put_all(m, &c->artifacts, ITEM_ARTIFACT,
		json_object_get(result, "artifacts"));
}

void model_open_chain(struct model *m, const char *id)
{
	if (!m->chain.id || strcmp(m->chain.id, id)) {
		chain_fini(&m->chain);
		m->chain.id = xstrdup(id);
	}
	model_ask(m, ASK_chain, id);
}

void take_review(struct model *m, const struct ask *ask, const json_t *result,
		 const json_t *problem)
{
	if (m->review && !strcmp(m->review->id, ask->id))
		review_answer(m, result, problem);
}

void take_decided(struct model *m, const struct ask *ask,
		  const json_t *result, const json_t *problem)
{
	review_decided(m, ask, result, problem);
}
