/*
 * A result that nobody has said a word on for too long is told of, once for
 * each attempt. Nothing else comes of it: the task waits on. Writer only.
 */
#pragma once
#include <jansson.h>

#include "agent/ops/op.h"

/* The task is as this document has it from now on. */
void overdue_touched(struct agent *a, const json_t *task);
void overdue_due(struct agent *a, const struct call *c, const char *id);
void overdue_recover(struct agent *a);
