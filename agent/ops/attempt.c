/*
 * What the steps of an attempt have in common, and the heartbeat, which
 * leaves no document of its own.
 */
#include "agent/ops/attempt.h"

#include <stdlib.h>

#include "agent/ops/approval.h"
#include "agent/ops/document.h"
#include "agent/ops/executor.h"
#include "agent/ops/handlers.h"
#include "agent/ops/lease.h"
#include "agent/ops/task.h"
#include "common/clock.h"
#include "common/json.h"
#include "common/mem.h"

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

static int doc_fits(const char *kind, const json_t *doc, struct err *err)
{
	size_t len;
	char *text = json_pretty(doc, &len);

	free(text);
	len = document_counts(kind, doc, len);
	return len <= TASK_MAX ? 0 :
		err_set(err, ERR_task_too_large, "the document would have %zu "
			"bytes, at most %d", len, TASK_MAX);
}

int attempt_save(struct agent *a, struct call *c, json_t *task,
		 const char *kind, json_t *doc, json_t *more,
		 const char *type, struct err *err)
{
	struct fact fact = {.type = type};
	json_t *lease;

	if (doc && doc_fits(kind, doc, err)) {
		json_decref(doc);
		json_decref(task);
		json_decref(more);
		return -1;
	}
	fact.put = json_object();
	if (doc)
		json_object_set_new(fact.put, kind, doc);
	lease = lease_kept(a, c, task);
	if (lease)
		json_object_set_new(fact.put, LEASE_KEPT, lease);
	fact.data = json_pack("{s:O,s:O}", "attempt",
			      json_object_get(task, "attempt"), "state",
			      json_object_get(task, "state"));
	json_object_update(fact.data, more);
	json_decref(more);
	json_incref(task);
	if (task_save(a, c, c->correlation_id, task, fact, err)) {
		json_decref(task);
		return -1;
	}
	task_answer(a, c, task);
	json_decref(task);
	return 0;
}

/* What was told before stays until something else is. */
static json_t *tell_progress(const struct call *c, const json_t *before,
			     json_t *lease)
{
	static const char *const told[] = {"progress", "message"};
	json_t *now = json_object();

	for (size_t i = 0; i < ARRAY_LEN(told); i++) {
		json_t *v = json_object_get(c->args, told[i]);

		if (v)
			json_object_set(now, told[i], v);
		else
			v = json_object_get(before, told[i]);
		if (v)
			json_object_set(lease, told[i], v);
	}
	return now;
}

int op_task_heartbeat(struct agent *a, struct call *c, struct err *err)
{
	json_t *task = task_of(a, c, err), *next, *told;

	if (!task || task_base_check(a, c, task, false, err) ||
	    attempt_check(c, task, err) ||
	    task_in_state(task, "running,stalled", err) ||
	    lease_holder_check(a, c, task, err) ||
	    (doc_is(task, "stalled") && executor_has_room(a, c, err)))
		return -1;
	next = json_deep_copy(task);
	json_set_str(next, "state", "running");
	lease_set(a, c, next);
	told = tell_progress(c, json_object_get(task, "lease"),
			     json_object_get(next, "lease"));
	return attempt_save(a, c, next, NULL, NULL, told, "heartbeat", err);
}
