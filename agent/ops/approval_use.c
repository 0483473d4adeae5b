/*
 * What becomes of an approval: used by exactly one run, of exactly the
 * request that was approved; or over, and then its run is too.
 */
#include "agent/ops/approval.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/ops/approval_bound.h"
#include "agent/ops/decision_sign.h"
#include "agent/ops/due.h"
#include "agent/ops/glass.h"
#include "agent/ops/reconcile.h"
#include "agent/ops/reminder.h"
#include "agent/ops/run.h"
#include "agent/ops/task.h"
#include "agent/ops/wait.h"
#include "agent/store/state.h"
#include "common/clock.h"
#include "common/jcs.h"
#include "common/json.h"
#include "common/mem.h"
#include "common/sha256.h"

#define REQUEST_MAX (12 * 1024)
#define CLEAR_US 1000000

/* Only name, sha256 and size are part of what is approved. */
json_t *approval_files(const json_t *files)
{
	json_t *out = json_array(), *each;
	size_t i;

	json_array_foreach (files, i, each)
		json_array_append_new(out, json_pack("{s:O,s:O,s:O}",
			"name", json_object_get(each, "name"), "sha256",
			json_object_get(each, "sha256"), "size",
			json_object_get(each, "size")));
	return out;
}

/* Digest of the canonical form. ERR_invalid_args where there is none. */
int approval_digest(const json_t *request, char hex[SHA256_HEX],
		     struct err *err)
{
	struct err own = {0};
	size_t len;
	char *text = jcs_text(request, &len, &own);

	if (!text) {
		err_set(err, ERR_invalid_args, "%s", own.detail);
		err_fini(&own);
		return -1;
	}
	sha256_hex(text, len, hex);
	free(text);
	return len <= REQUEST_MAX ? 0 : err_set(err, ERR_invalid_args,
		"the request has %zu bytes, at most %d can be approved", len,
		REQUEST_MAX);
}

int64_t doc_time(const json_t *doc, const char *key)
{
	const char *text = json_str(doc, key);
	int64_t at = 0;

	return text && clock_parse(text, 0, &at) ? at : 0;
}

bool approval_in_time(const json_t *approval)
{
	return wait_left(approval, "expires_at") > 0;
}

bool doc_is(const json_t *doc, const char *state)
{
	const char *is = json_str(doc, "state");

	return is && !strcmp(is, state);
}

/* Same names, hashes and sizes, in the same order? */
static bool same_files(const json_t *approval, const json_t *files)
{
	json_t *now = approval_files(files);
	bool same = json_equal(now, json_object_get(
		json_object_get(approval, "request"), "artifacts"));

	json_decref(now);
	return same;
}

json_t *approval_last_no(struct agent *a, const char *match)
{
	const json_t *by = state_doc(a->state, "match", match);
	const json_t *approval = by ? state_doc(a->state, "approval",
				json_str(by, "approval_id")) : NULL;
	const json_t *list = json_object_get(approval, "decisions"), *said;

	if (!approval || !doc_is(approval, "rejected") ||
	    !approval_in_time(approval))
		return NULL;
	said = json_array_get(list, json_array_size(list) - 1);
	return json_pack("{s:O,s:O,s:O,s:O,s:O}", "approval_id",
		json_object_get(approval, "id"), "by",
		json_object_get(said, "by"), "decision",
		json_object_get(said, "decision"), "at",
		json_object_get(said, "at"), "reason",
		json_object_get(said, "reason"));
}

/* The digest again, from the bytes that were approved: nothing drifted. */
static bool same_request(const json_t *approval)
{
	const json_t *request = json_object_get(approval, "request");
	char digest[SHA256_HEX];

	return !approval_digest(request, digest, NULL) &&
	       !strcmp(digest, json_str(approval, "request_sha256"));
}

static bool is_unknown(struct agent *a, const json_t *own)
{
	json_t *run = reconcile_unknown(a, json_str(own, "effect_sha256"));
	bool found = run != NULL;

	json_decref(run);
	return found;
}

