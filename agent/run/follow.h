/* Be with a child from its start to its end, whatever it does. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

struct child;
struct run;

enum stop { STOP_NONE, STOP_CANCEL, STOP_DEADLINE, STOP_FLOOD };

struct outcome {
	enum stop stop;		/* why it was told to end, if it was */
	bool killed;		/* SIGKILL, since it did not end */
	int exec_errno;		/* it never was the program */
	int signal;		/* that ended it, or 0 and: */
	int exit;
};

/*
 * Give it the request, hear what it says (r->said), tell of its progress,
 * end it when it is cancelled or over its time. It and all that it started
 * are dead and reaped when this returns; its pipes are not waited for longer
 * than STRAGGLER_US, as somebody else may have been handed them.
 */
void follow(struct run *r, struct child *c, const char *request, size_t len,
	    struct outcome *out);

#define KILL_AFTER_US 5000000	/* from SIGTERM to SIGKILL */
#define URGENT_AFTER_US 500000	/* the same in an emergency */
#define GUARD_AFTER_US 200000	/* from telling the guard to killing it */
#define STRAGGLER_US 500000
#define PROGRESS_US 1000000	/* at most one report in this time */
#define OUTPUT_MAX (64u << 20)	/* bytes it may print in all */
