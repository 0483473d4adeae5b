/*
 * Runs: queued, maybe awaiting approval, running, over. Intent is recorded
 * before a tool starts, its outcome before anybody hears of it.
 */
#include "agent/ops/run.h"

#include <stdlib.h>
#include <string.h>

#include "agent/ops/approval.h"
#include "agent/ops/due.h"
#include "agent/ops/handlers.h"
#include "agent/ops/list.h"
#include "agent/ops/reconcile.h"
#include "agent/ops/stage.h"
#include "agent/ops/wait.h"
#include "agent/run/supervisor.h"
#include "agent/store/policy.h"
#include "agent/store/settings.h"
#include "agent/store/state.h"
#include "common/clock.h"
#include "common/id.h"
#include "common/json.h"
#include "common/mem.h"

json_t *run_shown(const json_t *run)
{
	json_t *shown = json_copy((json_t *)run);

	json_object_del(shown, "match_sha256");
	json_object_del(shown, "effect_sha256");
	json_object_del(shown, "has_secrets");
	wait_hide(shown);
	return shown;
}

bool run_is_over(const json_t *run)
{
	const char *s = json_str(run, "state");

	return strcmp(s, "queued") && strcmp(s, "running") &&
	       strcmp(s, "awaiting_approval");
}

int op_run_list(struct agent *a, struct call *c, struct err *err)
{
	struct doc_filter f = {.kind = "run", .state = call_str(c, "state"),
			       .task_id = call_str(c, "task_id"),
			       .correlation_id = call_str(c, "correlation_id")};

	return list_docs(a, c, &f, run_shown, err);
}

int op_run_get(struct agent *a, struct call *c, struct err *err)
{
	(void)a;
	return answer_doc(c, "run", run_shown, err);
}

int run_answer(struct call *c, const json_t *run)
{
	const char *id = json_str(run, "id");

	call_answer(c, run_shown(run));
	c->status = run_is_over(run) ? 200 : 202;
	c->location = xasprintf("/api/runs/%s", id);
	if (c->wait_us && !run_is_over(run)) {
		c->waits_until = clock_mono_us() + c->wait_us;
		snprintf(c->waits_run, sizeof(c->waits_run), "%s", id);
	}
	return 0;
}

static json_t *str_or_null(const json_t *object, const char *key)
{
	json_t *v = json_object_get(object, key);

	return v ? json_incref(v) : json_null();
}

/* What tells its effect from any other, here and where it goes. */
static void mark(json_t *run, const struct tool_ask *ask,
		 const json_t *approval)
{
	char effect[SHA256_HEX];

	json_object_set(run, "match_sha256",
			json_object_get(approval, "match_sha256"));
	reconcile_effect(ask, effect);
	json_set_str(run, "effect_sha256", effect);
	json_object_set_new(run, "marker", json_sprintf("kc-%.16s",
		json_str(approval, "request_sha256")));
	stage_mark(run, ask->tool, approval);
}

/* The attempt that the task is in when the run is asked for. */
static json_t *attempt_of(struct agent *a, const struct call *c)
{
	const char *id = call_str(c, "task_id");
	const json_t *task = id ? state_doc(a->state, "task", id) : NULL;

	return task ? json_integer(json_int(task, "attempt", 1)) : json_null();
}

json_t *run_make(struct agent *a, const struct call *c,
		 const struct tool_ask *ask, const char *state,
		 const json_t *approval)
{
	char id[ID_MADE], now[CLOCK_TEXT];
	int64_t seconds = ask->tool->timeout_us / 1000000;
	int64_t asked = call_int(c, "timeout_s", seconds);
	bool secrets = tool_has_secret(ask->tool, ask->args);
	json_t *run = json_object();

	id_make('r', id);
	clock_text(clock_wall_us(), now);
	json_set_str(run, "id", id);
	json_set_str(run, "tool", ask->tool->name);
	json_object_set_new(run, "task_id", str_or_null(c->args, "task_id"));
	json_object_set_new(run, "criterion_ref",
			    str_or_null(c->args, "criterion_ref"));
	json_object_set_new(run, "attempt", attempt_of(a, c));
	json_set_str(run, "correlation_id", c->correlation_id);
	json_set_str(run, "actor", c->who.name);
	json_set_str(run, "side_effect_level", level_name(ask->tool->level));
	json_set_str(run, "state", state);
	json_set_int(run, "progress", 0);
	json_set_str(run, "created_at", now);
	json_object_set_new(run, "started_at", json_null());
	json_object_set_new(run, "finished_at", json_null());
	json_object_set(run, "args", ask->shown);
	json_set_int(run, "timeout_s", asked < seconds || !seconds ?
		     asked : seconds);
	json_object_set_new(run, "result", json_null());
	json_object_set_new(run, "error", json_null());
	json_object_set_new(run, "artifacts", json_array());
	json_object_set_new(run, "evidence_sha256", json_null());
	json_object_set_new(run, "approval_id", str_or_null(approval, "id"));
	if (approval)
		mark(run, ask, approval);
	if (secrets) {
		json_object_set_new(run, "has_secrets", json_true());
		json_object_set(a->secret_args, id, ask->args);
	}
	return run;
}

