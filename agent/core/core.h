/*
 * The threads and what passes between them: workers parse, authenticate and
 * answer reads; one writer changes and records; followers make the read
 * model and git history of what is durable. All results come back through
 * one queue, which the loop empties when it is woken.
 */
#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct agent;
struct call;
struct core;
struct err;
struct reader;
struct record;
struct run_report;

/* A piece of slow work for a worker, then back to the loop. */
struct work {
	struct work *next;
	void (*run)(struct work *w, struct agent *a, struct reader *r);
	void (*done)(struct work *w);	/* on the loop; frees w */
	void *arg;
};

/* What comes back; exactly one of the three. */
struct done {
	struct done *next;
	struct call *call;		/* answered, durable, rendered */
	struct work *work;
	struct record **records;	/* a durable batch, in order */
	size_t n_records;
};

/*
 * wake is called from other threads when core_take has something. Replays
 * what the read model lacks, settles what a crash left, starts the threads.
 */
int core_open(struct core **out, struct agent *a, void (*wake)(void *arg),
	      void *arg, struct err *err);
/*
 * In the order of the pipeline: no more calls, tools ended, agent_stopped
 * recorded, followers caught up (bounded). Then core_take and core_free.
 */
void core_stop(struct core *k, const char *why);
void core_free(struct core *k);

/* From the loop. Calls and work are taken over. */
void core_submit(struct core *k, struct call *c);
void core_work(struct core *k, struct work *w);
/*
 * Through the gate and back while the caller waits, at most timeout_us: for
 * the one place where libwebsockets wants an answer at once. Returns the
 * call, or NULL if it took too long (it is recorded all the same).
 */
struct call *core_call_now(struct core *k, struct call *c,
			   int64_t timeout_us);
/*
 * Read the tools' manifests and the policy again; recorded, whatever comes
 * of it. And try the remote at once.
 */
void core_reload(struct core *k);
/* Queue a record of what the agent itself does; data is taken over. */
void core_service(struct core *k, const char *type, json_t *data);
/* Have the writer look at what changed by itself: the clock, the tokens. */
void core_look(struct core *k);
struct done *core_take(struct core *k);		/* list, oldest first */
void done_free(struct done *d);			/* and what it still holds */

/*
 * Calls that wait, or have waited, in the fold; c, taken, is no longer one.
 * On the loop.
 */
unsigned core_folded(struct core *k);
void core_unfold(struct core *k, const struct call *c);
/* The newest durable sequence; any thread. */
uint64_t core_seq(struct core *k);
/* The supervisor's callback: posts the report to the writer. */
void core_run_report(void *core, struct run_report *report);
