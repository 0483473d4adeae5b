/* What every handler does to the world: record, and arrange for after. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/ops/approval_bound.h"
#include "agent/ops/draft.h"
#include "agent/ops/glass.h"
#include "agent/ops/op.h"
#include "agent/ops/overdue.h"
#include "agent/ops/rules.h"
#include "agent/store/journal.h"
#include "agent/store/state.h"
#include "common/err.h"
#include "common/json.h"
#include "common/mem.h"

void agent_after(struct agent *a, void (*go)(struct agent *a, void *arg),
		 void (*drop)(void *arg), void *arg)
{
	struct after *f = xcalloc(1, sizeof(*f));

	*f = (struct after){.go = go, .drop = drop, .arg = arg};
	*a->after_tail = f;
	a->after_tail = &f->next;
}

const char *agent_mode(struct agent *a)
{
	const json_t *mode = state_doc(a->state, "mode", "mode");

	if (glass_broken(a))
		return "stopped";
	return mode ? json_str(mode, "mode") : "normal";
}

bool agent_busy(const struct agent *a, const char *task_id)
{
	char name[200];

	snprintf(name, sizeof(name), "task %s", task_id);
	return json_object_get(a->busy, name) != NULL;
}

static struct entry entry_of(const struct call *c, const struct fact *fact,
			     const char *correlation_id, char scope[48])
{
	struct entry e = {
		.type = fact->type, .actor = "agent", .status = fact->status,
		.correlation_id = *correlation_id ? correlation_id : NULL,
		.task_id = fact->task_id, .run_id = fact->run_id,
		.data = fact->data, .transport = via_name(c->via),
	};

	e.own = c->via == VIA_INTERNAL;
	if (e.own)
		return e;
	e.actor = c->known ? c->who.name : NULL;
	if (c->known) {
		scope_text(c->who.scopes, scope);
		e.scope = scope;
	}
	e.method = c->method;
	e.route = c->op && c->op->route ? c->op->route :
		  c->op ? c->op->name : c->path;
	return e;
}

static int append(struct agent *a, const struct call *c,
		  const char *correlation_id, const struct fact *fact,
		  struct err *err)
{
	struct record *r;
	const char *kind;
	struct entry e;
	char scope[48];
	json_t *doc;

	e = entry_of(c, fact, correlation_id ? correlation_id : "", scope);
	r = a->draft ? draft_keep(a->draft, &e, err) :
		       journal_append(a->journal, &e, err);
	if (r && !a->draft)
		a->seq = r->seq;
	if (r)
		json_object_foreach (fact->put, kind, doc) {
			state_put(a->state, kind, doc, r->seq);
			if (a->draft)
				continue;
			approval_touched(a, kind, doc);
			if (!strcmp(kind, "task"))
				overdue_touched(a, doc);
		}
	return r ? 0 : -1;
}

/*
 * What does not fit into one line goes into two of one batch: first all but
 * the task's document, then the task.
 */
static int append_split(struct agent *a, const struct call *c,
			const char *correlation_id, const struct fact *fact,
			struct err *err)
{
	json_t *task = json_incref(json_object_get(fact->put, "task"));
	struct fact rest = {.type = "task_updated", .task_id = fact->task_id,
			    .run_id = fact->run_id};
	int rc;

	json_object_del(fact->put, "task");
	rest.put = json_pack("{s:o}", "task", task);
	rest.data = json_pack("{s:s,s:O}", "because", fact->type, "put",
			      rest.put);
	rc = append(a, c, correlation_id, fact, err) ||
	     append(a, c, correlation_id, &rest, err) ? -1 : 0;
	json_decref(rest.put);
	json_decref(rest.data);
	return rc;
}

int agent_record_as(struct agent *a, const struct call *c,
		    const char *correlation_id, const struct fact *fact,
		    struct err *err)
{
	struct fact own = *fact;
	struct err why = {0};
	int rc;

	if (!own.data)
		own.data = json_object();
	if (!strcmp(own.type, "policy_denied"))
		rule_add(a, c, own.data);
	if (own.put)
		json_object_set(own.data, "put", own.put);
	rc = append(a, c, correlation_id, &own, &why);
	if (rc && why.code == ERR_task_too_large &&
	    json_object_get(own.put, "task") && json_object_size(own.put) > 1) {
		err_fini(&why);
		rc = append_split(a, c, correlation_id, &own, &why);
	}
	json_decref(own.put);
	json_decref(own.data);
	if (rc && err)
		*err = why;
	else
		err_fini(&why);
	return rc;
}

int agent_record(struct agent *a, const struct call *c,
		 const struct fact *fact, struct err *err)
{
	return agent_record_as(a, c, c->correlation_id, fact, err);
}

int agent_deny(struct agent *a, const struct call *c, const char *task_id,
	       const char *reason, json_t *more, struct err *err)
{
	json_t *data = more ? more : json_object(), *v;
	struct fact fact = {.type = "policy_denied", .task_id = task_id,
			    .status = 403};
	struct err own = {0};
	const char *key;

	json_object_set_new(data, "reason", json_string(reason));
	rule_add(a, c, data);
	fact.data = json_incref(data);
	if (agent_record(a, c, &fact, &own)) {
		json_decref(data);
		err_fini(err);
		*err = own;
		return -1;
	}
	err_set(err, ERR_policy_denied, "refused: %s", reason);
	json_object_foreach (data, key, v)
		err_member(err, key, json_incref(v));
	json_decref(data);
	return -1;
}
