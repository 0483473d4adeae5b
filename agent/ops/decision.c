/*
 * What people say: they open a review, read the exact bytes, and decide once
 * with the nonce of that review. Recorded under the correlation id of what
 * was asked for, so that one id tells the whole story.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "agent/ops/approval.h"
#include "agent/ops/approval_bound.h"
#include "agent/ops/decision_sign.h"
#include "agent/ops/handlers.h"
#include "agent/ops/list.h"
#include "agent/ops/parked.h"
#include "agent/ops/run.h"
#include "agent/ops/task.h"
#include "agent/ops/wait.h"
#include "agent/store/settings.h"
#include "agent/store/state.h"
#include "common/clock.h"
#include "common/id.h"
#include "common/jcs.h"
#include "common/json.h"
#include "common/mem.h"
#include "common/sha256.h"

#define NONCE_DIGITS 32
#define REVIEWS_KEPT 16

int op_approval_list(struct agent *a, struct call *c, struct err *err)
{
	struct doc_filter f = {.kind = "approval",
			       .state = call_str(c, "state"),
			       .task_id = call_str(c, "task_id")};

	return list_docs(a, c, &f, approval_shown, err);
}

int op_approval_get(struct agent *a, struct call *c, struct err *err)
{
	(void)a;
	return answer_doc(c, "approval", approval_shown, err);
}

static int wrong_state(const json_t *approval, struct err *err)
{
	const char *state = json_str(approval, "state");
	enum err_code code = !strcmp(state, "expired") ? ERR_approval_expired :
			     !strcmp(state, "stale") ? ERR_approval_stale :
						       ERR_already_decided;

	err_set(err, code, "it is %s", state);
	return err_member(err, "state", json_string(state));
}

/* The approval of the call, still to be decided. */
static json_t *pending_of(struct agent *a, struct call *c, struct err *err)
{
	json_t *v = state_doc(a->state, "approval", call_str(c, "id"));

	if (!v)
		err_set(err, ERR_not_found, "no approval %s",
			call_str(c, "id"));
	else if (strcmp(json_str(v, "state"), "pending"))
		wrong_state(v, err);
	else if (!approval_in_time(v))
		err_set(err, ERR_approval_expired, "its time is over");
	return err->code ? NULL : v;
}

static void forget_old(json_t *reviews)
{
	while (json_array_size(reviews) > REVIEWS_KEPT)
		json_array_remove(reviews, 0);
}

static json_t *review_answer(const json_t *approval, const char *nonce,
			     struct err *err)
{
	char *text = jcs_text(json_object_get(approval, "request"), NULL, err);
	json_t *out;

	if (!text)
		return NULL;
	out = json_pack("{s:s,s:O,s:s,s:o}", "canonical", text,
			"request_sha256",
			json_object_get(approval, "request_sha256"), "nonce",
			nonce, "approval", approval_shown(approval));
	json_object_set(out, "expires_in_s", json_object_get(
		json_object_get(out, "approval"), "expires_in_s"));
	free(text);
	return out;
}

int op_approval_review(struct agent *a, struct call *c, struct err *err)
{
	json_t *approval = pending_of(a, c, err), *next, *reviews, *answer;
	json_t *review;
	char nonce[NONCE_DIGITS + 1], hash[SHA256_HEX];
	struct fact fact = {.type = "approval_reviewed"};

	if (!approval)
		return -1;
	random_base62(nonce, NONCE_DIGITS);
	sha256_hex(nonce, NONCE_DIGITS, hash);
	answer = review_answer(approval, nonce, err);
	if (!answer)
		return -1;
	json_object_set_new(answer, "statement",
			    decision_template(a, c, approval, nonce));
	next = json_copy(approval);
	reviews = json_copy(json_object_get(approval, "reviews"));
	review = json_pack("{s:s,s:s,s:b}", "by", c->who.name, "nonce_sha256",
			   hash, "used", 0);
	wait_set(review, "expires_at", a->settings->timeouts.approval);
	json_array_append_new(reviews, review);
	forget_old(reviews);
	json_object_set_new(next, "reviews", reviews);
	fact.task_id = json_str(next, "task_id");
	fact.data = json_pack("{s:O,s:O}", "approval_id",
			      json_object_get(next, "id"), "request_sha256",
			      json_object_get(next, "request_sha256"));
	fact.put = json_pack("{s:O}", "approval", next);
	if (agent_record_as(a, c, json_str(next, "correlation_id"), &fact,
			    err)) {
		json_decref(answer);
		json_decref(next);
		return -1;
	}
	json_decref(next);
	return call_answer(c, answer);
}

