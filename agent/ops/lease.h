/* The lease of a running attempt: whose it is, and when it was missed. */
#pragma once
#include <jansson.h>

#include "agent/ops/op.h"

/* Its holder's name, borrowed, or NULL: it has no lease. */
const char *lease_holder(const json_t *task);
/*
 * Does the caller hold it, at this agent? ERR_lease_held. Only the holder
 * of a lease goes on with it, and at its agent only.
 */
int lease_holder_check(const struct agent *a, const struct call *c,
		       const json_t *task, struct err *err);
/* The caller's from now on, for the argument lease_s or what settings say. */
void lease_set(struct agent *a, const struct call *c, json_t *task);
/*
 * What goes into the record beside a task whose lease was set: how long it
 * is, by a clock that nobody sets. New; NULL: it has none.
 */
json_t *lease_kept(const struct agent *a, const struct call *c,
		   const json_t *task);
/* The kind of that document, which has the task's id. */
#define LEASE_KEPT "lease_wait"
