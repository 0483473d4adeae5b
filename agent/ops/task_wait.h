/*
 * Waits of tasks: leases and reviews. A task's document is public and read
 * by other agents, so it shows wall time alone; that decides nothing here.
 * What counts is when this agent saw the wait begin, by steady time, and how
 * long it is. One end for each of a task's waits. Writer only.
 */
#pragma once
#include <stdint.h>

#include "agent/ops/op.h"

/* It ends so long from now; of says which one this is: a text of its own. */
void task_wait_set(struct agent *a, const char *what, const char *id,
		   const char *of, int64_t us);
/* What is left of it. One that is not known yet begins now and has us. */
int64_t task_wait_left(struct agent *a, const char *what, const char *id,
		       const char *of, int64_t us);
void task_wait_end(struct agent *a, const char *what, const char *id);
