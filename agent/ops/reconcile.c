/*
 * See reconcile.h. The tool is asked a few times, each time after a longer
 * pause, since what lists things elsewhere may lag behind. What it says
 * counts only where it is sure; its word is filed as evidence.
 */
#include "agent/ops/reconcile.h"

#include <stdlib.h>
#include <string.h>

#include "agent/ops/due.h"
#include "agent/ops/handlers.h"
#include "agent/ops/run.h"
#include "agent/ops/stage.h"
#include "agent/ops/wait.h"
#include "agent/run/supervisor.h"
#include "agent/store/settings.h"
#include "agent/store/state.h"
#include "common/clock.h"
#include "common/json.h"
#include "common/mem.h"

#define TRIES 6
#define LONGER 6		/* each pause than the one before */
#define DETAIL_MAX 480
#define STOPPED_US 1000000	/* until the mode is looked at again */

void reconcile_effect(const struct tool_ask *ask, char hex[SHA256_HEX])
{
	json_t *args = json_copy(ask->shown), *effect, *each;
	size_t i, len;
	char *text;

	json_array_foreach (ask->files, i, each)
		json_object_set(args, json_str(each, "arg"),
				json_object_get(each, "sha256"));
	effect = json_pack("{s:s,s:o,s:s}", "tool", ask->tool->name, "args",
			   args, "secrets", ask->secrets);
	text = json_hashed(effect, &len);
	sha256_hex(text, len, hex);
	free(text);
	json_decref(effect);
}

/*
 * Looked for among the runs themselves: the match leads to the newest run of
 * a request only, and asking again while one runs makes a new one.
 */
json_t *reconcile_unknown(struct agent *a, const char *effect)
{
	json_t *runs = state_list(a->state, "run", "outcome_unknown"), *each;
	json_t *found = NULL;
	size_t i;

	json_array_foreach (runs, i, each) {
		const char *own = json_str(each, "effect_sha256");

		if (!found && own && effect && !strcmp(own, effect))
			found = json_incref(each);
	}
	json_decref(runs);
	return found;
}

void reconcile_begin(struct agent *a, const char *run_id)
{
	due_in(a->due, 0, "reconcile", run_id);
}

static const struct tool *tool_of(struct agent *a, const json_t *run)
{
	const struct tool *t = tools_find(a->tools, json_str(run, "tool"));

	return t && t->reconcile &&
	       t->level == level_of(json_str(run, "side_effect_level")) ?
	       t : NULL;
}

static bool is_unknown(const json_t *run)
{
	return run && !strcmp(json_str(run, "state"), "outcome_unknown");
}

static int64_t tries_of(const json_t *run)
{
	return json_int(json_object_get(run, "reconcile"), "tries", 0);
}

/* As they ran, but files are told by what they were, and no secrets. */
static json_t *args_of(const struct tool *t, const json_t *run)
{
	const json_t *ran = json_object_get(run, "effective_args");
	json_t *args = json_copy((json_t *)(ran ? ran :
				 json_object_get(run, "args"))), *each;
	size_t i;

	for (i = 0; i < t->n_args; i++)
		if (t->args[i].secret || t->args[i].type == TOOL_FILE)
			json_object_del(args, t->args[i].name);
	json_array_foreach (json_object_get(run, "files"), i, each) {
		json_t *file = json_copy(each);

		json_object_del(file, "arg");
		json_object_del(file, "path");
		json_object_set_new(args, json_str(each, "arg"), file);
	}
	return args;
}

static struct run_spec *spec_of(struct agent *a, const struct tool *t,
				const json_t *run)
{
	struct run_spec *spec = xcalloc(1, sizeof(*spec));
	int64_t since = -wait_left(run, "finished_at") / 1000000;

	snprintf(spec->id, sizeof(spec->id), "%s", json_str(run, "id"));
	spec->task_id = xstrdup(json_str(run, "task_id"));
	spec->criterion_ref = xstrdup(json_str(run, "criterion_ref"));
	spec->correlation_id = xstrdup(json_str(run, "correlation_id"));
	spec->tools = tools_ref(a->tools);
	spec->tool = t;
	spec->args = args_of(t, run);
	spec->timeout_us = a->settings->reconcile_timeout;
	spec->reconcile = true;
	spec->more = json_pack("{s:b,s:I,s:I,s:O*}", "reconcile", 1, "try",
			       (json_int_t)tries_of(run) + 1, "since_s",
			       (json_int_t)(since > 0 ? since : 0), "marker",
			       json_object_get(run, "marker"));
	spec->config = run_config(a, t);
	return spec;
}

static void go_prepare(struct agent *a, void *spec)
{
	supervisor_prepare(a->runs, spec);
}

static void drop_spec(void *spec)
{
	run_spec_free(spec);
}

void reconcile_due(struct agent *a, const struct call *c, const char *run_id)
{
	const json_t *run = state_doc(a->state, "run", run_id);
	const struct tool *t = is_unknown(run) ? tool_of(a, run) : NULL;

	(void)c;
	if (!t)
		return;
	if (!strcmp(agent_mode(a), "stopped"))	/* no tool runs then */
		due_in(a->due, STOPPED_US, "reconcile", run_id);
	else
		agent_after(a, go_prepare, drop_spec, spec_of(a, t, run));
}

static json_t *short_text(const char *text)
{
	char *cut = xstrndup(text ? text : "", DETAIL_MAX);
	json_t *v = json_lossy(cut);

	free(cut);
	return v;
}

/* Files the tool's word: each artifact a record of its own; their hashes. */
static json_t *file_evidence(struct agent *a, const struct call *c,
			     const json_t *run,
			     const struct run_report *report, struct err *err)
{
	json_t *hashes = json_array(), *each;
	size_t i;

	json_array_foreach (report->artifacts, i, each) {
		if (run_artifact_added(a, c, run, each, err)) {
			json_decref(hashes);
			return NULL;
		}
		json_array_append(hashes, json_object_get(each, "sha256"));
	}
	return hashes;
}

