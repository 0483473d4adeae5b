/*
 * POST /webhooks/{source}: an event whose signature is good. It has one
 * effect however often it comes: what names it is in the record of the
 * effect, and looked for first.
 */
#include "agent/ops/webhook.h"

#include <stdlib.h>
#include <string.h>

#include "agent/ops/handlers.h"
#include "agent/ops/task.h"
#include "agent/ops/task_make.h"
#include "agent/ops/wait.h"
#include "agent/ops/webhook_event.h"
#include "agent/ops/webhook_seen.h"
#include "agent/ops/webhook_tally.h"
#include "agent/store/settings_webhook.h"
#include "agent/store/state.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/json.h"
#include "common/mem.h"

int op_webhook_prepare(struct agent *a, struct call *c, struct err *err)
{
	(void)a;
	c->prepared_free = webhook_event_free;
	c->prepared = webhook_event_read(c, err);
	return c->prepared ? 0 : -1;
}

static int answer(struct call *c, bool repeated, const json_t *task_id,
		  const json_t *correlation_id, int status)
{
	const struct webhook_event *e = c->prepared;

	call_answer(c, json_pack("{s:b,s:b,s:O?,s:O?}", "ok", 1, "dedup",
				 repeated, "task_id", task_id,
				 "correlation_id", correlation_id));
	if (!json_object_get(c->answer, "task_id"))
		json_set_str(c->answer, "task_id", NULL);
	if (e->ping)
		json_object_set_new(c->answer, "pong", json_true());
	c->status = status;
	return 0;
}

static int answer_new(struct call *c, const char *task_id)
{
	const struct webhook_event *e = c->prepared;
	json_t *task = task_id ? json_string(task_id) : NULL;
	json_t *correlation = json_string(c->correlation_id);
	int rc = answer(c, false, task, correlation, e->ping ? 200 : 202);

	json_decref(task);
	json_decref(correlation);
	return rc;
}

static json_t *said_of(const struct call *c)
{
	const struct webhook_event *e = c->prepared;

	return json_copy(e->said);
}

static int repeated(struct agent *a, struct call *c, const json_t *first,
		    struct err *err)
{
	const json_t *task_id = json_object_get(first, "task_id");
	const json_t *correlation = json_object_get(first, "correlation_id");
	struct fact fact = {.type = "webhook_duplicate", .status = 200,
			    .task_id = json_string_value(task_id),
			    .data = said_of(c)};

	json_object_set(fact.data, "first", (json_t *)correlation);
	json_object_set(fact.data, "first_at", json_object_get(first, "at"));
	if (agent_record(a, c, &fact, err))
		return -1;
	return answer(c, true, task_id, correlation, 200);
}

static int stale(struct agent *a, struct call *c, const json_t *newer,
		 struct err *err)
{
	struct fact fact = {.type = "webhook_stale", .status = 409,
			    .data = said_of(c)};

	json_object_set(fact.data, "newest", json_object_get(newer,
							     "sequence"));
	json_object_set(fact.data, "newest_event_id",
			json_object_get(newer, "event_id"));
	if (agent_record(a, c, &fact, err))
		return -1;
	return err_set(err, ERR_stale_event, "something newer about the same "
		       "subject was taken in already");
}

/* It says why already; here is which event it was. */
static int rejected(struct agent *a, struct call *c, struct err *err)
{
	const struct err_row *row = err_row(err->code);
	struct fact fact = {.type = "webhook_rejected", .data = said_of(c),
			    .status = row->status};
	struct err own = {0};

	json_set_str(fact.data, "reason", row->code);
	if (!agent_record(a, c, &fact, &own))
		return -1;
	err_fini(err);
	*err = own;
	return -1;
}

/* Each call counts once, however often it has to be made again. */
static int limited(struct agent *a, struct call *c, struct err *err)
{
	struct webhook_event *e = c->prepared;
	unsigned wait = e->counted ? 0 :
		webhook_tally_rate(a->webhooks, c->hook, clock_mono_us());

	e->counted = true;
	if (!wait)
		return 0;
	e->counted = false;
	c->retry_after_s = wait;
	return err_set(err, ERR_too_many, "more than %lld events a minute "
		       "from this source; wait %u s",
		       (long long)c->hook->max_per_minute, wait);
}