static void go_prepare(struct agent *a, void *spec)
{
	supervisor_prepare(a->runs, spec);
}

static void drop_spec(void *spec)
{
	run_spec_free(spec);
}

/* The args with what was not recorded; NULL if a restart has lost them. */
static json_t *full_args(struct agent *a, const json_t *run)
{
	if (!json_is_set(run, "has_secrets"))
		return json_incref(json_object_get(run, "args"));
	return json_incref(json_object_get(a->secret_args,
					   json_str(run, "id")));
}

json_t *run_config(struct agent *a, const struct tool *t)
{
	const char *channels = policy_for(a->policy, t->name)->channels;
	json_t *own = t->config ? json_object_get(a->settings->sections,
						  t->config) : NULL;
	json_t *config;

	if (!*channels)
		return json_incref(own);
	config = own ? json_copy(own) : json_object();
	json_set_str(config, "channels", channels);
	return config;
}

static struct run_spec *spec_of(struct agent *a, const json_t *run)
{
	struct tools *set = a->tools;
	const struct tool *t = tools_find(set, json_str(run, "tool"));
	bool same = t && t->level == level_of(json_str(run,
						"side_effect_level"));
	json_t *args = same ? full_args(a, run) : NULL;
	struct run_spec *spec;

	if (!args)
		return NULL;
	spec = xcalloc(1, sizeof(*spec));
	snprintf(spec->id, sizeof(spec->id), "%s", json_str(run, "id"));
	spec->task_id = xstrdup(json_str(run, "task_id"));
	spec->criterion_ref = xstrdup(json_str(run, "criterion_ref"));
	spec->correlation_id = xstrdup(json_str(run, "correlation_id"));
	spec->tools = tools_ref(set);
	spec->tool = t;
	spec->args = json_copy(args);
	stage_apply(run, spec->args);
	json_decref(args);
	spec->timeout_us = json_int(run, "timeout_s", 60) * 1000000;
	spec->more = json_pack("{s:O*}", "marker",
			       json_object_get(run, "marker"));
	spec->config = run_config(a, t);
	return spec;
}

/* Once durable; false: what it needs is not there any more. */
static bool prepare_after(struct agent *a, const json_t *run)
{
	struct run_spec *spec = spec_of(a, run);

	if (spec)
		agent_after(a, go_prepare, drop_spec, spec);
	return spec;
}

int run_now(struct agent *a, struct call *c, const struct tool_ask *ask,
	    struct err *err)
{
	struct fact fact = {.type = "run_queued"};
	json_t *run;
	int rc;

	if (supervisor_full(a->runs))
		return err_set(err, ERR_overloaded, "too many runs wait");
	run = run_make(a, c, ask, "queued", NULL);
	fact.task_id = json_str(run, "task_id");
	fact.run_id = json_str(run, "id");
	fact.data = json_pack("{s:s}", "tool", ask->tool->name);
	fact.put = json_pack("{s:O}", "run", run);
	rc = agent_record(a, c, &fact, err);
	if (!rc) {
		prepare_after(a, run);
		run_answer(c, run);
	}
	json_decref(run);
	return rc;
}

static void go_cancel(struct agent *a, void *id)
{
	supervisor_cancel(a->runs, id, "cancelled");
	free(id);
}

static void cancel_after(struct agent *a, const char *id)
{
	agent_after(a, go_cancel, free, xstrdup(id));
}

json_t *run_error(enum err_code code, const char *detail)
{
	const struct err_row *row = err_row(code);

	return json_pack("{s:s,s:o,s:s,s:b}", "error_code", row->code,
			 "detail", json_lossy(detail), "remediation_hint",
			 row->hint, "retryable", row->retryable);
}