static void go_forget(struct agent *a, void *id)
{
	supervisor_forget(a->runs, id);
	free(id);
}

static void forget_after(struct agent *a, const char *run_id)
{
	agent_after(a, go_forget, free, xstrdup(run_id));
}

void reconcile_recover(struct agent *a)
{
	char **ids = supervisor_kept(a->runs);

	for (char **id = ids; *id; id++) {
		if (!is_unknown(state_doc(a->state, "run", *id)))
			forget_after(a, *id);
		free(*id);
	}
	free(ids);
}

/* It is known: the run has this outcome from now on. word is taken over. */
static int settle(struct agent *a, const struct call *c, const json_t *run,
		  const char *outcome, json_t *word, const json_t *result,
		  struct err *err)
{
	struct fact fact = {.type = "run_reconciled",
			    .task_id = json_str(run, "task_id"),
			    .run_id = json_str(run, "id")};
	json_t *next = json_copy((json_t *)run);
	int rc;

	json_set_str(next, "state", outcome);
	if (result)
		json_object_set(next, "result", (json_t *)result);
	if (!strcmp(outcome, "succeeded")) {
		json_object_set_new(next, "error", json_null());
		json_set_int(next, "progress", 1);
	}
	json_set_str(word, "outcome", outcome);
	json_object_set(word, "tool", json_object_get(run, "tool"));
	json_object_set_new(next, "reconciled", json_copy(word));
	fact.data = word;
	fact.put = json_pack("{s:O}", "run", next);
	stage_due(next, fact.put);
	rc = agent_record_as(a, c, json_str(run, "correlation_id"), &fact,
			     err);
	if (!rc) {
		forget_after(a, fact.run_id);
		stage_next(a, c, fact.run_id);
	}
	json_decref(next);
	return rc;
}

static int64_t pause_after(const struct agent *a, int64_t tries)
{
	int64_t us = a->settings->reconcile_pause;

	while (--tries > 0)
		us *= LONGER;
	return us;
}

/* It could not tell: on the record, and asked again after a pause. */
static int still_unknown(struct agent *a, const struct call *c,
			 const json_t *run, const char *detail,
			 struct err *err)
{
	int64_t tries = tries_of(run) + 1, pause = pause_after(a, tries);
	struct fact fact = {.type = "reconcile_tried",
			    .task_id = json_str(run, "task_id"),
			    .run_id = json_str(run, "id")};
	json_t *next = json_copy((json_t *)run);
	char at[CLOCK_TEXT];
	bool again = tries < TRIES;
	int rc;

	clock_text(clock_wall_us() + pause, at);
	fact.data = json_pack("{s:O,s:I,s:o,s:s?}", "tool",
			      json_object_get(run, "tool"), "tries",
			      (json_int_t)tries, "detail", short_text(detail),
			      "next_at", again ? at : NULL);
	json_object_set_new(next, "reconcile", json_pack("{s:I,s:O,s:s?}",
		"tries", (json_int_t)tries, "detail",
		json_object_get(fact.data, "detail"), "next_at",
		again ? at : NULL));
	fact.put = json_pack("{s:o}", "run", next);
	rc = agent_record_as(a, c, json_str(run, "correlation_id"), &fact,
			     err);
	if (!rc && again)
		due_in(a->due, pause, "reconcile", json_str(run, "id"));
	return rc;
}

static bool is_sure(const struct run_report *report)
{
	const char *outcome = json_str(report->result, "outcome");

	return !strcmp(report->state, "succeeded") && outcome &&
	       (!strcmp(outcome, "succeeded") || !strcmp(outcome, "failed"));
}

static int sure(struct agent *a, const struct call *c, const json_t *run,
		const struct run_report *report, struct err *err)
{
	const json_t *result = json_object_get(report->result, "result");
	json_t *hashes = file_evidence(a, c, run, report, err);

	if (!hashes)
		return -1;
	return settle(a, c, run, json_str(report->result, "outcome"),
		json_pack("{s:s,s:o,s:o}", "by", "agent", "reason", short_text(
			  json_str(report->result, "detail")), "evidence",
			  hashes), json_is_object(result) ? result : NULL,
		err);
}

int reconcile_report(struct agent *a, const struct call *c, const json_t *run,
		     const struct run_report *report, struct err *err)
{
	const char *said = json_str(report->result, "detail");

	if (!is_unknown(run))
		return 0;	/* an admin was faster */
	if (!strcmp(report->state, "cancelled")) {
		due_in(a->due, STOPPED_US, "reconcile", json_str(run, "id"));
		return 0;
	}
	if (is_sure(report))
		return sure(a, c, run, report, err);
	if (report->error)
		said = json_str(report->error, "detail");
	return still_unknown(a, c, run, said, err);
}

int op_run_reconcile(struct agent *a, struct call *c, struct err *err)
{
	const char *id = call_str(c, "id");
	json_t *run = state_doc(a->state, "run", id);
	int rc;

	if (!run)
		return err_set(err, ERR_not_found, "no run %s", id);
	if (!is_unknown(run))
		return err_set(err, ERR_not_unknown, "it is %s",
			       json_str(run, "state"));
	json_incref(run);	/* a record of it replaces the borrowed one */
	rc = settle(a, c, run, call_str(c, "outcome"), json_pack("{s:s,s:s}",
		    "by", c->who.name, "reason", call_str(c, "reason")), NULL,
		    err);
	json_decref(run);
	if (!rc)
		call_answer(c, run_shown(state_doc(a->state, "run", id)));
	return rc;
}
