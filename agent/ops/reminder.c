/*
 * See reminder.h. How many have been is kept in the approval, so that a
 * restart repeats none; of those that were missed meanwhile the last counts.
 */
#include "agent/ops/reminder.h"

#include "agent/ops/approval.h"
#include "agent/ops/due.h"
#include "agent/ops/wait.h"
#include "agent/store/policy.h"
#include "agent/store/state.h"
#include "common/json.h"

#define LATE_US (120 * 1000000LL)
#define REMINDERS_MAX 2

/*
 * With how much left, in order; an approval that is short enough has but the
 * half. Both its times were written at once, so they are as far apart as
 * they say, whatever the clock says now.
 */
static int times_of(const json_t *approval, int64_t left[REMINDERS_MAX])
{
	int64_t all = doc_time(approval, "expires_at") -
		      doc_time(approval, "created_at");
	int64_t half = all / 2;
	int n = 0;

	if (LATE_US < all && LATE_US > half)
		left[n++] = LATE_US;
	left[n++] = half;
	if (LATE_US < half)
		left[n++] = LATE_US;
	return n;
}

void reminder_watch(struct agent *a, const json_t *approval)
{
	int64_t left[REMINDERS_MAX];
	json_int_t had = json_int(approval, "reminded", 0);
	int n = times_of(approval, left);

	if (doc_is(approval, "pending") && had < n &&
	    policy_for(a->policy, json_str(approval, "tool"))->reminders)
		due_in(a->due, wait_left(approval, "expires_at") - left[had],
		       "reminder", json_str(approval, "id"));
}

static void remind(struct agent *a, const struct call *c,
		   const json_t *approval, int nth, int of)
{
	json_t *next = json_copy((json_t *)approval);
	int64_t left = wait_left(approval, "expires_at");
	struct fact fact = {.type = "approval_reminder",
			    .task_id = json_str(next, "task_id")};

	json_set_int(next, "reminded", nth);
	fact.data = json_pack("{s:O,s:O,s:I,s:i,s:b}", "approval_id",
			      json_object_get(next, "id"), "tool",
			      json_object_get(next, "tool"), "left_s",
			      (json_int_t)(left / 1000000), "nth", nth, "last",
			      nth == of);
	fact.put = json_pack("{s:O}", "approval", next);
	agent_record_as(a, c, json_str(next, "correlation_id"), &fact, NULL);
	json_decref(next);
}

void reminder_due(struct agent *a, const struct call *c, const char *id)
{
	const json_t *approval = state_doc(a->state, "approval", id);
	int64_t at[REMINDERS_MAX], left;
	int n, nth = 0;

	if (!approval || !doc_is(approval, "pending") ||
	    !approval_in_time(approval))
		return;
	n = times_of(approval, at);
	left = wait_left(approval, "expires_at");
	while (nth < n && at[nth] >= left)
		nth++;
	if (nth > json_int(approval, "reminded", 0))
		remind(a, c, approval, nth, n);
	reminder_watch(a, state_doc(a->state, "approval", id));
}
