/*
 * The word of those who run the agent on a task: approved, rejected, halted,
 * resumed.
 */
#include "agent/ops/approval.h"
#include "agent/ops/fidelity.h"
#include "agent/ops/handlers.h"
#include "agent/ops/run.h"
#include "agent/ops/task.h"
#include "common/json.h"
#include "common/words.h"

typedef int may_step(struct agent *a, struct call *c, const json_t *task,
		     struct err *err);

/*
 * An admin's step: from one of the states to the next, with a reason, if
 * may says so too (NULL: nothing is asked).
 */
static int step(struct agent *a, struct call *c, const char *from,
		const char *to, may_step *may, struct err *err)
{
	json_t *task = task_of(a, c, err), *next;
	struct fact fact = {.type = "task_state"};

	if (!task || task_base_check(a, c, task, false, err) ||
	    task_in_state(task, from, err) || (may && may(a, c, task, err)))
		return -1;
	next = json_deep_copy(task);
	json_set_str(next, "state", to);
	json_object_set_new(next, "lease", json_null());
	fact.data = json_pack("{s:O,s:s,s:s}", "from",
			      json_object_get(task, "state"), "to", to,
			      "reason", call_str(c, "reason") ?
			      call_str(c, "reason") : "");
	json_incref(next);
	if (task_save(a, c, c->correlation_id, next, fact, err)) {
		json_decref(next);
		return -1;
	}
	task_answer(a, c, next);
	json_decref(next);
	return 0;
}

int op_task_approve(struct agent *a, struct call *c, struct err *err)
{
	return step(a, c, "needs_review", "approved", fidelity_check, err);
}

int op_task_reject(struct agent *a, struct call *c, struct err *err)
{
	if (step(a, c, "needs_review", "rejected", NULL, err))
		return -1;
	approval_end_of_task(a, c, call_str(c, "id"), "the task was rejected");
	return 0;
}

#define HALTABLE "pending,running,stalled,needs_review"

void task_halt_hurry(struct agent *a, struct call *c)
{
	json_t *task = task_of(a, c, NULL);

	if (!c->hurried && task && !call_str(c, "base_sha") && !c->if_match &&
	    words_index(HALTABLE, ',', json_str(task, "state")) >= 0)
		run_end_of_task(a, c, json_str(task, "id"),
				"the task is to be halted");
	c->hurried = true;
}

int op_task_halt(struct agent *a, struct call *c, struct err *err)
{
	if (step(a, c, HALTABLE, "halted", NULL, err))
		return -1;
	run_end_of_task(a, c, call_str(c, "id"), "the task was halted");
	return 0;
}

int op_task_resume(struct agent *a, struct call *c, struct err *err)
{
	return step(a, c, "halted", "pending", NULL, err);
}
