/*
 * Leases: an executor holds one for as long as its heartbeats come, at the
 * agent that gave it. Without one past its end the task is stalled.
 */
#include "agent/ops/lease.h"

#include <string.h>

#include "agent/ops/due.h"
#include "agent/ops/task.h"
#include "agent/store/settings.h"
#include "agent/store/state.h"
#include "common/clock.h"
#include "common/json.h"

#define BUSY_US 500000
#define PEER_GRACE_US 10000000	/* the holder's own agent stalls it first */

const char *lease_holder(const json_t *task)
{
	return json_str(json_object_get(task, "lease"), "holder");
}

/* A lease is held at the agent that it names; an older one names none. */
bool task_leased_here(const struct agent *a, const json_t *task)
{
	const json_t *lease = json_object_get(task, "lease");
	const char *at = json_str(lease, "agent");

	return json_is_object(lease) && (!at || !strcmp(at, a->settings->name));
}

int lease_holder_check(const struct agent *a, const struct call *c,
		       const json_t *task, struct err *err)
{
	const char *holder = lease_holder(task);

	if (holder && !task_leased_here(a, task))
		return err_set(err, ERR_lease_held, "the lease is %s's at %s",
			       holder, json_str(json_object_get(task, "lease"),
						"agent"));
	if (holder && !strcmp(holder, c->who.name))
		return 0;
	return err_set(err, ERR_lease_held, "the lease is %s's",
		       holder ? holder : "nobody");
}

void lease_set(struct agent *a, const struct call *c, json_t *task)
{
	int64_t us = call_int(c, "lease_s", 0) * 1000000;
	char until[CLOCK_TEXT];

	if (!us)
		us = a->settings->timeouts.lease;
	clock_text(clock_wall_us() + us, until);
	json_object_set_new(task, "lease", json_pack(
		"{s:s,s:s,s:s}", "holder", c->who.name, "agent",
		a->settings->name, "expires_at", until));
	due_add(a->due, clock_mono_us() + us, "task", json_str(task, "id"));
}

/* When this agent may call the lease missed; false: there is none. */
static bool lease_end(const struct agent *a, const json_t *task, int64_t *at)
{
	const char *until = json_str(json_object_get(task, "lease"),
				     "expires_at");

	if (!until || strcmp(json_str(task, "state"), "running") ||
	    !clock_parse(until, 0, at))
		return false;
	*at += task_leased_here(a, task) ? 0 : PEER_GRACE_US;
	return true;
}

void task_lease_watch(struct agent *a, const json_t *task)
{
	int64_t at;

	if (lease_end(a, task, &at))
		due_add(a->due, clock_mono_us() + at - clock_wall_us(), "task",
			json_str(task, "id"));
}

void task_lease_due(struct agent *a, const struct call *c, const char *id)
{
	json_t *task = state_doc(a->state, "task", id), *next;
	struct fact fact = {.type = "task_stalled"};
	int64_t at;

	if (!task || !lease_end(a, task, &at))
		return;
	if (agent_busy(a, id)) {		/* that may be a heartbeat */
		due_add(a->due, clock_mono_us() + BUSY_US, "task", id);
		return;
	}
	if (at > clock_wall_us() + 1000) {	/* it was extended meanwhile */
		task_lease_watch(a, task);
		return;
	}
	next = json_deep_copy(task);
	json_set_str(next, "state", "stalled");
	fact.data = json_pack("{s:s,s:O}", "holder", lease_holder(task),
			      "expired_at", json_object_get(
				json_object_get(task, "lease"), "expires_at"));
	task_save(a, c, json_str(task, "correlation_id"), next, fact, NULL);
}

void task_recover(struct agent *a)
{
	json_t *running = state_list(a->state, "task", "running"), *each;
	size_t i;

	json_array_foreach (running, i, each)
		task_lease_watch(a, each);
	json_decref(running);
}