const char *approval_refuses(struct agent *a, const json_t *run,
			     const json_t *files)
{
	const char *id = json_str(run, "approval_id");
	const json_t *approval = id ? state_doc(a->state, "approval", id) :
				      NULL;
	const char *reason;
	const json_t *task;

	if (!approval)
		return "approval_required";
	if (doc_is(approval, "used"))
		return "approval_used";
	if (doc_is(approval, "expired") || !approval_in_time(approval))
		return "approval_expired";
	if (is_unknown(a, run))
		return "outcome_unknown";
	if (!doc_is(approval, "approved") || approval_drift(a, approval) ||
	    !same_request(approval) || !same_files(approval, files) ||
	    strcmp(json_str(approval, "run_id"), json_str(run, "id")))
		return "approval_stale";
	reason = decision_refuses(a, run, approval);
	if (reason)
		return reason;
	if (strcmp(json_str(approval, "kind"), "external_publish"))
		return NULL;
	task = state_doc(a->state, "task", json_str(run, "task_id"));
	return task_may_publish(a, task) ? NULL : "publish_not_allowed";
}

/*
 * The task without its approval, a copy; NULL if it shows none. What it shows
 * permits nothing: the approval does, and that ends at once. So a task whose
 * next version is under way shows it for a moment longer.
 */
static json_t *task_cleared(struct agent *a, const char *id)
{
	const json_t *task = id ? state_doc(a->state, "task", id) : NULL;
	char now[CLOCK_TEXT];
	json_t *next;

	if (!task || !json_is_set(task, "admin_approved"))
		return NULL;
	if (a->draft || agent_busy(a, id)) {
		due_in(a->due, CLEAR_US, "approved", id);
		return NULL;
	}
	next = json_copy((json_t *)task);
	clock_text(clock_wall_us(), now);
	json_object_set_new(next, "admin_approved", json_false());
	json_object_set_new(next, "admin_approved_by", json_null());
	json_object_set_new(next, "admin_approved_at", json_null());
	json_set_str(next, "updated_at", now);
	return next;
}

static bool has_approval(struct agent *a, const char *task_id)
{
	json_t *list = state_list(a->state, "approval", "approved"), *each;
	bool has = false;
	size_t i;

	json_array_foreach (list, i, each) {
		const char *of = json_str(each, "task_id");

		has |= of && !strcmp(of, task_id);
	}
	json_decref(list);
	return has;
}

void approval_shown_due(struct agent *a, const struct call *c, const char *id)
{
	json_t *task = has_approval(a, id) ? NULL : task_cleared(a, id);

	if (task)
		task_save(a, c, json_str(task, "correlation_id"), task,
			  (struct fact){.type = "task_updated", .data =
				json_pack("{s:s}", "because",
					  "its approval is over")}, NULL);
}

json_t *approval_used(struct agent *a, const json_t *run, json_t **task)
{
	const char *id = json_str(run, "approval_id");
	const json_t *approval = id ? state_doc(a->state, "approval", id) :
				      NULL;
	char now[CLOCK_TEXT];
	json_t *next;

	*task = NULL;
	if (!approval)
		return NULL;
	next = json_copy((json_t *)approval);
	clock_text(clock_wall_us(), now);
	json_set_str(next, "state", "used");
	json_set_str(next, "used_at", now);
	*task = task_cleared(a, json_str(approval, "task_id"));
	return next;
}

void approval_end(struct agent *a, const struct call *c, const char *id,
		  const char *state, const char *why)
{
	json_t *approval = state_doc(a->state, "approval", id), *next, *task;
	struct fact fact = {0};
	char type[64];

	if (!approval || !(doc_is(approval, "pending") ||
			   doc_is(approval, "approved")))
		return;
	next = json_copy(approval);
	json_set_str(next, "state", state);
	snprintf(type, sizeof(type), "approval_%s", state);
	fact.type = type;
	fact.task_id = json_str(next, "task_id");
	fact.data = json_pack("{s:s,s:O,s:s}", "approval_id", id, "tool",
			      json_object_get(next, "tool"), "reason",
			      why ? why : "");
	fact.put = json_pack("{s:O}", "approval", next);
	task = task_cleared(a, json_str(next, "task_id"));
	if (task)
		json_object_set_new(fact.put, "task", task);
	agent_record_as(a, c, json_str(next, "correlation_id"), &fact, NULL);
	json_decref(next);
}

