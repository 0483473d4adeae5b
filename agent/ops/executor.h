/* What one executor may do at once. Writer thread. */
#pragma once
#include <jansson.h>

struct agent;
struct call;
struct err;

/*
 * May the caller hold one more running task? ERR_executor_busy with the
 * "limit" and the ids of those that are "running" for them.
 */
int executor_has_room(struct agent *a, const struct call *c,
		      struct err *err);
/*
 * It is another number once somebody took a task at another agent that
 * shares them, for what was counted before counts no more. Any thread.
 */
unsigned executor_taken(const struct agent *a, const char *name);
/* The holder of this task took it at another agent. */
void executor_took(struct agent *a, const json_t *task);
