/* What the other operations need of tasks. Writer thread, unless said. */
#pragma once
#include <jansson.h>

#include "agent/ops/op.h"

#define TASK_MAX (48 * 1024)	/* bytes of a document as git holds it */
#define TASK_ROOM 4096		/* more, for what the agent itself adds */

/* The stored document of the task that the call names as id; ERR_not_found. */
json_t *task_of(struct agent *a, const struct call *c, struct err *err);
json_t *task_by_id(struct agent *a, const char *id, struct err *err);
/* A copy with "sha", as it is answered; any thread. */
json_t *task_shown(const json_t *task);
/* Answer the whole task with its ETag; 200. */
int task_answer(struct agent *a, struct call *c, const json_t *task);
/*
 * Compare the sha that the caller read (base_sha or If-Match) with the
 * task's. ERR_base_sha_required, or ERR_write_conflict, which is recorded.
 */
int task_base_check(struct agent *a, struct call *c, const json_t *task,
		    bool required, struct err *err);
/*
 * May it be published at all? Its document says so to everybody, and others
 * may have written that: it takes the word of an admin of this agent too.
 */
bool task_may_publish(struct agent *a, const json_t *task);
/* That word, if the call's admin gives one now (kind "allow"), or NULL. */
json_t *task_allow(const struct call *c, const char *id);
/* Criterion of this id, borrowed, or NULL. Any thread. */
const json_t *task_criterion(const json_t *task, const char *ref);
/* Criteria and labels, where there are any, inside and out. Any thread. */
int task_parts_check(const json_t *parts, struct err *err);
/* In this attempt or one before; a resumed task is pending again. */
bool task_was_acked(struct agent *a, const json_t *task);
/*
 * Stamp updated_at and record the new document (taken over) as fact says;
 * fact->put may hold more documents. ERR_task_too_large changes nothing.
 */
int task_save(struct agent *a, const struct call *c,
	      const char *correlation_id, json_t *task, struct fact fact,
	      struct err *err);
/*
 * Its bytes in git as if nothing had been done with it: what a lease, a
 * decision, a longer state and an empty list of issues take is not counted,
 * so that a task that could be made can be taken and decided on. Any thread.
 */
size_t task_bytes(const json_t *task);
/* The id under which an attempt's document ("ack", "result"...) is kept. */
void task_attempt_id(const json_t *task, const char *what, char out[200]);
/* 409 invalid_transition with from and allowed, unless state is in allowed. */
int task_in_state(const json_t *task, const char *allowed, struct err *err);
/* Is its lease, if it has one, held at this agent? */
bool task_leased_here(const struct agent *a, const json_t *task);
/* Let the clock look at the end of its lease, if it has one. */
void task_lease_watch(struct agent *a, const json_t *task);
/*
 * A halt that has to wait for its turn: what the task does here ends now,
 * once.
 */
void task_halt_hurry(struct agent *a, struct call *c);
/* A lease or a heartbeat is over: a clock operation calls this. */
void task_lease_due(struct agent *a, const struct call *c, const char *id);
/* Put leases back into the clock after a start. */
void task_recover(struct agent *a);
