/* See propose.h. */
#include "agent/gate/propose.h"

#include <string.h>

#include "agent/gate/idem.h"
#include "agent/ops/draft.h"
#include "agent/ops/executor.h"
#include "agent/ops/op.h"
#include "agent/ops/task.h"
#include "agent/ops/webhook.h"
#include "agent/store/settings.h"
#include "agent/store/state.h"
#include "common/json.h"
#include "common/mem.h"
#include "common/sha256.h"

#define PROPOSED_MAX 512u	/* of the calls that net has in flight */

static bool applies(const struct agent *a, const struct call *c)
{
	return a->remote_state && c->op && c->op->flags & OP_SHARED &&
	       c->via != VIA_INTERNAL;
}

/*
 * The task that it changes: by its id, the one it makes, the one that is
 * approved. To take an approval back waits for nothing.
 */
static const char *task_named(struct agent *a, const struct call *c)
{
	const struct arg *id = c->op->args;
	const json_t *approval;

	while (id->name && strcmp(id->name, "id"))
		id++;
	if (!id->name || !call_str(c, "id"))
		return NULL;
	if (id->kind == ARG_NAME || !strcmp(id->of, "task"))
		return call_str(c, "id");
	approval = strcmp(c->op->name, "approval.approve") ? NULL :
		   state_doc(a->state, "approval", call_str(c, "id"));
	return json_str(approval, "task_id");
}

/* One more running task of the caller's? Each of these counts the others. */
static bool counts_running(struct agent *a, const struct call *c,
			   const char *task)
{
	const json_t *doc;

	if (!task || !a->settings->max_per_executor)
		return false;
	if (!strcmp(c->op->name, "task.ack"))
		return true;
	doc = strcmp(c->op->name, "task.heartbeat") ? NULL :
	      state_doc(a->state, "task", task);
	return doc && !strcmp(json_str(doc, "state"), "stalled");
}

static json_t *names_of(struct agent *a, const struct call *c)
{
	json_t *names = json_array();
	const char *task = task_named(a, c);
	char key[SHA256_HEX];

	if (task)
		json_array_append_new(names, json_sprintf("task %s", task));
	if (counts_running(a, c, task))
		json_array_append_new(names, json_sprintf("executor %s",
							  c->who.name));
	if (idem_key(c, key))
		json_array_append_new(names, json_sprintf("key %s", key));
	webhook_names(c, names);
	return names;
}

bool propose_held(struct agent *a, const struct call *c)
{
	bool held = false;
	json_t *names, *each;
	size_t i;

	if (!json_object_size(a->busy) || c->holds || c->err.code || !c->op ||
	    c->op->effect == EFFECT_READ || c->via == VIA_INTERNAL)
		return false;
	names = names_of(a, c);
	json_array_foreach (names, i, each)
		held |= json_object_get(a->busy, json_string_value(each)) !=
			NULL;
	json_decref(names);
	return held;
}

static void hold(struct agent *a, struct call *c)
{
	json_t *each;
	size_t i;

	if (c->holds)
		return;
	c->holds = names_of(a, c);
	a->proposed++;
	if (!a->busy)
		a->busy = json_object();
	json_array_foreach (c->holds, i, each)
		json_object_set_new(a->busy, json_string_value(each),
				    json_true());
}

bool propose_release(struct agent *a, struct call *c)
{
	json_t *each;
	size_t i;

	if (!c->holds)
		return false;
	json_array_foreach (c->holds, i, each)
		json_object_del(a->busy, json_string_value(each));
	json_decref(c->holds);
	c->holds = NULL;
	a->proposed--;
	return true;
}

/* A lease that was missed is anybody's to take, at the remote. */
static bool held_here(struct agent *a, const char *id)
{
	const json_t *task = state_doc(a->state, "task", id);

	return task && !strcmp(json_str(task, "state"), "running") &&
	       task_leased_here(a, task);
}

/* A task that is held here, and a new one whose id nobody else can make. */
static bool may_go_alone(struct agent *a, const struct call *c,
			 const struct draft *d)
{
	size_t n;
	const struct draft_doc *docs = draft_docs(d, &n);

	if (c->hook)
		return true;
	if (!strcmp(c->op->name, "task.create"))
		return !call_str(c, "id");
	for (size_t i = 0; i < n; i++)
		if (!strcmp(docs[i].kind, "task") &&
		    !held_here(a, json_str(docs[i].doc, "id")))
			return false;
	return true;
}

