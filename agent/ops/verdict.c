/*
 * The reviewer's word on a result, and the next attempt that is opened with
 * exactly this word: nobody between the two can change it.
 */
#include <stdlib.h>
#include <string.h>

#include "agent/ops/attempt.h"
#include "agent/ops/handlers.h"
#include "agent/ops/issues.h"
#include "agent/ops/task.h"
#include "agent/store/state.h"
#include "common/json.h"

static const json_t *document_of(struct agent *a, const json_t *task,
				 const char *what)
{
	char id[200];

	task_attempt_id(task, what, id);
	return state_doc(a->state, what, id);
}

/* The issues that the call has, or none: a new reference. */
static json_t *issues_of(const struct call *c)
{
	json_t *issues = json_object_get(c->args, "issues");

	return issues ? json_incref(issues) : json_array();
}

static json_t *next_attempt(const json_t *task, json_t *issues)
{
	json_t *next = json_copy((json_t *)task);

	json_set_str(next, "state", "pending");
	json_set_int(next, "attempt", json_int(task, "attempt", 1) + 1);
	json_object_set_new(next, "lease", json_null());
	json_object_set(next, "issues", issues);
	return next;
}

/* What could never be handed on is not taken. */
static int fits_later(const json_t *task, json_t *issues, struct err *err)
{
	json_t *next = next_attempt(task, issues);
	size_t len = task_bytes(next);

	json_decref(next);
	return len <= TASK_MAX ? 0 :
		err_set(err, ERR_task_too_large, "the task with these issues "
			"would have %zu bytes, at most %d", len, TASK_MAX);
}

/* It is of the result that it judged: one that came later is another. */
static json_t *verdict_doc(struct agent *a, const struct call *c,
			   const json_t *task, const json_t *result,
			   json_t *issues, const char *hash)
{
	json_t *doc = attempt_doc(c, task, "verdict");
	char sha[41];

	if (result)
		state_sha(a->state, "result", result, sha);
	json_object_set(doc, "decision", json_object_get(c->args, "decision"));
	json_object_set(doc, "issues", issues);
	json_set_str(doc, "issues_sha256", hash);
	json_set_str(doc, "result_sha", result ? sha : NULL);
	return doc;
}

static int judge(struct agent *a, struct call *c, const json_t *task,
		 json_t *issues, struct err *err)
{
	const json_t *result = document_of(a, task, "result");
	char hash[SHA256_HEX];

	if (issues_shape(issues, err) ||
	    issues_known(a, issues, task, result, err) ||
	    issues_sha256(issues, hash, err) || fits_later(task, issues, err))
		return -1;
	return attempt_save(a, c, json_copy((json_t *)task), "verdict",
			    verdict_doc(a, c, task, result, issues, hash),
			    NULL, "verdict_submitted", err);
}

int op_task_verdict(struct agent *a, struct call *c, struct err *err)
{
	json_t *task = task_of(a, c, err), *issues;
	int rc;

	if (!task || task_base_check(a, c, task, false, err) ||
	    attempt_check(c, task, err) ||
	    task_in_state(task, "needs_review", err))
		return -1;
	issues = issues_of(c);
	rc = judge(a, c, task, issues, err);
	json_decref(issues);
	return rc;
}

/* The hash of the last verdict on what is reviewed now; NULL: none. */
static const char *judged(struct agent *a, const json_t *task)
{
	const json_t *verdict = document_of(a, task, "verdict");
	const json_t *result = document_of(a, task, "result");
	const char *of = json_str(verdict, "result_sha");
	char sha[41] = "";

	if (result)
		state_sha(a->state, "result", result, sha);
	return verdict && !strcmp(of ? of : "", sha) ?
		json_str(verdict, "issues_sha256") : NULL;
}

static int altered(struct agent *a, struct call *c, const json_t *task,
		   const char *expected, const char *got, struct err *err)
{
	struct fact fact = {.type = "fidelity_mismatch", .status = 422,
			    .task_id = json_str(task, "id")};

	err_set(err, ERR_fidelity_mismatch, "%s", expected ? "the issues are "
		"not those of the last verdict" : "there is no verdict on "
		"this attempt");
	err_member(err, "expected_sha256", expected ? json_string(expected) :
						      json_null());
	err_member(err, "got_sha256", json_string(got));
	fact.data = json_pack("{s:O,s:s?,s:s}", "attempt",
			      json_object_get(task, "attempt"),
			      "expected_sha256", expected, "got_sha256", got);
	agent_record(a, c, &fact, NULL);
	return -1;
}

static int open_next(struct agent *a, struct call *c, const json_t *task,
		     json_t *issues, const char *hash, struct err *err)
{
	json_t *next = next_attempt(task, issues);
	json_t *doc = attempt_doc(c, next, "redispatch");

	json_object_set(doc, "issues", issues);
	json_set_str(doc, "issues_sha256", hash);
	return attempt_save(a, c, next, "redispatch", doc, NULL,
			    "task_redispatched", err);
}

static int next_attempt_check(const struct call *c, const json_t *task,
			      struct err *err)
{
	json_int_t now = json_int(task, "attempt", 1);

	if (call_int(c, "attempt", 0) == now + 1)
		return 0;
	err_set(err, ERR_stale_attempt, "the current attempt is %lld: the "
		"next is %lld", (long long)now, (long long)now + 1);
	err_member(err, "next_attempt", json_integer(now + 1));
	return err_member(err, "attempt", json_integer(now));
}

int op_task_redispatch(struct agent *a, struct call *c, struct err *err)
{
	json_t *task = task_of(a, c, err), *issues;
	char hash[SHA256_HEX];
	const char *expected;

	if (!task || task_base_check(a, c, task, false, err) ||
	    next_attempt_check(c, task, err) ||
	    task_in_state(task, "needs_review", err))
		return -1;
	issues = json_object_get(c->args, "issues");
	if (issues_sha256(issues, hash, err))
		return -1;
	expected = judged(a, task);
	if (!expected || strcmp(expected, hash))
		return altered(a, c, task, expected, hash, err);
	return open_next(a, c, task, issues, hash, err);
}
