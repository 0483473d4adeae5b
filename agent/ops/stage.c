/*
 * See stage.h. What the tool says of its own work does not count here: seen
 * has to be the destination's word, with the id, the marker and the size of
 * what was sent.
 */
#include "agent/ops/stage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/ops/approval.h"
#include "agent/ops/run.h"
#include "agent/store/policy.h"
#include "agent/store/state.h"
#include "common/clock.h"
#include "common/json.h"
#include "common/mem.h"

#define DUE "second_step"	/* kind of document, named by the run */

json_t *stage_args(struct agent *a, const struct tool_ask *ask)
{
	const struct tool_stage *s = &ask->tool->stage;
	const char *asked = json_str(ask->shown, s->argument ? s->argument :
							       "");
	json_t *args;

	if (!s->promote || ask->tool->level != LEVEL_EXTERNAL_PUBLISH ||
	    !policy_for(a->policy, ask->tool->name)->stage ||
	    (asked && !strcmp(asked, s->value)))
		return NULL;
	args = json_copy(ask->shown);
	json_set_str(args, s->argument, s->value);
	return args;
}

void stage_mark(json_t *run, const struct tool *t, const json_t *approval)
{
	const struct tool_stage *s = &t->stage;
	json_t *args = json_object_get(json_object_get(approval, "request"),
				       "effective_args");

	if (!args || !s->promote)
		return;
	json_object_set(run, "effective_args", args);
	json_object_set_new(run, "stage", json_pack("{s:s,s:s,s:s,s:s}",
		"argument", s->argument, "value", s->value, "promote",
		s->promote, "result", s->result));
}

void stage_apply(const json_t *run, json_t *args)
{
	const json_t *stage = json_object_get(run, "stage");

	if (stage)
		json_set_str(args, json_str(stage, "argument"),
			     json_str(stage, "value"));
}

static bool is_text(const json_t *object, const char *key, const char *want)
{
	const char *is = json_str(object, key);

	return is && want && !strcmp(is, want);
}

/* The size of the one file that was sent; -1: none, or several. */
static int64_t sent_size(const json_t *run)
{
	const json_t *files = json_object_get(run, "files");

	return json_array_size(files) == 1 ?
	       json_int(json_array_get(files, 0), "size", -1) : -1;
}

/* Is it there, as it was to be? Why not, or NULL. */
static const char *differs(const json_t *run, const json_t *stage)
{
	const json_t *result = json_object_get(run, "result");
	const json_t *seen = json_object_get(result, "seen");
	const char *name = json_str(stage, "result");
	const char *id = json_str(result, name);
	int64_t size = sent_size(run), bytes = json_int(seen, "bytes", -1);

	if (!json_is_object(seen))
		return "the destination was not read back";
	if (!id || !*id || !is_text(seen, name, id))
		return "what was read back is not what was made";
	if (!is_text(seen, json_str(stage, "argument"),
		     json_str(stage, "value")))
		return "it was read back as something else than was asked";
	if (!is_text(seen, "marker", json_str(run, "marker")))
		return "what was read back does not carry the run's marker";
	if (bytes >= 0 && size >= 0 && bytes != size)
		return "what was read back has another size";
	return NULL;
}

static json_t *due_doc(const json_t *run, const char *state)
{
	return json_pack("{s:O,s:s}", "id", json_object_get(run, "id"),
			 "state", state);
}

void stage_due(const json_t *run, json_t *put)
{
	if (json_object_get(run, "stage") &&
	    !strcmp(json_str(run, "state"), "succeeded"))
		json_object_set_new(put, DUE, due_doc(run, "due"));
}

/* On the run and on the record: the second step is open, or why it is not. */
static void tell(struct agent *a, const struct call *c, const json_t *run,
		 const char *type, json_t *said)
{
	json_t *next = json_copy((json_t *)run);
	json_t *stage = json_copy(json_object_get(run, "stage"));
	struct fact fact = {.type = type, .task_id = json_str(run, "task_id"),
			    .run_id = json_str(run, "id")};

	json_object_update(stage, said);
	json_object_set_new(next, "stage", stage);
	json_object_set(said, "tool", json_object_get(stage, "promote"));
	fact.data = said;
	fact.put = json_pack("{s:o,s:o}", "run", next, DUE,
			     due_doc(run, "done"));
	agent_record_as(a, c, json_str(run, "correlation_id"), &fact, NULL);
}

