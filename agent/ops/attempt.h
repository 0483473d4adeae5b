/* What the steps of one attempt have in common. Writer thread. */
#pragma once
#include <jansson.h>

#include "agent/ops/op.h"

/* Is the argument attempt, if given, the current one? ERR_stale_attempt. */
int attempt_check(const struct call *c, const json_t *task, struct err *err);
/* A document ("ack", "result") of the task's attempt, by the caller; owned. */
json_t *attempt_doc(const struct call *c, const json_t *task,
		    const char *what);
/*
 * Save the task and, beside it, the attempt's document of that kind (or
 * NULL) in a record of that type, which says also what is in more (or
 * NULL), all three taken over; answers the task. ERR_task_too_large.
 */
int attempt_save(struct agent *a, struct call *c, json_t *task,
		 const char *kind, json_t *doc, json_t *more,
		 const char *type, struct err *err);
