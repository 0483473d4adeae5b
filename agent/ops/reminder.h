/*
 * Who is waited for is reminded: when half of an approval's time is gone, and
 * two minutes before its end, as approval_reminder records. Writer only.
 */
#pragma once
#include <jansson.h>

#include "agent/ops/op.h"

/* Put the next reminder of a pending approval, if there is one, in the clock. */
void reminder_watch(struct agent *a, const json_t *approval);
/* The clock calls this. */
void reminder_due(struct agent *a, const struct call *c, const char *id);