/* Index of the review that this nonce was made for; -1: none. */
static int find_review(const struct call *c, const json_t *approval)
{
	const char *nonce = call_str(c, "nonce");
	char hash[SHA256_HEX];
	json_t *each;
	size_t i;

	sha256_hex(nonce, strlen(nonce), hash);
	json_array_foreach (json_object_get(approval, "reviews"), i, each)
		if (!strcmp(json_str(each, "nonce_sha256"), hash))
			return (int)i;
	return -1;
}

static const json_t *review_at(const json_t *approval, int i)
{
	return json_array_get(json_object_get(approval, "reviews"), (size_t)i);
}

/* A nonce that has decided says so, whatever the approval is by now. */
static int nonce_unused(struct agent *a, const struct call *c,
			struct err *err)
{
	const json_t *v = state_doc(a->state, "approval", call_str(c, "id"));
	int i = v ? find_review(c, v) : -1;

	if (i < 0 || !json_is_set(review_at(v, i), "used"))
		return 0;
	err_set(err, ERR_nonce_used, "this review has decided already");
	return err_member(err, "state",
			  json_incref(json_object_get(v, "state")));
}

/* Opened by this very actor, and not too long ago. */
static bool review_is_good(const struct call *c, const json_t *review)
{
	const char *by = json_str(review, "by");

	return by && !strcmp(by, c->who.name) &&
	       wait_left(review, "expires_at") > 0;
}

static int digest_check(struct agent *a, const struct call *c,
			const json_t *approval, struct err *err)
{
	const char *said = call_str(c, "request_sha256");
	const char *drift = approval_drift(a, approval);

	if (said && strcmp(said, json_str(approval, "request_sha256")))
		return err_set(err, ERR_approval_stale,
			       "this digest is not the approval's");
	return drift ? err_set(err, ERR_approval_stale, "%s", drift) : 0;
}

/* One person: by name, however it is written, or by the credential shown. */
static bool is_person(const struct actor *who, const char *name,
		      const char *credential)
{
	return (name && !strcasecmp(name, who->name)) ||
	       (credential && !strcmp(credential, who->token_id));
}

static bool has_decided(const json_t *approval, const struct actor *who)
{
	json_t *each;
	size_t i;

	json_array_foreach (json_object_get(approval, "decisions"), i, each)
		if (is_person(who, json_str(each, "by"),
			      json_str(each, "credential")))
			return true;
	return false;
}

/* Who asked may not decide: neither by name nor by credential. */
static int other_person(const struct call *c, const json_t *approval,
			struct err *err)
{
	if (is_person(&c->who, json_str(approval, "requester"),
		      json_str(approval, "requester_token")))
		return err_set(err, ERR_self_approval,
			       "%s asked for it", c->who.name);
	if (has_decided(approval, &c->who))
		return err_set(err, ERR_self_approval,
			       "%s has decided already; another has to",
			       c->who.name);
	return 0;
}

static void spend_nonce(json_t *next, int review)
{
	json_t *reviews = json_deep_copy(json_object_get(next, "reviews"));

	json_object_set_new(json_array_get(reviews, (size_t)review), "used",
			    json_true());
	json_object_set_new(next, "reviews", reviews);
}

static void add_decision(const struct call *c, json_t *next,
			 const char *decision, const char *now)
{
	json_t *list = json_copy(json_object_get(next, "decisions"));

	json_array_append_new(list, json_pack("{s:s,s:s,s:s,s:s,s:s}", "by",
		c->who.name, "credential", c->who.token_id, "decision",
		decision, "at", now, "reason",
		call_str(c, "reason") ? call_str(c, "reason") : ""));
	json_object_set_new(next, "decisions", list);
}

/* The task with the approval on it, a copy; NULL without a task. */
static json_t *task_approved(struct agent *a, const struct call *c,
			     const json_t *approval, const char *now)
{
	const char *id = json_str(approval, "task_id");
	const json_t *task = id ? state_doc(a->state, "task", id) : NULL;
	json_t *next;

	if (!task)
		return NULL;
	next = json_copy((json_t *)task);
	json_object_set_new(next, "admin_approved", json_true());
	json_set_str(next, "admin_approved_by", c->who.name);
	json_set_str(next, "admin_approved_at", now);
	json_set_str(next, "updated_at", now);
	if (json_is_set(c->args, "allow_external_publish"))
		json_object_set_new(next, "allow_external_publish",
				    json_true());
	return next;
}

static int publish_check(struct agent *a, const struct call *c,
			 const json_t *approval, struct err *err)
{
	const char *id = json_str(approval, "task_id");
	const json_t *task = id ? state_doc(a->state, "task", id) : NULL;

	if (strcmp(json_str(approval, "kind"), "external_publish") ||
	    task_may_publish(a, task) ||
	    json_is_set(c->args, "allow_external_publish"))
		return 0;
	agent_deny(a, c, id, "publish_not_allowed", json_pack("{s:O}",
		   "approval_id", json_object_get(approval, "id")), err);
	return err_hint(err, "The task does not allow publishing: say "
			"allow_external_publish true in the decision if it "
			"shall.");
}

