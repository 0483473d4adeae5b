/* See parked.h. */
#include "agent/ops/parked.h"

#include <stdlib.h>
#include <string.h>

#include "agent/ops/approval.h"
#include "agent/ops/due.h"
#include "agent/ops/run.h"
#include "agent/ops/wait.h"
#include "agent/store/policy.h"
#include "agent/store/state.h"
#include "common/json.h"
#include "common/mem.h"

void parked_start(struct agent *a, const struct call *c,
		  const json_t *approval)
{
	const char *run_id = json_str(approval, "run_id");
	const json_t *run = run_id ? state_doc(a->state, "run", run_id) : NULL;
	const struct policy *p = policy_for(a->policy,
					    json_str(approval, "tool"));
	struct fact fact = {.type = "run_queued", .run_id = run_id,
			    .task_id = json_str(approval, "task_id")};
	json_t *next;

	if (!run || !doc_is(run, "awaiting_approval"))
		return;
	next = json_copy((json_t *)run);
	json_set_str(next, "state", "queued");
	wait_set(next, "starts_at", p->grace);
	fact.data = json_pack("{s:O,s:O,s:O}", "tool",
			      json_object_get(run, "tool"), "approval_id",
			      json_object_get(approval, "id"), "starts_at",
			      json_object_get(next, "starts_at"));
	fact.put = json_pack("{s:o,s:o}", "run", next, "match", json_pack(
		"{s:O,s:O,s:s}", "id",
		json_object_get(approval, "match_sha256"), "approval_id",
		json_object_get(approval, "id"), "run_id", run_id));
	if (!agent_record_as(a, c, json_str(approval, "correlation_id"),
			     &fact, NULL))
		due_in(a->due, p->grace, "run", run_id);
}

static enum err_code code_of(const json_t *approval)
{
	return !approval || doc_is(approval, "stale") ? ERR_approval_stale :
	       doc_is(approval, "expired") ? ERR_approval_expired :
	       doc_is(approval, "cancelled") ? ERR_cancelled :
					       ERR_policy_denied;
}

static void resume(struct agent *a, const struct call *c, const json_t *run)
{
	const char *id = json_str(run, "approval_id");
	json_t *approval = id ? state_doc(a->state, "approval", id) : NULL;
	char *why;

	json_incref(approval);	/* a record of it replaces the borrowed one */
	if (approval && doc_is(approval, "approved")) {
		parked_start(a, c, approval);
	} else if (!approval || !doc_is(approval, "pending")) {
		why = xasprintf("its approval is %s", approval ?
				json_str(approval, "state") : "not there");
		run_end(a, c, json_str(run, "id"), code_of(approval), why);
		free(why);
	}
	json_decref(approval);
}

void parked_recover(struct agent *a, const struct call *c)
{
	json_t *runs = state_list(a->state, "run", "awaiting_approval"), *each;
	size_t i;

	json_array_foreach (runs, i, each)
		resume(a, c, each);
	json_decref(runs);
}
