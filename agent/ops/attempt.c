/*
 * An executor's attempt: ACK by exact echo, heartbeat, result; and the
 * admin's word on it. ACKs and results are documents of their own.
 */
#include <stdlib.h>
#include <string.h>

#include "agent/ops/approval.h"
#include "agent/ops/due.h"
#include "agent/ops/handlers.h"
#include "agent/ops/task.h"
#include "agent/ops/run.h"
#include "agent/store/evidence.h"
#include "agent/store/settings.h"
#include "agent/store/state.h"
#include "common/clock.h"
#include "common/json.h"
#include "common/mem.h"
#include "common/words.h"

#define ATTEMPT_DOC_MAX TASK_MAX
#define BUSY_US 500000
#define PEER_GRACE_US 10000000	/* the holder's own agent stalls it first */

static int attempt_check(const struct call *c, const json_t *task,
			 struct err *err)
{
	json_int_t now = json_int(task, "attempt", 1);

	if (call_int(c, "attempt", now) == now)
		return 0;
	err_set(err, ERR_stale_attempt, "the current attempt is %lld",
		(long long)now);
	return err_member(err, "attempt", json_integer(now));
}

static const char *holder_of(const json_t *task)
{
	return json_str(json_object_get(task, "lease"), "holder");
}

/* A lease is held at the agent that it names; an older one names none. */
bool task_leased_here(const struct agent *a, const json_t *task)
{
	const json_t *lease = json_object_get(task, "lease");
	const char *at = json_str(lease, "agent");

	return json_is_object(lease) && (!at || !strcmp(at, a->settings->name));
}

/* Only the holder of a lease goes on with it, and at its agent only. */
static int holder_check(const struct agent *a, const struct call *c,
			const json_t *task, struct err *err)
{
	const char *holder = holder_of(task);

	if (holder && !task_leased_here(a, task))
		return err_set(err, ERR_lease_held, "the lease is %s's at %s",
			       holder, json_str(json_object_get(task, "lease"),
						"agent"));
	if (holder && !strcmp(holder, c->who.name))
		return 0;
	return err_set(err, ERR_lease_held, "the lease is %s's",
		       holder ? holder : "nobody");
}

static void set_lease(struct agent *a, const struct call *c, json_t *task)
{
	int64_t us = call_int(c, "lease_s", 0) * 1000000;
	char until[CLOCK_TEXT];

	if (!us)
		us = a->settings->lease;
	clock_text(clock_wall_us() + us, until);
	json_object_set_new(task, "lease", json_pack(
		"{s:s,s:s,s:s}", "holder", c->who.name, "agent",
		a->settings->name, "expires_at", until));
	due_add(a->due, clock_mono_us() + us, "task", json_str(task, "id"));
}

static const json_t *find_id(const json_t *list, const char *id)
{
	json_t *each;
	size_t i;

	json_array_foreach (list, i, each) {
		const char *own = json_str(each, "id");

		if (own && !strcmp(own, id))
			return each;
	}
	return NULL;
}

/* What is in one list and not, or not so, in the other. */
static void differences(const json_t *want, const json_t *got,
			struct err *err)
{
	json_t *missing = json_array(), *unexpected = json_array();
	json_t *differing = json_array(), *each;
	size_t i;

	json_array_foreach (want, i, each) {
		const json_t *other = find_id(got, json_str(each, "id"));

		if (!other)
			json_array_append(missing, each);
		else if (!json_equal(each, (json_t *)other))
			json_array_append_new(differing, json_pack(
				"{s:O,s:O,s:O?}", "id",
				json_object_get(each, "id"), "expected",
				json_object_get(each, "text"), "got",
				json_object_get(other, "text")));
	}
	json_array_foreach (got, i, each) {
		const char *id = json_str(each, "id");

		if (!id || !find_id(want, id))
			json_array_append(unexpected, each);
	}
	err_member(err, "missing", missing);
	err_member(err, "unexpected", unexpected);
	err_member(err, "differing", differing);
}

static int mismatch(struct agent *a, struct call *c, const json_t *task,
		    const json_t *want, const json_t *got, struct err *err)
{
	struct fact fact = {.type = "ack_mismatch", .status = 422,
			    .task_id = json_str(task, "id")};

	err_set(err, ERR_ack_mismatch, "the echo differs from the criteria");
	differences(want, got, err);
	fact.data = json_pack("{s:I,s:i,s:i,s:i}", "attempt",
		call_int(c, "attempt", 0), "missing",
		(int)json_array_size(json_object_get(err->members, "missing")),
		"unexpected", (int)json_array_size(
			json_object_get(err->members, "unexpected")),
		"differing", (int)json_array_size(
			json_object_get(err->members, "differing")));
	agent_record(a, c, &fact, NULL);
	return -1;
}