/* Is all of it still what it was made from? */
static bool fits_still(struct agent *a, const struct draft *d)
{
	size_t n;
	const struct draft_doc *docs = draft_docs(d, &n);
	char now[41];

	for (size_t i = 0; i < n; i++) {
		const json_t *doc = state_doc(a->state, docs[i].kind,
					      json_str(docs[i].doc, "id"));

		*now = 0;
		if (doc)
			state_sha(a->state, docs[i].kind, doc, now);
		if (strcmp(now, docs[i].base_sha))
			return false;
	}
	return true;
}

static void forget_answer(struct call *c)
{
	call_unanswer(c);
	json_decref(c->answer);
	c->answer = NULL;
	xfree(c->answer_text);
	*c->sha = 0;
	c->status = 0;
}

/* The remote is away: ours to decide, or nobody's now. */
static void alone(struct agent *a, struct call *c, struct draft *d,
		  enum remote_state remote, struct err *away)
{
	if (remote != REMOTE_UNMET && may_go_alone(a, c, d)) {
		draft_record(a, c, d, NULL, &c->err);
		err_fini(away);
	} else {
		forget_answer(c);
		c->err = *away;
	}
	draft_free(d);
}

static void record_intent(struct agent *a, struct call *c,
			  const struct draft *d)
{
	struct fact fact = {.type = "task_proposed"};
	const struct draft_doc *docs;
	size_t n;

	docs = draft_docs(d, &n);
	fact.task_id = draft_about(d)->task_id;
	fact.data = json_pack("{s:s,s:s,s:s}", "operation", c->op->name,
			      "base_sha", docs[0].base_sha, "sha",
			      docs[0].sha);
	if (*c->made_id)
		fact.put = c->hook ? webhook_intent(c) : idem_intent(a, c);
	agent_record(a, c, &fact, &c->err);
}

/* Who comes when many wait for the remote already does not wait too. */
static enum remote_state remote_of(struct agent *a, const struct call *c,
				   struct err *err)
{
	enum remote_state remote = a->remote_state(a->core, err);

	if (remote || c->holds || a->proposed < PROPOSED_MAX)
		return remote;
	err_set(err, ERR_remote_unavailable, "%u calls wait for the remote "
		"already", PROPOSED_MAX);
	return REMOTE_AWAY;
}

bool propose_begin(struct agent *a, const struct call *c)
{
	if (!applies(a, c))
		return false;
	draft_open(a);
	return true;
}

void propose_end(struct agent *a, struct call *c)
{
	struct draft *d = draft_close(a);
	enum remote_state remote;
	struct err why = {0};
	size_t n;

	draft_docs(d, &n);
	if (c->err.code || !n) {
		if (draft_record(a, c, d, NULL, &why)) {
			err_fini(&c->err);
			c->err = why;
		}
		draft_free(d);
	} else if ((remote = remote_of(a, c, &why))) {
		alone(a, c, d, remote, &why);
	} else {
		c->draft = d;
		hold(a, c);
		c->counts_running = counts_running(a, c, task_named(a, c));
		c->taken = executor_taken(a, c->who.name);
		if (!draft_record_runs(a, c, d, &c->err))
			record_intent(a, c, d);
		if (c->err.code) {	/* sealed: not even intended */
			draft_free(d);
			c->draft = NULL;
		}
	}
}

bool propose_returned(struct agent *a, struct call *c)
{
	struct draft *d = c->draft;
	enum proposed fate = c->proposed;
	enum remote_state remote;
	struct err why = {0};

	if (!d)
		return false;
	c->draft = NULL;
	c->proposed = PROPOSED_NOT;
	if (fate == PROPOSED_AWAY && !fits_still(a, d))
		fate = PROPOSED_STALE;	/* it would undo what came between */
	if (fate == PROPOSED_AWAY && !c->err.code) {
		remote = a->remote_state(a->core, &why);
		if (!remote)
			err_set(&why, ERR_remote_unavailable, "the remote did "
				"not answer in time");
		alone(a, c, d, remote, &why);
		return true;
	}
	draft_free(d);
	if (c->err.code || fate == PROPOSED_STALE)
		forget_answer(c);
	return fate != PROPOSED_STALE;
}
