/*
 * One run as its thread sees it. Shared with whoever calls the supervisor
 * are only the members said so; the rest is the thread's own.
 */
#pragma once
#include <jansson.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "agent/run/said.h"
#include "agent/run/supervisor.h"

struct evidence;
struct secrets;

struct run {
	struct run *next;		/* the supervisor's */
	bool taken, placed;		/* the supervisor's */
	int wake;			/* eventfd while taken: see the flags */

	/* Set before the run is in any list, then read only. */
	struct run_spec *spec;
	struct evidence *evidence;
	run_tell *tell;
	void *ctx;
	char *dir;			/* WORK_DIR/ID */

	/* Shared: written under the supervisor's lock before their flag. */
	atomic_bool gone, cancelled, urgent, hurry;
	char why[200];			/* cancelled */
	json_t *package;		/* gone */

	struct secrets *secrets;
	json_t *files;			/* as in struct run_report */
	json_t *given;			/* args as the tool is given them */
	bool made;			/* dir is ours to remove */
	int out;			/* descriptor of DIR/out, or -1 */
	struct said said;
};

struct run *run_new(struct run_spec *spec, struct evidence *evidence,
		    const char *work_dir, run_tell *tell, void *ctx);
void run_free(struct run *r);
/* It has a thread now, and with it a descriptor. Under the lock. */
void run_take(struct run *r);
/* Of any thread: have the run look at its flags. */
void run_wake(struct run *r);

/*
 * The course of a run, from making its folder to removing it; tells
 * RUN_READY and RUN_PROGRESS and returns the RUN_ENDED that is to be told.
 */
struct run_report *run_perform(struct run *r);

struct run_report *run_report_new(const struct run *r,
				  enum run_report_kind kind);