static json_t *attempt_doc(const struct call *c, const json_t *task,
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

/* Save the task and, beside it, the attempt's document (taken over). */
static int save_both(struct agent *a, struct call *c, json_t *task,
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

int op_task_ack(struct agent *a, struct call *c, struct err *err)
{
	json_t *task = task_of(a, c, err), *want, *got, *next, *doc;

	if (!task || task_base_check(a, c, task, false, err) ||
	    attempt_check(c, task, err) ||
	    task_in_state(task, "pending,stalled", err))
		return -1;
	want = json_object_get(task, "acceptance_criteria");
	got = json_object_get(c->args, "echoed_acceptance_criteria");
	if (!json_equal(want, got))
		return mismatch(a, c, task, want, got, err);
	next = json_deep_copy(task);
	json_set_str(next, "state", "running");
	set_lease(a, c, next);
	doc = attempt_doc(c, task, "ack");
	json_object_set(doc, "echoed_acceptance_criteria", got);
	return save_both(a, c, next, "ack", doc, "ack_accepted", err);
}

int op_task_heartbeat(struct agent *a, struct call *c, struct err *err)
{
	json_t *task = task_of(a, c, err), *next;

	if (!task || task_base_check(a, c, task, false, err) ||
	    attempt_check(c, task, err) ||
	    task_in_state(task, "running,stalled", err) ||
	    holder_check(a, c, task, err))
		return -1;
	next = json_deep_copy(task);
	json_set_str(next, "state", "running");
	set_lease(a, c, next);
	return save_both(a, c, next, NULL, NULL, "heartbeat", err);
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
	    holder_check(a, c, task, err) || claims_check(a, c, task, err))
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
	return save_both(a, c, next, "result", doc, "result_submitted", err);
}

/* An admin's step: from one of the states to the next, with a reason. */
static int step(struct agent *a, struct call *c, const char *from,
		const char *to, struct err *err)
{
	json_t *task = task_of(a, c, err), *next;
	struct fact fact = {.type = "task_state"};

	if (!task || task_base_check(a, c, task, false, err) ||
	    task_in_state(task, from, err))
		return -1;
	next = json_deep_copy(task);
	json_set_str(next, "state", to);
	json_object_set_new(next, "lease", json_null());
	fact.data = json_pack("{s:O,s:s,s:s}", "from",
			      json_object_get(task, "state"), "to", to,
			      "reason", call_str(c, "reason") ?
			      call_str(c, "reason") : "");
	json_incref(next);
	if (task_save(a, c, c->correlation_id, next, fact, err)) {
		json_decref(next);
		return -1;
	}
	task_answer(a, c, next);
	json_decref(next);
	return 0;
}

int op_task_approve(struct agent *a, struct call *c, struct err *err)
{
	return step(a, c, "needs_review", "approved", err);
}

int op_task_reject(struct agent *a, struct call *c, struct err *err)
{
	if (step(a, c, "needs_review", "rejected", err))
		return -1;
	approval_end_of_task(a, c, call_str(c, "id"), "the task was rejected");
	return 0;
}

#define HALTABLE "pending,running,stalled,needs_review"

void task_halt_hurry(struct agent *a, struct call *c)
{
	json_t *task = task_of(a, c, NULL);

	if (!c->hurried && task && !call_str(c, "base_sha") && !c->if_match &&
	    words_index(HALTABLE, ',', json_str(task, "state")) >= 0)
		run_end_of_task(a, c, json_str(task, "id"),
				"the task is to be halted");
	c->hurried = true;
}

int op_task_halt(struct agent *a, struct call *c, struct err *err)
{
	if (step(a, c, HALTABLE, "halted", err))
		return -1;
	run_end_of_task(a, c, call_str(c, "id"), "the task was halted");
	return 0;
}

int op_task_resume(struct agent *a, struct call *c, struct err *err)
{
	return step(a, c, "halted", "pending", err);
}

/* When this agent may call the lease missed; false: there is none. */
static bool lease_end(const struct agent *a, const json_t *task, int64_t *at)
{
	const char *until = json_str(json_object_get(task, "lease"),
				     "expires_at");

	if (!until || strcmp(json_str(task, "state"), "running") ||
	    !clock_parse(until, 0, at))
		return false;
	*at += task_leased_here(a, task) ? 0 : PEER_GRACE_US;
	return true;
}

void task_lease_watch(struct agent *a, const json_t *task)
{
	int64_t at;

	if (lease_end(a, task, &at))
		due_add(a->due, clock_mono_us() + at - clock_wall_us(), "task",
			json_str(task, "id"));
}

void task_lease_due(struct agent *a, const struct call *c, const char *id)
{
	json_t *task = state_doc(a->state, "task", id), *next;
	struct fact fact = {.type = "task_stalled"};
	int64_t at;

	if (!task || !lease_end(a, task, &at))
		return;
	if (agent_busy(a, id)) {		/* that may be a heartbeat */
		due_add(a->due, clock_mono_us() + BUSY_US, "task", id);
		return;
	}
	if (at > clock_wall_us() + 1000) {	/* it was extended meanwhile */
		task_lease_watch(a, task);
		return;
	}
	next = json_deep_copy(task);
	json_set_str(next, "state", "stalled");
	fact.data = json_pack("{s:s,s:O}", "holder", holder_of(task),
			      "expired_at", json_object_get(
				json_object_get(task, "lease"), "expires_at"));
	task_save(a, c, json_str(task, "correlation_id"), next, fact, NULL);
}

void task_recover(struct agent *a)
{
	json_t *running = state_list(a->state, "task", "running"), *each;
	size_t i;

	json_array_foreach (running, i, each)
		task_lease_watch(a, each);
	json_decref(running);
}
