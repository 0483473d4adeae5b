/*
 * The ACK: an executor echoes the acceptance criteria, byte for byte, and
 * holds the task from then on. One that was missed is its holder's still in
 * this attempt; somebody else takes it over by opening the next.
 */
#include <string.h>

#include "agent/ops/approval.h"
#include "agent/ops/attempt.h"
#include "agent/ops/echo.h"
#include "agent/ops/executor.h"
#include "agent/ops/handlers.h"
#include "agent/ops/lease.h"
#include "agent/ops/task.h"
#include "common/json.h"

static int mismatch(struct agent *a, struct call *c, const json_t *task,
		    const json_t *want, const json_t *got, struct err *err)
{
	static const char *const lists[] = {"missing", "unexpected",
					    "differing"};
	struct fact fact = {.type = "ack_mismatch", .status = 422,
			    .task_id = json_str(task, "id")};

	echo_differs(want, got, err);
	fact.data = json_pack("{s:I}", "attempt", call_int(c, "attempt", 0));
	for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++)
		json_set_int(fact.data, lists[i], (json_int_t)json_array_size(
			json_object_get(err->members, lists[i])));
	agent_record(a, c, &fact, NULL);
	return -1;
}

/* A stalled task's next attempt is open to whoever takes it over. */
static bool takes_over(const struct call *c, const json_t *task)
{
	return doc_is(task, "stalled") && call_int(c, "attempt", 0) ==
	       json_int(task, "attempt", 1) + 1;
}

/* In this attempt a stalled task is its holder's, who comes back. */
static int may_take(struct agent *a, const struct call *c,
		    const json_t *task, struct err *err)
{
	if (takes_over(c, task))
		return 0;
	if (attempt_check(c, task, err) ||
	    task_in_state(task, "pending,stalled", err))
		return -1;
	if (!doc_is(task, "stalled") || !lease_holder_check(a, c, task, err))
		return 0;
	err_member(err, "next_attempt", json_integer(
		json_int(task, "attempt", 1) + 1));
	return err_hint(err, "It was missed: take it over with an ACK of "
			"next_attempt.");
}

static json_t *taken(struct agent *a, const struct call *c,
		     const json_t *task)
{
	json_t *next = json_deep_copy(task);

	json_set_str(next, "state", "running");
	json_set_int(next, "attempt", call_int(c, "attempt", 1));
	json_object_set_new(next, "lease", json_null());
	lease_set(a, c, next);
	return next;
}

int op_task_ack(struct agent *a, struct call *c, struct err *err)
{
	json_t *task = task_of(a, c, err), *want, *got, *next, *doc;
	json_t *more = NULL;

	if (!task || task_base_check(a, c, task, false, err) ||
	    may_take(a, c, task, err))
		return -1;
	want = json_object_get(task, "acceptance_criteria");
	got = json_object_get(c->args, "echoed_acceptance_criteria");
	if (!json_equal(want, got))
		return mismatch(a, c, task, want, got, err);
	if (executor_has_room(a, c, err))
		return -1;
	if (takes_over(c, task))
		more = json_pack("{s:s?}", "took_over_from",
				 lease_holder(task));
	next = taken(a, c, task);
	doc = attempt_doc(c, next, "ack");
	json_object_set(doc, "echoed_acceptance_criteria", got);
	return attempt_save(a, c, next, "ack", doc, more, "ack_accepted",
			    err);
}
