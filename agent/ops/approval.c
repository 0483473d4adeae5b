/*
 * What is asked for and bound: the canonical request, its digest, who may
 * use it and for how long. What people say about it is decision.c.
 *
 * Three documents: the approval; "match", which leads from what is asked to
 * the approval and run there are for it; and the run that uses it.
 */
#include "agent/ops/approval.h"

#include <stdlib.h>
#include <string.h>

#include "agent/ops/approval_bound.h"
#include "agent/ops/due.h"
#include "agent/ops/reconcile.h"
#include "agent/ops/reminder.h"
#include "agent/ops/run.h"
#include "agent/ops/stage.h"
#include "agent/ops/task.h"
#include "agent/ops/wait.h"
#include "agent/run/supervisor.h"
#include "agent/store/policy.h"
#include "agent/store/settings.h"
#include "agent/store/state.h"
#include "common/clock.h"
#include "common/id.h"
#include "common/json.h"
#include "common/mem.h"
#include "common/sha256.h"

#define APPROVAL_MAX (24 * 1024)	/* bytes, before anybody decides */

json_t *approval_shown(const json_t *approval)
{
	json_t *shown = json_copy((json_t *)approval);
	int64_t left = wait_left(approval, "expires_at") / 1000000;

	json_set_int(shown, "expires_in_s", left > 0 ? left : 0);
	wait_hide(shown);
	json_object_del(shown, "reviews");
	json_object_del(shown, "requester_token");
	json_object_del(shown, "match_sha256");
	return shown;
}

static json_t *or_null(const json_t *v)
{
	return v ? json_incref((json_t *)v) : json_null();
}

/* The same of what is taken over. */
static json_t *or_null_new(json_t *v)
{
	return v ? v : json_null();
}

static json_t *request_of(struct agent *a, const struct call *c,
			  const struct tool_ask *ask)
{
	json_t *v = json_pack("{s:i,s:s,s:s,s:O,s:o,s:o,s:o,s:s,s:s,s:O*}",
		"v", 1, "agent", a->settings->name, "tool", ask->tool->name,
		"args", ask->shown, "task_id",
		or_null(json_object_get(c->args, "task_id")), "criterion_ref",
		or_null(json_object_get(c->args, "criterion_ref")),
		"artifacts", approval_files(ask->files), "policy_sha256",
		a->policy->sha256, "requester", c->who.name, "staged_run",
		json_object_get(c->args, "staged_run"));
	json_t *effective = stage_args(a, ask);

	if (effective) {
		json_object_set_new(v, "effective_args", effective);
		json_set_str(v, "second_step", ask->tool->stage.promote);
	}
	return v;
}

static json_t *approval_make(struct agent *a, const struct call *c,
			     const struct tool_ask *ask, json_t *request,
			     const char *match)
{
	const struct policy *p = policy_for(a->policy, ask->tool->name);
	const char *task_id = json_str(request, "task_id");
	const json_t *task = task_id ? state_doc(a->state, "task", task_id) :
				       NULL;
	const json_t *criterion = task_criterion(task, json_str(request,
							"criterion_ref"));
	char now[CLOCK_TEXT];
	json_t *v = json_object();

	clock_text(clock_wall_us(), now);
	json_object_set(v, "id", json_object_get(request, "approval_id"));
	json_set_str(v, "state", "pending");
	json_set_str(v, "kind", level_name(ask->tool->level));
	json_object_set(v, "task_id", json_object_get(request, "task_id"));
	json_object_set(v, "criterion_ref",
			json_object_get(request, "criterion_ref"));
	json_object_set_new(v, "criterion_text",
			    or_null(json_object_get(criterion, "text")));
	json_set_str(v, "tool", ask->tool->name);
	json_set_str(v, "requester", c->who.name);
	json_set_str(v, "requester_token", c->who.token_id);
	json_set_str(v, "correlation_id", c->correlation_id);
	json_set_str(v, "created_at", now);
	wait_set(v, "expires_at", p->approval_ttl);
	approval_bind(a, v, task);
	json_object_set(v, "request", request);
	json_object_set_new(v, "artifacts", ask->files ?
			    json_incref(ask->files) : json_array());
	json_set_str(v, "match_sha256", match);
	json_set_str(v, "rule", c->rule);
	json_set_str(v, "reversibility",
		     reversibility_name(ask->tool->reversibility));
	json_object_set_new(v, "last_decision",
			    or_null_new(approval_last_no(a, match)));
	json_set_int(v, "required", p->approvals_required);
	json_object_set_new(v, "decisions", json_array());
	json_object_set_new(v, "reviews", json_array());
	json_object_set_new(v, "run_id", json_null());
	return v;
}