static json_t *decision_data(const struct call *c, const json_t *approval,
			     const char *decision)
{
	return json_pack("{s:O,s:O,s:O,s:s,s:s,s:I,s:I,s:s}",
		"approval_id", json_object_get(approval, "id"), "tool",
		json_object_get(approval, "tool"), "request_sha256",
		json_object_get(approval, "request_sha256"), "decision",
		decision, "reason", call_str(c, "reason") ?
		call_str(c, "reason") : "", "decisions",
		(json_int_t)json_array_size(json_object_get(approval,
							    "decisions")),
		"required", json_int(approval, "required", 1),
		"decided_in", c->correlation_id);
}

/* Record the decision with all that changes by it; answers the approval. */
static int decide(struct agent *a, struct call *c, json_t *next,
		  const char *type, const char *decision, json_t *task,
		  struct err *err)
{
	struct fact fact = {.type = type, .task_id = json_str(next, "task_id")};

	fact.data = decision_data(c, next, decision);
	decision_show(next, fact.data);
	fact.put = json_pack("{s:O}", "approval", next);
	if (task)
		json_object_set_new(fact.put, "task", task);
	if (task && json_is_set(c->args, "allow_external_publish"))
		json_object_set_new(fact.put, "allow",
				    task_allow(c, fact.task_id));
	if (agent_record_as(a, c, json_str(next, "correlation_id"), &fact,
			    err))
		return -1;
	return call_answer(c, approval_shown(next));
}

int op_approval_approve(struct agent *a, struct call *c, struct err *err)
{
	json_t *approval, *next, *task = NULL, *proof;
	char now[CLOCK_TEXT];
	bool granted = false;
	int review, rc;

	if (nonce_unused(a, c, err) || !(approval = pending_of(a, c, err)) ||
	    other_person(c, approval, err) ||
	    digest_check(a, c, approval, err))
		return -1;
	review = find_review(c, approval);
	if (review < 0 || !review_is_good(c, review_at(approval, review)))
		return err_set(err, ERR_nonce_used, "open the review again");
	if (publish_check(a, c, approval, err) ||
	    decision_signed(a, c, approval, &proof, err))
		return -1;
	clock_text(clock_wall_us(), now);
	next = json_copy(approval);
	spend_nonce(next, review);
	add_decision(c, next, "approve", now);
	decision_keep(next, proof);
	if ((json_int_t)json_array_size(json_object_get(next, "decisions")) >=
	    json_int(next, "required", 1)) {
		json_set_str(next, "state", "approved");
		wait_set(next, "approved_at", 0);
		json_set_str(next, "mode", agent_mode(a));
		granted = true;
		task = task_approved(a, c, next, now);
	}
	rc = decide(a, c, next, "approval_granted", "approve", task, err);
	if (!rc && granted)
		parked_start(a, c, next);
	json_decref(next);
	return rc;
}

int op_approval_reject(struct agent *a, struct call *c, struct err *err)
{
	json_t *approval = pending_of(a, c, err), *next;
	const char *why = call_str(c, "reason"), *run_id;
	char now[CLOCK_TEXT], *detail;
	int rc;

	if (!approval || digest_check(a, c, approval, err))
		return -1;
	clock_text(clock_wall_us(), now);
	next = json_copy(approval);
	add_decision(c, next, "reject", now);
	json_set_str(next, "state", "rejected");
	rc = decide(a, c, next, "approval_rejected", "reject", NULL, err);
	run_id = json_str(next, "run_id");
	detail = xasprintf("%s rejected it: %s", c->who.name,
			   why && *why ? why : "no reason given");
	if (!rc && run_id)
		run_end(a, c, run_id, ERR_policy_denied, detail);
	free(detail);
	json_decref(next);
	return rc;
}

int op_approval_cancel(struct agent *a, struct call *c, struct err *err)
{
	const char *id = call_str(c, "id"), *why = call_str(c, "reason");
	json_t *approval = state_doc(a->state, "approval", id);
	const char *run_id;

	if (!approval)
		return err_set(err, ERR_not_found, "no approval %s", id);
	if (strcmp(json_str(approval, "state"), "pending") &&
	    strcmp(json_str(approval, "state"), "approved"))
		return wrong_state(approval, err);
	approval_end(a, c, id, "cancelled", why);
	approval = state_doc(a->state, "approval", id);
	run_id = json_str(approval, "run_id");
	if (run_id)
		run_end(a, c, run_id, ERR_cancelled,
			why && *why ? why : "the approval was taken back");
	return call_answer(c, approval_shown(approval));
}
