/* See overdue.h. A document "overdue" says which attempt was told of. */
#include "agent/ops/overdue.h"

#include <stdio.h>
#include <string.h>

#include "agent/ops/approval.h"
#include "agent/ops/due.h"
#include "agent/ops/task.h"
#include "agent/ops/task_wait.h"
#include "agent/store/settings.h"
#include "agent/store/state.h"
#include "common/clock.h"
#include "common/json.h"

#define WAIT "review"

/* What is left of this attempt's; one that is new has us. */
static int64_t left_of(struct agent *a, const json_t *task, int64_t us)
{
	char attempt[32];

	snprintf(attempt, sizeof(attempt), "%lld",
		 (long long)json_int(task, "attempt", 1));
	return task_wait_left(a, WAIT, json_str(task, "id"), attempt, us);
}

static void watch(struct agent *a, const json_t *task, int64_t us)
{
	due_in(a->due, left_of(a, task, us), WAIT, json_str(task, "id"));
}

void overdue_touched(struct agent *a, const json_t *task)
{
	if (doc_is(task, "needs_review"))
		watch(a, task, a->settings->timeouts.review);
	else
		task_wait_end(a, WAIT, json_str(task, "id"));
}

static const json_t *result_of(struct agent *a, const json_t *task)
{
	char id[200];

	task_attempt_id(task, "result", id);
	return state_doc(a->state, "result", id);
}

static bool was_told(struct agent *a, const json_t *task)
{
	const json_t *told = state_doc(a->state, "overdue",
				       json_str(task, "id"));

	return json_int(told, "attempt", 0) == json_int(task, "attempt", 1);
}

static void tell(struct agent *a, const struct call *c, const json_t *task)
{
	const json_t *result = result_of(a, task);
	struct fact fact = {.type = "review_overdue",
			    .task_id = json_str(task, "id")};

	fact.data = json_pack("{s:O,s:I,s:O*,s:O*}", "attempt",
		json_object_get(task, "attempt"), "limit_s",
		(json_int_t)(a->settings->timeouts.review / 1000000),
		"result_at", json_object_get(result, "at"), "result_by",
		json_object_get(result, "by"));
	fact.put = json_pack("{s:{s:O,s:O}}", "overdue", "id",
			     json_object_get(task, "id"), "attempt",
			     json_object_get(task, "attempt"));
	agent_record_as(a, c, json_str(task, "correlation_id"), &fact, NULL);
}

void overdue_due(struct agent *a, const struct call *c, const char *id)
{
	json_t *task = state_doc(a->state, "task", id);

	if (!task || !doc_is(task, "needs_review") || was_told(a, task))
		return;
	if (left_of(a, task, a->settings->timeouts.review) > 0) {
		watch(a, task, 0);	/* a later attempt's */
		return;
	}
	json_incref(task);
	tell(a, c, task);
	json_decref(task);
}

/* By the wall clock's word, but never longer than all of it. */
void overdue_recover(struct agent *a)
{
	json_t *list = state_list(a->state, "task", "needs_review"), *each;
	int64_t all = a->settings->timeouts.review, left;
	size_t i;

	json_array_foreach (list, i, each) {
		left = doc_time(result_of(a, each), "at") + all -
		       clock_wall_us();
		watch(a, each, left < all ? left : all);
	}
	json_decref(list);
}