static json_t *match_make(const char *match, const char *approval_id,
			  const char *run_id)
{
	return json_pack("{s:s,s:s,s:s?}", "id", match, "approval_id",
			 approval_id, "run_id", run_id);
}

/* Refuse, and point to the approval. */
static int refuse(struct agent *a, struct call *c, const char *reason,
		  const json_t *approval, struct err *err)
{
	json_t *more = json_object();

	json_object_set(more, "tool", json_object_get(approval, "tool"));
	json_object_set(more, "approval_id", json_object_get(approval, "id"));
	json_object_set(more, "request_sha256",
			json_object_get(approval, "request_sha256"));
	if (json_is_object(json_object_get(approval, "last_decision")))
		json_object_set(more, "last_decision",
				json_object_get(approval, "last_decision"));
	agent_deny(a, c, call_str(c, "task_id"), reason, more, err);
	return err_hint(err, "An admin reads and decides %s in the console, "
			"or with `kircerta approve`; then ask again.",
			json_str(approval, "id"));
}

/* Make it wait: 202 with a run, or the refusal; audited as denied alike. */
static int park(struct agent *a, struct call *c, const struct tool_ask *ask,
		json_t *approval, struct err *err)
{
	const char *on = call_str(c, "on_approval");
	const char *run_id = json_str(approval, "run_id");
	struct fact fact = {.type = "run_queued",
			    .task_id = json_str(approval, "task_id")};
	json_t *run, *next;

	refuse(a, c, c->reason, approval, err);
	if (err->code != ERR_policy_denied || !on || strcmp(on, "run"))
		return -1;
	err_fini(err);
	if (run_id)
		return run_answer(c, state_doc(a->state, "run", run_id));
	run = run_make(a, c, ask, "awaiting_approval", approval);
	next = json_copy(approval);
	fact.run_id = json_str(run, "id");
	json_set_str(next, "run_id", fact.run_id);
	fact.data = json_pack("{s:s,s:O}", "tool", ask->tool->name,
			      "approval_id", json_object_get(next, "id"));
	fact.put = json_pack("{s:O,s:o}", "run", run, "approval", next);
	if (!agent_record(a, c, &fact, err))
		run_answer(c, run);
	json_decref(run);
	return err->code ? -1 : 0;
}

/* It goes with its task and run into one record, with what is said of it. */
static int short_enough(const json_t *approval, struct err *err)
{
	size_t len;
	char *text = json_line(approval, &len);

	free(text);
	return len <= APPROVAL_MAX ? 0 : err_set(err, ERR_invalid_args,
		"the request and the text of its criterion have %zu bytes, at "
		"most %d can be approved", len, APPROVAL_MAX);
}

static json_t *requested_data(const json_t *approval)
{
	return json_pack("{s:O,s:O,s:O,s:O}",
			 "approval_id", json_object_get(approval, "id"),
			 "tool", json_object_get(approval, "tool"),
			 "request_sha256",
			 json_object_get(approval, "request_sha256"),
			 "artifacts", json_object_get(
				json_object_get(approval, "request"),
				"artifacts"));
}

static int open_new(struct agent *a, struct call *c,
		    const struct tool_ask *ask, json_t *request,
		    const char *match, struct err *err)
{
	struct fact fact = {.type = "approval_requested",
			    .task_id = json_str(request, "task_id")};
	char id[ID_MADE], digest[SHA256_HEX];
	json_t *approval;
	int rc = -1;

	id_make('a', id);
	json_set_str(request, "approval_id", id);
	if (approval_digest(request, digest, err))
		return -1;
	approval = approval_make(a, c, ask, request, match);
	json_set_str(approval, "request_sha256", digest);
	if (short_enough(approval, err)) {
		json_decref(approval);
		return -1;
	}
	fact.data = requested_data(approval);
	fact.put = json_pack("{s:O,s:o}", "approval", approval, "match",
			     match_make(match, id, NULL));
	if (!agent_record(a, c, &fact, err)) {
		due_in(a->due, wait_left(approval, "expires_at"), "approval",
		       id);
		reminder_watch(a, approval);
		rc = park(a, c, ask, approval, err);
	}
	json_decref(approval);
	return rc;
}

