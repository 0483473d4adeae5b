/* Runs: the life of one execution of a tool. Writer thread, unless said. */
#pragma once
#include <jansson.h>

#include "agent/ops/op.h"
#include "agent/ops/tool.h"

/* As it is answered, new; any thread. */
json_t *run_shown(const json_t *run);
bool run_is_over(const json_t *run);

/* Queue a run that needs nobody's approval, and answer 202 with it. */
int run_now(struct agent *a, struct call *c, const struct tool_ask *ask,
	    struct err *err);
/*
 * A new run's document, not recorded yet. state: queued, awaiting_approval.
 * approval may be NULL. Secrets are kept aside until it ends.
 */
json_t *run_make(struct agent *a, const struct call *c,
		 const struct tool_ask *ask, const char *state,
		 const json_t *approval);
/* Answer 202 (or wait, if the caller prefers) with this run. */
int run_answer(struct call *c, const json_t *run);
/* Its section of agent.conf, with the channels that policy lets it use. */
json_t *run_config(struct agent *a, const struct tool *t);
/* Record a stored file as an artifact of this run. */
int run_artifact_added(struct agent *a, const struct call *c,
		       const json_t *run, const json_t *artifact,
		       struct err *err);
/* Give a queued run, whose grace is over, to the supervisor. */
void run_start_due(struct agent *a, const struct call *c, const char *id);
/* The error member of a run: code, detail, hint, retryable. New. */
json_t *run_error(enum err_code code, const char *detail);
/*
 * End a run that has not started, or tell a running one to end. Records;
 * code and detail become its error.
 */
void run_end(struct agent *a, const struct call *c, const char *id,
	     enum err_code code, const char *detail);
void run_end_of_task(struct agent *a, const struct call *c,
		     const char *task_id, const char *why);
/* Emergency stop: of those that run nothing is alive a second later. */
void run_end_all(struct agent *a, const struct call *c, const char *why);
/* After a start: what was queued goes on, what ran is explained. */
void run_recover(struct agent *a, const struct call *c);
