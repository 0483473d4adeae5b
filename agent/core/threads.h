/* The core's inside: what its threads share. Not for others. */
#pragma once
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include "agent/core/core.h"
#include "agent/core/follower.h"
#include "agent/core/queue.h"
#include "agent/store/ssot_commit.h"

#define QUICK 2				/* workers for what is quick */
#define WORKERS 4			/* and for what reads whole files */

struct expiry;
struct checkpoints;
struct index;
struct notify;
struct seconds;
struct share;
struct ssot;
struct upkeep;

struct call_list { struct call *head, *last; };

struct worker {
	struct core *core;
	struct queue *from;
	struct reader *reader;		/* its own */
	pthread_t thread;
};

struct core {
	struct agent *agent;
	void (*wake)(void *arg);
	void *wake_arg;
	struct queue todo, slow;	/* struct done, to the workers */
	struct queue applying;		/* struct call, to the writer */
	struct queue done;		/* struct done, to the loop */
	struct worker workers[WORKERS];
	pthread_t writer;
	struct index *index;
	struct reader *reader;		/* the writer's */
	struct ssot *ssot;
	struct follower *follow_index, *follow_ssot;
	struct checkpoints *checkpoints;
	struct seconds *_Atomic seconds;	/* NULL: none is configured */
	struct upkeep *upkeep;
	struct remote *remote;		/* NULL: none is configured */
	atomic_uint_fast64_t doc_seq;	/* newest that carries documents */
	struct call *waiting;		/* the writer's: Prefer: wait */
	pthread_mutex_t tip_lock;
	char tip[SSOT_HEX];		/* where our line of commits ends */
	uint64_t tip_seq;		/* newest record in it */
	char refused[SSOT_HEX];		/* thread ssot: what main was moved to */
	char refusal[480];		/* and why that is not taken in */
	char way_back[SSOT_HEX];	/* where it was before */
	struct call_list held;		/* the writer's: behind another */
	atomic_uint folded;		/* calls that wait in the fold */
	struct share *share;		/* shared mode; else NULL */
	struct expiry *expiry;
	struct notify *notify;		/* NULL: none is configured */
};

void *worker_main(void *worker);
void *writer_main(void *core);
/* One batch through gate, journal and out; takes the calls over. Writer. */
void writer_batch(struct core *k, struct call *calls);
/* A call that nobody sent. args are taken over. */
struct call *internal_call(const char *op, json_t *args);
/*
 * Such a call through the writer, durable when this returns, however long
 * that takes. NULL: the agent is stopping. Not on the writer, nor where the
 * writer waits for this thread.
 */
struct call *core_apply_now(struct core *k, struct call *c);
/* The same, and the calls behind it up to last with it, in one batch. */
struct call *core_apply_list(struct core *k, struct call *c,
			     struct call *last);
/* Where the first record after seq lies, for who catches up from there. */
uint64_t core_place(struct core *k, uint64_t seq);
/* The leaf hash of the record with this seq, as the journal has it now. */
int core_leaf(struct core *k, struct reader *r, uint64_t seq,
	      char hex[SHA256_HEX], struct err *err);
/* The name of the journal, 16 hex digits; "" while it is empty. */
int core_log_id(struct core *k, char out[SSOT_LOG], struct err *err);
/* Open what follows the journal, whole and of this journal. See stores.c. */
int stores_open(struct core *k, struct err *err);
/*
 * Where our history ends, the newest record in it and whose journal that is:
 * what a commit on top of it says. Any thread.
 */
struct anchor {
	char tip[SSOT_HEX];		/* "": nothing yet */
	char log_id[SSOT_LOG];
	uint64_t seq;			/* 0: none is */
	char leaf[SHA256_HEX];
};
int stores_anchor(struct core *k, struct anchor *out, struct err *err);
void stores_close(struct core *k);
