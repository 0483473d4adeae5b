/* Runs that wait for their approval. Writer thread. */
#pragma once
#include <jansson.h>

#include "agent/ops/op.h"

/* It is given: its run, if one waits, starts when the grace is over. */
void parked_start(struct agent *a, const struct call *c,
		  const json_t *approval);
/*
 * After a start. The decision is a record before the run's own, and a crash
 * may come between: what was given starts, what was refused is over.
 */
void parked_recover(struct agent *a, const struct call *c);
