/* What git knows of a task's past. On a worker. */
#pragma once
#include "agent/ops/op.h"

/*
 * task.get of an old revision: leaves the reading of it to those who have
 * time. ERR_invalid_request, ERR_not_found, ERR_ambiguous_id.
 */
int history_get(struct agent *a, struct call *c, struct err *err);
