/* How the model takes each answer; the rows of model_ask.def name these. */
#pragma once
#include "console/model.h"

/* One of result and problem is NULL; both are borrowed. */
typedef void model_take(struct model *m, const struct ask *ask,
			const json_t *result, const json_t *problem);

model_take take_nothing, take_health, take_tasks, take_task, take_approvals,
	take_approval, take_runs, take_run, take_records, take_artifacts,
	take_chain, take_review, take_decided, take_mode, take_history,
	take_revision, take_fidelity;

void chain_fini(struct chain *c);
/* "detail. What to do." of a problem object, safe. Caller frees. */
char *problem_text(const json_t *problem);
