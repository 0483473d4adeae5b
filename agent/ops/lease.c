/*
 * Leases: an executor holds one for as long as its heartbeats come, at the
 * agent that gave it. Without one past its end the task is stalled.
 */
#include "agent/ops/lease.h"

#include <string.h>

#include "agent/ops/approval.h"
#include "agent/ops/due.h"
#include "agent/ops/task.h"
#include "agent/ops/task_wait.h"
#include "agent/ops/wait.h"
#include "agent/store/settings.h"
#include "agent/store/state.h"
#include "common/clock.h"
#include "common/json.h"

#define WAIT "lease"
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

static int64_t asked_us(const struct agent *a, const struct call *c)
{
	int64_t us = call_int(c, "lease_s", 0) * 1000000;

	return us ? us : a->settings->timeouts.lease;
}

void lease_set(struct agent *a, const struct call *c, json_t *task)
{
	int64_t us = asked_us(a, c);
	char until[CLOCK_TEXT];

	clock_text(clock_wall_us() + us, until);	/* for people */
	json_object_set_new(task, "lease", json_pack(
		"{s:s,s:s,s:s}", "holder", c->who.name, "agent",
		a->settings->name, "expires_at", until));
	task_wait_set(a, WAIT, json_str(task, "id"), until, us);
	due_in(a->due, us, "task", json_str(task, "id"));
}

static const char *end_of(const json_t *task)
{
	return json_str(json_object_get(task, "lease"), "expires_at");
}

json_t *lease_kept(const struct agent *a, const struct call *c,
		   const json_t *task)
{
	json_t *kept;

	if (!end_of(task))
		return NULL;
	kept = json_pack("{s:s,s:s}", "id", json_str(task, "id"), "of",
			 end_of(task));
	wait_set(kept, "expires_at", asked_us(a, c));
	return kept;
}

/*
 * How long this lease is, for who did not see it given, or was restarted
 * since. Of our own there is a document; to others the two times say it that
 * were written at once by its own agent, so no clock has to agree with
 * another. An update of the task since makes it seem shorter.
 */
static int64_t lease_length(struct agent *a, const json_t *task, int64_t end)
{
	const json_t *kept = state_doc(a->state, LEASE_KEPT,
				       json_str(task, "id"));
	int64_t all = end - doc_time(task, "updated_at");
	int64_t left = end - clock_wall_us();
	const char *of = json_str(kept, "of");

	if (!task_leased_here(a, task))
		return all;
	if (of && !strcmp(of, end_of(task)))
		return wait_left(kept, "expires_at");
	return left < all ? left : all;
}

/* Until this agent may call the lease missed; false: there is none. */
static bool lease_left(struct agent *a, const json_t *task, int64_t *left)
{
	const char *id = json_str(task, "id");
	const char *until = end_of(task);
	int64_t end;

	if (!until || !doc_is(task, "running") ||
	    !clock_parse(until, 0, &end)) {
		task_wait_end(a, WAIT, id);
		return false;
	}
	*left = task_wait_left(a, WAIT, id, until,
			       lease_length(a, task, end)) +
		(task_leased_here(a, task) ? 0 : PEER_GRACE_US);
	return true;
}

void task_lease_watch(struct agent *a, const json_t *task)
{
	int64_t left;

	if (lease_left(a, task, &left))
		due_in(a->due, left, "task", json_str(task, "id"));
}

void task_lease_due(struct agent *a, const struct call *c, const char *id)
{
	json_t *task = state_doc(a->state, "task", id), *next;
	struct fact fact = {.type = "task_stalled"};
	int64_t left;

	if (!task || !lease_left(a, task, &left))
		return;
	if (agent_busy(a, id)) {		/* that may be a heartbeat */
		due_in(a->due, BUSY_US, "task", id);
		return;
	}
	if (left > 0) {			/* it was extended meanwhile */
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