/* Record that a run is over before or without its tool's own report. */
static void close_run(struct agent *a, const struct call *c, const json_t *run,
		      const char *state, enum err_code code,
		      const char *detail)
{
	json_t *next = json_copy((json_t *)run);
	struct fact fact = {
		.type = strcmp(state, "outcome_unknown") ? "tool_failed" :
							   "outcome_unknown",
		.task_id = json_str(run, "task_id"),
		.run_id = json_str(run, "id"),
	};

	json_set_str(next, "state", state);
	wait_set(next, "finished_at", 0);
	json_object_set_new(next, "error", run_error(code, detail));
	fact.data = json_pack("{s:s,s:O,s:s,s:o}", "state", state, "tool",
			      json_object_get(run, "tool"), "error_code",
			      err_row(code)->code, "detail",
			      json_lossy(detail));
	fact.put = json_pack("{s:o}", "run", next);
	json_object_del(a->secret_args, fact.run_id);
	agent_record_as(a, c, json_str(run, "correlation_id"), &fact, NULL);
	if (code == ERR_outcome_unknown)
		reconcile_begin(a, fact.run_id);
}

void run_start_due(struct agent *a, const struct call *c, const char *id)
{
	const json_t *run = state_doc(a->state, "run", id);

	if (!run || strcmp(json_str(run, "state"), "queued"))
		return;
	if (!prepare_after(a, run))
		close_run(a, c, run, "cancelled", ERR_agent_restarted,
			  "its tool has changed, or its secret "
			  "arguments are gone");
}

void run_end(struct agent *a, const struct call *c, const char *id,
	     enum err_code code, const char *detail)
{
	const json_t *run = state_doc(a->state, "run", id);

	if (!run || run_is_over(run))
		return;
	cancel_after(a, id);
	if (strcmp(json_str(run, "state"), "running"))
		close_run(a, c, run, "cancelled", code, detail);
}

static void end_where(struct agent *a, const struct call *c,
		      const char *task_id, const char *why)
{
	json_t *runs = state_list(a->state, "run",
				  "queued,awaiting_approval,running"), *each;
	size_t i;

	json_array_foreach (runs, i, each) {
		const char *task = json_str(each, "task_id");

		if (!task_id || (task && !strcmp(task, task_id)))
			run_end(a, c, json_str(each, "id"), ERR_cancelled, why);
	}
	json_decref(runs);
}

void run_end_of_task(struct agent *a, const struct call *c,
		     const char *task_id, const char *why)
{
	approval_end_of_task(a, c, task_id, why);
	end_where(a, c, task_id, why);
}

static void go_end_all(struct agent *a, void *why)
{
	supervisor_end_all(a->runs, why);
	free(why);
}

void run_end_all(struct agent *a, const struct call *c, const char *why)
{
	agent_after(a, go_end_all, free, xstrdup(why));
	end_where(a, c, NULL, why);
}

int op_run_cancel(struct agent *a, struct call *c, struct err *err)
{
	const char *id = call_str(c, "id"), *why = call_str(c, "reason");
	const json_t *run = state_doc(a->state, "run", id);
	const char *approval;

	if (!run)
		return err_set(err, ERR_not_found, "no run %s", id);
	if (run_is_over(run))
		return err_set(err, ERR_not_running, "it is %s",
			       json_str(run, "state"));
	approval = json_str(run, "approval_id");
	if (approval && strcmp(json_str(run, "state"), "running"))
		approval_end(a, c, approval, "cancelled", why);
	run_end(a, c, id, ERR_cancelled, why ? why : "cancelled on request");
	run = state_doc(a->state, "run", id);
	call_answer(c, run_shown(run));
	c->status = run_is_over(run) ? 200 : 202;
	return 0;
}

void run_recover(struct agent *a, const struct call *c)
{
	json_t *runs = state_list(a->state, "run",
				  "queued,running,outcome_unknown"), *each;
	size_t i;

	json_array_foreach (runs, i, each) {
		bool publish = level_of(json_str(each, "side_effect_level")) ==
			       LEVEL_EXTERNAL_PUBLISH;

		if (!strcmp(json_str(each, "state"), "queued"))
			due_in(a->due, wait_left(each, "starts_at"), "run",
			       json_str(each, "id"));
		else if (!strcmp(json_str(each, "state"), "outcome_unknown"))
			reconcile_begin(a, json_str(each, "id"));
		else if (publish)
			close_run(a, c, each, "outcome_unknown",
				  ERR_outcome_unknown,
				  "the agent stopped while it ran");
		else
			close_run(a, c, each, "failed", ERR_agent_restarted,
				  "the agent stopped while it ran");
	}
	json_decref(runs);
	reconcile_recover(a);
	stage_recover(a, c);
}
