/*
 * See approval_bound.h. Open approvals are few and tasks are changed all the
 * time, so which are open is known here without looking at any document.
 */
#include "agent/ops/approval_bound.h"

#include <stdlib.h>
#include <string.h>

#include "agent/ops/approval.h"
#include "agent/ops/run.h"
#include "agent/ops/tool.h"
#include "agent/ops/tool_digest.h"
#include "agent/run/tool.h"
#include "agent/store/policy.h"
#include "agent/store/state.h"
#include "common/jcs.h"
#include "common/json.h"
#include "common/mem.h"
#include "common/words.h"

struct bounds {
	json_t *open;		/* approval id: task id or null */
	json_t *tasks;		/* ids of those that a record brought */
	bool all;		/* look at all of them */
};

struct bounds *bounds_new(void)
{
	struct bounds *b = xcalloc(1, sizeof(*b));

	b->open = json_object();
	b->tasks = json_object();
	return b;
}

void bounds_free(struct bounds *b)
{
	if (!b)
		return;
	json_decref(b->open);
	json_decref(b->tasks);
	free(b);
}

int task_digest(const json_t *task, char hex[SHA256_HEX])
{
	static const char *const says[] = {
		"id", "title", "request_text", "acceptance_criteria",
		"side_effect_level", "attempt",
	};
	json_t *v = json_object();
	size_t len;
	char *text;

	for (size_t i = 0; i < ARRAY_LEN(says); i++)
		json_object_set(v, says[i], json_object_get(task, says[i]));
	text = jcs_text(v, &len, NULL);
	if (text)
		sha256_hex(text, len, hex);
	json_decref(v);
	free(text);
	return text ? 0 : -1;
}

void approval_bind(struct agent *a, json_t *approval, const json_t *task)
{
	const struct tool *t = tools_find(a->tools, json_str(approval, "tool"));
	char hex[SHA256_HEX];

	json_set_str(approval, "task_sha256",
		     task && !task_digest(task, hex) ? hex : NULL);
	if (t)
		tool_digest(a, t, hex);
	json_set_str(approval, "tool_sha256", t ? hex : NULL);
	json_set_str(approval, "mode", agent_mode(a));
}

/* All that its manifest says: what would run is what was decided on. */
static bool same_tool(struct agent *a, const json_t *approval)
{
	const struct tool *t = tools_find(a->tools, json_str(approval, "tool"));
	const char *was = json_str(approval, "tool_sha256");
	char now[SHA256_HEX];

	if (!t || !was)
		return false;
	tool_digest(a, t, now);
	return !strcmp(was, now);
}

static bool same_policy(struct agent *a, const json_t *approval)
{
	const char *of = json_str(json_object_get(approval, "request"),
				  "policy_sha256");

	return of && !strcmp(of, a->policy->sha256);
}

static bool same_task(struct agent *a, const json_t *approval)
{
	const char *id = json_str(approval, "task_id");
	const char *was = json_str(approval, "task_sha256");
	const json_t *task = id ? state_doc(a->state, "task", id) : NULL;
	char now[SHA256_HEX];

	if (!id)
		return true;
	return was && task && !task_digest(task, now) && !strcmp(was, now);
}

/* Whatever else says so: a crash may come between its halt and all its ends. */
static bool is_served(struct agent *a, const json_t *approval)
{
	const char *id = json_str(approval, "task_id");
	const json_t *task = id ? state_doc(a->state, "task", id) : NULL;

	return !task || words_index(TASK_SERVED, ',',
				    json_str(task, "state")) >= 0;
}

/* Until it is given it is for any mode: whoever decides sees which it is. */
static bool same_mode(struct agent *a, const json_t *approval)
{
	const char *mode = json_str(approval, "mode");

	return !doc_is(approval, "approved") ||
	       (mode && !strcmp(mode, agent_mode(a)));
}

/*
 * Does who showed this still speak with that scope? A token that has run out
 * meanwhile was good when it counted; one that was taken away is not. What
 * is no token has no document: a user or certificate has to be mapped still.
 */
static bool speaks(struct agent *a, const char *credential, enum scope scope)
{
	struct actor peer = {.scopes = scope};
	const json_t *token = credential ?
		state_doc(a->state, "token", credential) : NULL;
	json_t *each;
	size_t i;

	if (credential && !token)
		snprintf(peer.token_id, sizeof(peer.token_id), "%s",
			 credential);
	if (!token)
		return !peers_is_one(&peer) ||
		       peers_still(a->settings, &peer);
	if (!json_is_null(json_object_get(token, "revoked_at")))
		return false;
	json_array_foreach (json_object_get(token, "scopes"), i, each)
		if (scope_of(json_string_value(each)) == scope)
			return true;
	return false;
}

/* Who asked, and who has decided. */
static bool same_people(struct agent *a, const json_t *approval)
{
	json_t *each;
	size_t i;

	json_array_foreach (json_object_get(approval, "decisions"), i, each)
		if (!speaks(a, json_str(each, "credential"), SCOPE_ADMIN))
			return false;
	return speaks(a, json_str(approval, "requester_token"), SCOPE_RUNNER);
}

const char *approval_drift(struct agent *a, const json_t *approval)
{
	if (!same_policy(a, approval))
		return "the policy has changed since it was asked for";
	if (!same_tool(a, approval))
		return "the tool has changed since it was asked for";
	if (!same_task(a, approval))
		return "the task has changed since it was asked for";
	if (!is_served(a, approval))
		return "the task was halted, cancelled or rejected";
	if (!same_mode(a, approval))
		return "the mode is not the one it was given in";
	if (!same_people(a, approval))
		return "a token it was asked for or given with was taken away";
	return NULL;
}

static void end_if_unbound(struct agent *a, const struct call *c,
			   const char *id)
{
	json_t *approval = state_doc(a->state, "approval", id);
	const char *why = approval ? approval_drift(a, approval) : NULL;

	if (why && (doc_is(approval, "pending") ||
		    doc_is(approval, "approved")))
		approval_end_stale(a, c, approval, why);
}

/* Those that are open, maybe of these tasks alone; ending one changes open. */
static void end_among(struct agent *a, const struct call *c,
		      const json_t *tasks)
{
	json_t *ids = json_copy(a->bounds->open), *task;
	const char *id;

	json_object_foreach (ids, id, task)
		if (!tasks || (json_is_string(task) &&
			       json_object_get(tasks, json_string_value(task))))
			end_if_unbound(a, c, id);
	json_decref(ids);
}

void approval_end_unbound(struct agent *a, const struct call *c)
{
	end_among(a, c, NULL);
}

void approval_touched(struct agent *a, const char *kind, const json_t *doc)
{
	struct bounds *b = a->bounds;
	const char *id = json_str(doc, "id");

	if (!strcmp(kind, "mode") || !strcmp(kind, "token")) {
		b->all = true;
	} else if (!strcmp(kind, "task") && json_object_size(b->open)) {
		json_object_set_new(b->tasks, id, json_true());
	} else if (!strcmp(kind, "approval")) {
		json_object_del(b->open, id);
		if (doc_is(doc, "pending") || doc_is(doc, "approved"))
			json_object_set(b->open, id,
					json_object_get(doc, "task_id"));
	}
}

void approval_settle(struct agent *a, const struct call *c)
{
	struct bounds *b = a->bounds;
	json_t *tasks = b->tasks;
	bool all = b->all;

	if (!all && !json_object_size(tasks))
		return;
	b->tasks = json_object();
	b->all = false;
	end_among(a, c, all ? NULL : tasks);
	json_decref(tasks);
}
