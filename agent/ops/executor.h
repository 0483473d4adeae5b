/* What one executor may do at once. Writer thread. */
#pragma once

struct agent;
struct call;
struct err;

/*
 * May the caller hold one more running task? ERR_executor_busy with the
 * "limit" and the ids of those that are "running" for them.
 */
int executor_has_room(struct agent *a, const struct call *c,
		      struct err *err);