/* It was given: queue the run that will use it, once its grace is over. */
static int use(struct agent *a, struct call *c, const struct tool_ask *ask,
	       json_t *approval, const char *match, struct err *err)
{
	const struct policy *p = policy_for(a->policy, ask->tool->name);
	const char *run_id = json_str(approval, "run_id");
	int64_t left = wait_left(approval, "approved_at") + p->grace;
	struct fact fact = {.type = "run_queued",
			    .task_id = json_str(approval, "task_id")};
	json_t *run, *next;

	run = run_id ? state_doc(a->state, "run", run_id) : NULL;
	if (run && !run_is_over(run))
		return run_answer(c, run);
	run = run_make(a, c, ask, "queued", approval);
	fact.run_id = json_str(run, "id");
	wait_set(run, "starts_at", left);
	next = json_copy(approval);
	json_set_str(next, "run_id", fact.run_id);
	fact.data = json_pack("{s:s,s:O,s:O}", "tool", ask->tool->name,
			      "approval_id", json_object_get(next, "id"),
			      "starts_at", json_object_get(run, "starts_at"));
	fact.put = json_pack("{s:O,s:o,s:o}", "run", run, "approval", next,
			     "match", match_make(match, json_str(next, "id"),
						 fact.run_id));
	if (!agent_record(a, c, &fact, err)) {
		due_in(a->due, left, "run", json_str(run, "id"));
		run_answer(c, run);
	}
	json_decref(run);
	return err->code ? -1 : 0;
}

/* What is asked, whatever its approval; secrets count though unseen. */
static int match_of(json_t *request, const struct tool_ask *ask,
		    char match[SHA256_HEX], struct err *err)
{
	int rc;

	if (!*ask->secrets)
		return approval_digest(request, match, err);
	json_set_str(request, "secrets", ask->secrets);
	rc = approval_digest(request, match, err);
	json_object_del(request, "secrets");
	return rc;
}

/* The run that is sending this very thing now, or NULL. */
static const json_t *running(struct agent *a, const json_t *approval)
{
	const char *id = json_str(approval, "run_id");
	const json_t *run = id ? state_doc(a->state, "run", id) : NULL;

	return run && doc_is(approval, "used") && doc_is(run, "running") ?
	       run : NULL;
}

int approval_ask(struct agent *a, struct call *c, const struct tool_ask *ask,
		 struct err *err)
{
	json_t *request = request_of(a, c, ask), *approval, *match_doc;
	json_t *unknown;
	char match[SHA256_HEX], effect[SHA256_HEX];
	int rc;

	if (match_of(request, ask, match, err)) {
		json_decref(request);
		return -1;
	}
	match_doc = state_doc(a->state, "match", match);
	approval = match_doc ? state_doc(a->state, "approval",
				json_str(match_doc, "approval_id")) : NULL;
	json_incref(approval);
	reconcile_effect(ask, effect);
	unknown = reconcile_unknown(a, effect);
	if (unknown)
		rc = agent_deny(a, c, call_str(c, "task_id"),
				"outcome_unknown", json_pack("{s:O,s:O}",
				"tool", json_object_get(request, "tool"),
				"run_id", json_object_get(unknown, "id")),
				err);
	else if (approval && doc_is(approval, "pending") &&
		 approval_in_time(approval))
		rc = park(a, c, ask, approval, err);
	else if (approval && doc_is(approval, "approved") &&
		 approval_in_time(approval))
		rc = use(a, c, ask, approval, match, err);
	else if (approval && running(a, approval))
		rc = run_answer(c, running(a, approval));
	else
		rc = open_new(a, c, ask, request, match, err);
	json_decref(unknown);
	json_decref(approval);
	json_decref(request);
	return rc;
}
