/*
 * Tools: what there is, and the first half of running one. The second half,
 * what happens to the run, is run.c; what needs a person, approval.c.
 */
#include "agent/ops/tool.h"

#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>

#include "agent/ops/approval.h"
#include "agent/ops/handlers.h"
#include "agent/ops/quota.h"
#include "agent/ops/run.h"
#include "agent/ops/task.h"
#include "agent/run/supervisor.h"
#include "agent/store/state.h"
#include "common/clock.h"
#include "common/json.h"
#include "common/mem.h"
#include "common/sha256.h"

#define ARGS_MAX (12 * 1024)

int op_tool_list(struct agent *a, struct call *c, struct err *err)
{
	(void)err;
	return call_answer(c, json_pack("{s:o,s:n}", "items",
					tools_json(a->tools), "next_cursor"));
}

static void ask_free(void *at)
{
	struct tool_ask *ask = at;

	tools_unref(ask->tools);
	json_decref(ask->args);
	json_decref(ask->shown);
	json_decref(ask->files);
	free(ask);
}

/*
 * A keyed hash of all secrets: two requests with other secrets are two
 * requests, and nobody can guess a short secret from what is recorded.
 */
static void hash_secrets(struct agent *a, struct tool_ask *ask)
{
	json_t *secrets = json_object();
	uint8_t mac[EVP_MAX_MD_SIZE];
	size_t text_len;
	unsigned len;
	char *text;

	for (size_t i = 0; i < ask->tool->n_args; i++) {
		const struct tool_arg *g = &ask->tool->args[i];
		json_t *v = json_object_get(ask->args, g->name);

		if (v && g->secret)
			json_object_set(secrets, g->name, v);
	}
	text = json_hashed(secrets, &text_len);
	if (!HMAC(EVP_sha256(), a->redact_key, sizeof(a->redact_key),
		  (unsigned char *)text, text_len, mac, &len))
		abort();
	if (json_object_size(secrets))
		hex_of(mac, SHA256_RAW, ask->secrets);
	mem_wipe(text, text_len);
	free(text);
	json_decref(secrets);
}

/* They are in every record of the run, with all it brings forth. */
static bool too_long(const json_t *args)
{
	size_t len;
	char *text = json_line(args, &len);

	free(text);
	return len > ARGS_MAX;
}

static bool has_files(const struct tool *t, const json_t *args)
{
	for (size_t i = 0; i < t->n_args; i++)
		if (t->args[i].type == TOOL_FILE &&
		    json_object_get(args, t->args[i].name))
			return true;
	return false;
}

/* Files may be large: who asks for theirs delays nobody else. */
static int hash_files(struct agent *a, struct call *c, struct err *err)
{
	struct tool_ask *ask = c->prepared;

	ask->files = run_hash_files(a->evidence, ask->tool, ask->args, err);
	return ask->files ? 0 : -1;
}

int op_tool_execute_prepare(struct agent *a, struct call *c, struct err *err)
{
	const char *name = call_str(c, "tool");
	struct tools *set = a->tools;
	const struct tool *t = tools_find(set, name);
	json_t *args = json_object_get(c->args, "args"), *none = NULL;
	struct tool_ask *ask;
	int rc = 0;

	if (!t)
		return err_set(err, ERR_not_found, "no tool %.100s", name);
	ask = xcalloc(1, sizeof(*ask));
	ask->tools = tools_ref(set);
	ask->tool = t;
	ask->claimed = level_of(call_str(c, "side_effect_level"));
	c->prepared = ask;
	c->prepared_free = ask_free;
	if (ask->claimed != t->level)
		return 0;		/* policy refuses and records it */
	if (!args)
		args = none = json_object();
	rc = tool_args_check(t, args, &ask->args, err);
	json_decref(none);
	if (rc)
		return -1;
	ask->shown = tool_args_redacted(t, ask->args);
	if (token_in_json(ask->shown))
		return token_refused("args", err);
	hash_secrets(a, ask);
	if (too_long(ask->shown))
		return err_set(err, ERR_invalid_args, "args: over %d bytes "
			"of JSON; name files instead", ARGS_MAX);
	if (has_files(t, ask->args))
		c->slow = hash_files;
	return 0;
}

static void count(struct agent *a, struct weight *w)
{
	w->now_us = clock_wall_us();
	w->calls = quota_calls(a->quota, w->tool, clock_mono_us());
	w->starts = quota_starts(a->quota, w->tool, clock_steady_us());
}

static void weigh_asked(const struct call *c, struct weight *w)
{
	const struct tool_ask *ask = c->prepared;

	*w = (struct weight){
		.tool = ask->tool->name, .level = ask->tool->level,
		.claimed = ask->claimed, .actor = c->who.name,
		.manifest = ask->tool, .args = ask->shown,
		.files = ask->files,
	};
}

/* What was accepted then is looked at again, as everything is now. */
static void weigh_starting(struct agent *a, const struct call *c,
			   struct weight *w)
{
	const struct run_report *report = c->prepared;
	const json_t *run = state_doc(a->state, "run", report->run_id);
	const char *tool = run ? json_str(run, "tool") : "";
	const struct tool *manifest = tools_find(a->tools, tool);

	*w = (struct weight){
		.tool = tool, .level = manifest ? manifest->level : -1,
		.claimed = level_of(json_str(run, "side_effect_level")),
		.actor = json_str(run, "actor"), .manifest = manifest,
		.args = json_object_get(run, "args"), .files = report->files,
		.starting = true,
	};
}

void tool_weigh(struct agent *a, const struct call *c, struct weight *w)
{
	if (c->via == VIA_INTERNAL)
		weigh_starting(a, c, w);
	else
		weigh_asked(c, w);
	count(a, w);
}

int tool_cites(struct agent *a, const struct call *c, const struct tool *t,
	       struct err *err)
{
	const char *id = call_str(c, "task_id");
	const char *ref = call_str(c, "criterion_ref");
	bool publish = t->level == LEVEL_EXTERNAL_PUBLISH;
	json_t *task;

	if (!id)
		return publish || ref ? err_set(err, ERR_invalid_request,
			"task_id: an external_publish, or a criterion_ref, "
			"needs the task it serves") : 0;
	task = task_by_id(a, id, err);
	if (!task || task_in_state(task, TASK_SERVED, err))
		return -1;
	if (ref)
		return task_criterion(task, ref) ? 0 :
			err_set(err, ERR_unknown_criterion, "%.100s", ref);
	if (publish && json_array_size(json_object_get(task,
						"acceptance_criteria")))
		return err_set(err, ERR_invalid_request,
			       "criterion_ref: an external_publish cites the "
			       "criterion it serves");
	return 0;
}

int op_tool_execute(struct agent *a, struct call *c, struct err *err)
{
	const struct tool_ask *ask = c->prepared;

	if (tool_cites(a, c, ask->tool, err))
		return -1;
	return c->parked ? approval_ask(a, c, ask, err) :
			   run_now(a, c, ask, err);
}
