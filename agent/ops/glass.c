/* See glass.h. */
#include "agent/ops/glass.h"

#include <stdatomic.h>
#include <string.h>

#include "agent/ops/approval.h"
#include "agent/ops/handlers.h"
#include "agent/ops/op.h"
#include "agent/ops/run.h"
#include "agent/run/supervisor.h"
#include "agent/store/home.h"
#include "agent/store/stop_note.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/json.h"
#include "common/log.h"

#define WHY "the mode is stopped"

/* Who reads it may be about to take a copy: none is freed before the end. */
static void hold(struct agent *a, json_t *note)
{
	if (!a->glasses)
		a->glasses = json_array();
	json_array_append_new(a->glasses, note);
	atomic_store(&a->glass, note);
}

void glass_open(struct agent *a)
{
	json_t *note = stop_note_read(a->home->stopped);
	struct err err = {0};

	if (note) {
		log_warn("stopped: %s keeps a stop that is not recorded yet",
			 a->home->stopped);
		hold(a, note);
	}
	if (stop_note_prepare(a->home->stopped, &err))
		log_warn("no room is kept for an emergency stop: %s",
			 err.detail);
	err_fini(&err);
}

void glass_close(struct agent *a)
{
	atomic_store(&a->glass, NULL);
	json_decref(a->glasses);
	a->glasses = NULL;
}

bool glass_broken(const struct agent *a)
{
	return atomic_load(&a->glass);
}

json_t *glass_mode(const struct agent *a)
{
	const json_t *note = atomic_load(&a->glass);
	const char *by = json_str(note, "by"), *why = json_str(note, "reason");

	if (!note)
		return NULL;
	return json_pack("{s:s,s:s,s:s?,s:s?,s:b}", "mode", "stopped",
			 "reason", why ? why : "", "by", by, "since",
			 json_str(note, "since"), "unrecorded", 1);
}

static json_t *note_of(struct agent *a, const struct call *c)
{
	const char *why = call_str(c, "reason");
	char now[CLOCK_TEXT];

	clock_text(clock_wall_us(), now);
	return json_pack("{s:i,s:s,s:s,s:s,s:s,s:s,s:s,s:s}", "v", 1, "from",
			 agent_mode(a), "reason", why ? why : "", "by",
			 c->who.name, "token_id", c->who.token_id, "since",
			 now, "transport", via_name(c->via), "correlation_id",
			 c->correlation_id);
}

/* Who stopped it first is who the record will name, however many follow. */
static const json_t *note_for(struct agent *a, const struct call *c)
{
	const json_t *kept = atomic_load(&a->glass);

	if (!json_str(kept, "by"))
		hold(a, note_of(a, c));
	return atomic_load(&a->glass);
}

/* The tools end first: a disk that fails may take its time. */
int glass_break(struct agent *a, struct call *c, struct err *err)
{
	const json_t *note = note_for(a, c);
	struct err why = {0};

	log_warn("stopped by %s, not on the record", c->who.name);
	supervisor_end_all(a->runs, WHY);
	if (!stop_note_write(a->home->stopped, note, &why))
		return call_answer(c, glass_mode(a));
	err_set(err, ERR_audit_unavailable, "it is stopped until the agent "
		"ends, but that could not be kept: %s", why.detail);
	err_fini(&why);
	return -1;
}

static void clear(struct agent *a, void *nothing)
{
	struct err err = {0};

	(void)nothing;
	if (stop_note_write(a->home->stopped, NULL, &err))
		log_error("the stop is recorded, its note stays: %s",
			  err.detail);
	err_fini(&err);
	atomic_store(&a->glass, NULL);
}

static void keep(void *nothing)
{
	(void)nothing;
}

static int record(struct agent *a, const struct call *c, const json_t *note,
		  struct err *err)
{
	static const char *const kept[] = {"by", "token_id", "since",
					   "transport"};
	const char *was = json_str(note, "from");
	const char *why = json_str(note, "reason");
	const char *correlation = json_str(note, "correlation_id");
	struct fact fact = {.type = "mode_changed"};

	fact.data = json_pack("{s:s,s:s,s:s,s:b}", "from", was ? was : "?",
			      "to", "stopped", "reason", why ? why : "",
			      "break_glass", 1);
	for (size_t i = 0; i < sizeof(kept) / sizeof(*kept); i++)
		if (json_object_get(note, kept[i]))
			json_object_set(fact.data, kept[i],
					json_object_get(note, kept[i]));
	fact.put = json_pack("{s:{s:s,s:s,s:s,s:s?,s:s?}}", "mode", "id",
			     "mode", "mode", "stopped", "reason",
			     why ? why : "", "by", json_str(note, "by"),
			     "since", json_str(note, "since"));
	return agent_record_as(a, c, correlation ? correlation :
			       c->correlation_id, &fact, err);
}

int glass_settle(struct agent *a, const struct call *c, struct err *err)
{
	const json_t *note = atomic_load(&a->glass);

	if (!note)
		return 0;
	if (record(a, c, note, err))
		return -1;
	approval_end_all(a, c, WHY);
	run_end_all(a, c, WHY);
	agent_after(a, clear, keep, NULL);
	return 0;
}

int op_glass_settle(struct agent *a, struct call *c, struct err *err)
{
	return glass_settle(a, c, err);
}
