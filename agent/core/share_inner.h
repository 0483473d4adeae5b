/* The inside of the share files. Not for others. */
#pragma once
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "agent/core/queue.h"
#include "agent/core/remote.h"
#include "agent/core/share.h"
#include "agent/ops/call.h"
#include "agent/store/ssot_commit.h"

#define PATIENCE 4			/* at first */

struct share {
	struct core *core;
	struct queue proposals;		/* struct call */
	pthread_mutex_t lock;
	pthread_cond_t settled;		/* nothing waits any more */
	size_t waiting;			/* under lock */
	enum remote_state state;		/* under lock, as words */
	char words[480];
	bool stopped;			/* under lock */
	/* the remote's thread's */
	int64_t look_at;		/* to fetch, or to try again */
	int64_t ready_at;		/* to push again: others may first */
	int64_t others_at;		/* when somebody else had pushed */
	unsigned wins, patience;	/* pushes, and until others are let */
	char counted[SSOT_HEX];		/* main when health was last told */
	bool accept;			/* once: whatever is there */
	bool met;			/* we know how to go on without it */
	bool agrees;			/* the last look did already */
};

void share_set_state(struct share *s, enum remote_state state,
		     const char *words);
/* What has gathered, as an array; NULL: nothing. */
struct call **share_gather(struct share *s, size_t *n);
/* Calls that were gathered, to the writer again, in order. */
void share_give_back(struct share *s, struct call **calls, size_t n,
		     enum proposed fate);
/* The same with 503 remote_unavailable. */
void share_refuse(struct share *s, struct call **calls, size_t n,
		  const char *words);
/* The same, something else was there first: again, but not for ever. */
void share_again(struct share *s, struct call **calls, size_t n);
/* n calls are the writer's again, by whatever way. */
void share_no_longer(struct share *s, size_t n);

/* On the remote's thread: */

/* It cannot be asked, and why; tried again after a pause. -1. */
int share_away(struct share *s, struct remote *r,
	       const struct remote_said *said);
/* The same for what is wrong here, or with what is there. err is ended. */
int share_trouble(struct share *s, struct remote *r, struct err *err);
/* Wait until our history has all documents that are durable now. */
int share_settle(struct share *s, struct err *err);
/* Fetch what others pushed and take it in. -1: share_away was said. */
int share_catch_up(struct share *s, struct remote *r);