/*
 * An earlier try, maybe before a crash, was about to make this task; unless
 * it did, and this is the same event after its window.
 */
static void resume(struct agent *a, struct call *c)
{
	const struct webhook_event *e = c->prepared;
	const json_t *intent = *c->made_id ? NULL :
			       state_doc(a->state, "intent", e->by_body);
	const json_t *kept = state_doc(a->state, "hookbody", e->by_body);
	const char *made = json_str(intent, "made_id");
	const char *done = json_str(kept, "task_id");

	if (made && strlen(made) < sizeof(c->made_id) &&
	    !(done && !strcmp(done, made)))
		strcpy(c->made_id, made);
}

static int record_received(struct agent *a, const struct call *c,
			   const char *task_id, json_t *put, struct err *err)
{
	struct fact fact = {.type = "webhook_received", .task_id = task_id,
			    .status = 202, .data = said_of(c), .put = put};

	return agent_record(a, c, &fact, err);
}

/* What keeps it from coming again is in the record of the task. */
static int make_task(struct agent *a, struct call *c, struct err *err)
{
	const struct webhook_event *e = c->prepared;
	json_t *task = json_incref(task_make(c, e->parts));
	const char *id = json_str(task, "id");
	struct fact fact = {.type = "task_created",
			    .put = webhook_keep(c, e, id)};
	int rc;

	if (record_received(a, c, id, NULL, err)) {
		json_decref(fact.put);
		json_decref(task);
		rc = -1;
	} else {
		rc = task_save(a, c, c->correlation_id, task, fact, err);
	}
	if (!rc)
		answer_new(c, id);
	json_decref(task);
	return rc;
}

/* What was made by an earlier try is there already. */
static int take_in(struct agent *a, struct call *c, struct err *err)
{
	const struct webhook_event *e = c->prepared;
	const char *made = e->parts && *c->made_id ? c->made_id : NULL;

	if (e->parts && !(made && state_doc(a->state, "task", made)))
		return make_task(a, c, err);
	if (record_received(a, c, made, webhook_keep(c, e, made), err))
		return -1;
	return answer_new(c, made);
}

int op_webhook(struct agent *a, struct call *c, struct err *err)
{
	const struct webhook_event *e = c->prepared;
	const json_t *first = webhook_seen(a, c, e), *newer;

	if (first)
		return repeated(a, c, first, err);
	newer = webhook_newer(a, e, err);
	if (newer)
		return stale(a, c, newer, err);
	if (err->code || limited(a, c, err))
		return rejected(a, c, err);
	if (e->parts)
		resume(a, c);
	return take_in(a, c, err);
}

void webhook_names(const struct call *c, json_t *names)
{
	const struct webhook_event *e = c->hook ? c->prepared : NULL;

	if (!e)
		return;
	if (*e->by_id)
		json_array_append_new(names, json_sprintf("hook %s",
							  e->by_id));
	if (*e->subject)
		json_array_append_new(names, json_sprintf("subject %s",
							  e->subject));
	json_array_append_new(names, json_sprintf("hook %s", e->by_body));
}

json_t *webhook_intent(const struct call *c)
{
	const struct webhook_event *e = c->prepared;
	json_t *doc = json_pack("{s:s,s:s}", "id", e->by_body, "made_id",
				c->made_id);

	wait_set(doc, "at", 0);
	return json_pack("{s:o}", "intent", doc);
}

void webhook_count(struct agent *a, const struct call *c)
{
	if (c->hook)
		webhook_tally_add(a->webhooks, c->hook, c->err.code ?
			WEBHOOK_REFUSED : json_is_set(c->answer, "dedup") ?
			WEBHOOK_REPEATED : WEBHOOK_ACCEPTED);
}