static void hold(struct agent *a, const struct call *c, const json_t *run,
		 const char *why)
{
	tell(a, c, run, "stage_held", json_pack("{s:o}", "held",
						json_lossy(why)));
}

/* The second step as its requester would ask for it. */
static struct call *call_for(struct agent *a, const json_t *run)
{
	struct call *c = call_new(VIA_INTERNAL, op_named("tool.execute"));
	const char *id = json_str(run, "approval_id");
	const json_t *first = id ? state_doc(a->state, "approval", id) : NULL;
	const char *token = json_str(first, "requester_token");

	snprintf(c->who.name, sizeof(c->who.name), "%s",
		 json_str(run, "actor"));
	snprintf(c->who.token_id, sizeof(c->who.token_id), "%s",
		 token ? token : "");
	snprintf(c->correlation_id, sizeof(c->correlation_id), "%s",
		 json_str(run, "correlation_id"));
	c->args = json_pack("{s:O,s:O,s:s,s:O}", "task_id",
		json_object_get(run, "task_id"), "criterion_ref",
		json_object_get(run, "criterion_ref"), "on_approval", "run",
		"staged_run", json_object_get(run, "id"));
	c->parked = true;
	c->reason = "approval_required";
	return c;
}

static int ask_for(struct agent *a, const json_t *run, struct tool_ask *ask,
		   struct err *err)
{
	const json_t *stage = json_object_get(run, "stage");
	const char *argument = json_str(stage, "argument");
	const char *result = json_str(stage, "result");
	json_t *args = json_pack("{s:O,s:O}", result, json_object_get(
		json_object_get(run, "result"), result), argument,
		json_object_get(json_object_get(run, "args"), argument));
	int rc;

	ask->tools = a->tools;
	ask->tool = tools_find(a->tools, json_str(stage, "promote"));
	ask->claimed = LEVEL_EXTERNAL_PUBLISH;
	rc = !ask->tool || ask->tool->level != LEVEL_EXTERNAL_PUBLISH ||
	     policy_for(a->policy, ask->tool->name)->external_publish ==
	     RULE_DENY ? err_set(err, ERR_policy_denied, "there is no tool %s, "
				 "or policy denies it", json_str(stage,
								 "promote")) :
	     tool_args_check(ask->tool, args, &ask->args, err);
	json_decref(args);
	if (!rc)
		ask->shown = tool_args_redacted(ask->tool, ask->args);
	return rc;
}

/* Ask, as its requester would: the approval is open, and a run waits. */
static void promote(struct agent *a, const struct call *c, const json_t *run)
{
	struct call *as = call_for(a, run);
	struct tool_ask ask = {0};
	struct err err = {0};

	if (ask_for(a, run, &ask, &err) ||
	    tool_cites(a, as, ask.tool, &err) ||
	    approval_ask(a, as, &ask, &err))
		hold(a, c, run, err.detail);
	else
		tell(a, c, run, "stage_opened", json_pack("{s:O,s:O}",
			"approval_id", json_object_get(as->answer,
						       "approval_id"),
			"next_run_id", json_object_get(as->answer, "id")));
	json_decref(ask.args);
	json_decref(ask.shown);
	err_fini(&err);
	call_free(as);
}

void stage_next(struct agent *a, const struct call *c, const char *run_id)
{
	json_t *run = state_doc(a->state, "run", run_id);
	const json_t *due = state_doc(a->state, DUE, run_id);
	const char *why;

	if (!run || !due || strcmp(json_str(due, "state"), "due"))
		return;
	why = differs(run, json_object_get(run, "stage"));
	if (!why && !strcmp(agent_mode(a), "stopped"))
		why = "the agent is stopped";
	json_incref(run);	/* a record of it replaces the borrowed one */
	if (why)
		hold(a, c, run, why);
	else
		promote(a, c, run);
	json_decref(run);
}

void stage_recover(struct agent *a, const struct call *c)
{
	json_t *list = state_list(a->state, DUE, "due"), *each;
	size_t i;

	json_array_foreach (list, i, each)
		stage_next(a, c, json_str(each, "id"));
	json_decref(list);
}
