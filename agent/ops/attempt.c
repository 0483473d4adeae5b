/*
 * An executor's attempt after the ACK: heartbeat and result. ACKs and
 * results are documents of their own.
 */
#include "agent/ops/attempt.h"

#include <stdlib.h>

#include "agent/ops/handlers.h"
#include "agent/ops/lease.h"
#include "agent/ops/task.h"
#include "agent/store/evidence.h"
#include "common/clock.h"
#include "common/json.h"
#include "common/mem.h"

#define ATTEMPT_DOC_MAX TASK_MAX

int attempt_check(const struct call *c, const json_t *task,
			 struct err *err)
{
	json_int_t now = json_int(task, "attempt", 1);

	if (call_int(c, "attempt", now) == now)
		return 0;
	err_set(err, ERR_stale_attempt, "the current attempt is %lld",
		(long long)now);
	return err_member(err, "attempt", json_integer(now));
}

json_t *attempt_doc(const struct call *c, const json_t *task,
			   const char *what)
{
	char id[200], now[CLOCK_TEXT];

	task_attempt_id(task, what, id);
	clock_text(clock_wall_us(), now);
	return json_pack("{s:s,s:O,s:I,s:s,s:s,s:s}", "id", id, "task_id",
			 json_object_get(task, "id"), "attempt",
			 json_int(task, "attempt", 1), "by", c->who.name,
			 "at", now, "correlation_id", c->correlation_id);
}

static int doc_fits(const json_t *doc, struct err *err)
{
	size_t len;
	char *text = json_pretty(doc, &len);

	free(text);
	return len <= ATTEMPT_DOC_MAX ? 0 :
		err_set(err, ERR_task_too_large, "the document would have %zu "
			"bytes, at most %d", len, ATTEMPT_DOC_MAX);
}

int attempt_save(struct agent *a, struct call *c, json_t *task,
		 const char *kind, json_t *doc, const char *type,
		 struct err *err)
{
	struct fact fact = {.type = type};

	if (doc && doc_fits(doc, err)) {
		json_decref(doc);
		json_decref(task);
		return -1;
	}
	if (doc)
		fact.put = json_pack("{s:o}", kind, doc);
	fact.data = json_pack("{s:O,s:O}", "attempt",
			      json_object_get(task, "attempt"), "state",
			      json_object_get(task, "state"));
	json_incref(task);
	if (task_save(a, c, c->correlation_id, task, fact, err)) {
		json_decref(task);
		return -1;
	}
	task_answer(a, c, task);
	json_decref(task);
	return 0;
}

int op_task_heartbeat(struct agent *a, struct call *c, struct err *err)
{
	json_t *task = task_of(a, c, err), *next;

	if (!task || task_base_check(a, c, task, false, err) ||
	    attempt_check(c, task, err) ||
	    task_in_state(task, "running,stalled", err) ||
	    lease_holder_check(a, c, task, err))
		return -1;
	next = json_deep_copy(task);
	json_set_str(next, "state", "running");
	lease_set(a, c, next);
	return attempt_save(a, c, next, NULL, NULL, "heartbeat", err);
}

static int evidence_known(struct agent *a, const json_t *list, size_t at,
			  struct err *err)
{
	json_t *each;
	size_t i;

	json_array_foreach (list, i, each)
		if (!json_is_string(each) ||
		    !is_hex(json_string_value(each), 64) ||
		    !evidence_has(a->evidence, json_string_value(each)))
			return err_set(err, ERR_unknown_evidence,
				       "criteria[%zu].evidence[%zu]", at, i);
	return 0;
}

/* Each is {criterion_ref, met, evidence}, and nothing else. */
static int claims_check(struct agent *a, const struct call *c,
			const json_t *task, struct err *err)
{
	json_t *each;
	size_t i;

	json_array_foreach (json_object_get(c->args, "criteria"), i, each) {
		const char *ref = json_str(each, "criterion_ref");
		json_t *list = json_object_get(each, "evidence");

		if (!ref || !json_is_boolean(json_object_get(each, "met")) ||
		    (list && !json_is_array(list)) ||
		    json_object_size(each) != (list ? 3u : 2u))
			return err_set(err, ERR_invalid_request,
				       "criteria[%zu]: must be {\"criterion_ref"
				       "\",\"met\",\"evidence\"}", i);
		if (!task_criterion(task, ref))
			return err_set(err, ERR_unknown_criterion,
				       "criteria[%zu]: %.80s", i, ref);
		if (evidence_known(a, list, i, err))
			return -1;
	}
	json_array_foreach (json_object_get(c->args, "work_log"), i, each)
		if (!json_is_string(each))
			return err_set(err, ERR_invalid_request,
				       "work_log[%zu]: must be a string", i);
	return 0;
}

int op_task_result(struct agent *a, struct call *c, struct err *err)
{
	static const char *const kept[] = {"summary", "work_log", "criteria"};
	json_t *task = task_of(a, c, err), *next, *doc;

	if (!task || task_base_check(a, c, task, false, err) ||
	    attempt_check(c, task, err) ||
	    task_in_state(task, "running", err) ||
	    lease_holder_check(a, c, task, err) || claims_check(a, c, task, err))
		return -1;
	doc = attempt_doc(c, task, "result");
	for (size_t i = 0; i < ARRAY_LEN(kept); i++) {
		json_t *v = json_object_get(c->args, kept[i]);

		json_object_set_new(doc, kept[i],
				    v ? json_incref(v) : json_array());
	}
	next = json_deep_copy(task);
	json_set_str(next, "state", "needs_review");
	json_object_set_new(next, "lease", json_null());
	return attempt_save(a, c, next, "result", doc, "result_submitted", err);
}