/* The approval's run, if it only waits for it, goes with it. */
static void end_with_run(struct agent *a, const struct call *c,
			 const json_t *approval, const char *state,
			 enum err_code code, const char *why)
{
	const char *run_id = json_str(approval, "run_id");
	const json_t *run = run_id ? state_doc(a->state, "run", run_id) : NULL;
	json_t *kept = json_incref((json_t *)approval);

	approval_end(a, c, json_str(kept, "id"), state, why);
	if (run && !doc_is(run, "running"))
		run_end(a, c, json_str(kept, "run_id"), code, why);
	json_decref(kept);
}

/* Who waits for its run is told why it was refused, as at the start. */
static void deny_run(struct agent *a, const struct call *c,
		     const json_t *approval, const char *why)
{
	const char *run_id = json_str(approval, "run_id");
	const json_t *run = run_id ? state_doc(a->state, "run", run_id) : NULL;
	struct fact fact = {.type = "policy_denied", .run_id = run_id,
			    .task_id = json_str(approval, "task_id"),
			    .status = 403};

	if (!run || run_is_over(run) || doc_is(run, "running"))
		return;
	fact.data = json_pack("{s:s,s:O,s:O,s:s}", "reason", "approval_stale",
			      "tool", json_object_get(approval, "tool"),
			      "approval_id", json_object_get(approval, "id"),
			      "detail", why);
	agent_record_as(a, c, json_str(approval, "correlation_id"), &fact,
			NULL);
}

void approval_end_stale(struct agent *a, const struct call *c,
			const json_t *approval, const char *why)
{
	deny_run(a, c, approval, why);
	end_with_run(a, c, approval, "stale", ERR_approval_stale, why);
}

static void end_where(struct agent *a, const struct call *c,
		      const char *task_id, const char *why)
{
	json_t *list = state_list(a->state, "approval", "pending,approved");
	json_t *each;
	size_t i;

	json_array_foreach (list, i, each) {
		const char *task = json_str(each, "task_id");

		if (!task_id || (task && !strcmp(task, task_id)))
			end_with_run(a, c, each, "stale", ERR_cancelled, why);
	}
	json_decref(list);
}

void approval_end_all(struct agent *a, const struct call *c, const char *why)
{
	end_where(a, c, NULL, why);
}

void approval_end_of_task(struct agent *a, const struct call *c,
			  const char *task_id, const char *why)
{
	end_where(a, c, task_id, why);
}

void approval_due(struct agent *a, const struct call *c, const char *id)
{
	const json_t *approval = state_doc(a->state, "approval", id);

	if (approval && (doc_is(approval, "pending") ||
			 doc_is(approval, "approved")))
		end_with_run(a, c, approval, "expired", ERR_approval_expired,
			     "its time is over; nothing was sent");
}

/* What does not hold any more ends here; the rest has its time again. */
void approval_recover(struct agent *a, const struct call *c)
{
	json_t *list = state_list(a->state, "approval", "pending,approved");
	json_t *each;
	size_t i;

	json_array_foreach (list, i, each) {
		approval_touched(a, "approval", each);
		due_in(a->due, wait_left(each, "expires_at"), "approval",
		       json_str(each, "id"));
		reminder_watch(a, each);
	}
	json_decref(list);
	/* a stop not on the record yet ends them when it is */
	if (!glass_broken(a) && !strcmp(agent_mode(a), "stopped"))
		approval_end_all(a, c, "the mode is stopped");
	approval_end_unbound(a, c);
}
