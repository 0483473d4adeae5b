/*
 * The remote: another repository that shares our tasks, reached by stock git
 * in a child. One thread of its own ("remote"), which exists only where one
 * is configured; what it does there is the mode's turn, taken again and
 * again. Nothing here ever forces a push.
 *
 * Refs of the local repository: REMOTE_AGREED is where the remote's main was
 * when we last agreed with it, REMOTE_SEEN where it was found last.
 */
#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct core;
struct err;
struct remote;

#define REMOTE_AGREED "refs/remotes/origin/main"
#define REMOTE_SEEN "refs/remotes/origin/incoming"

/* Starts the thread. *out stays NULL where no remote is configured. */
int remote_open(struct remote **out, struct core *k, struct err *err);
/* Do not wait for the next try. Any thread; NULL is fine. */
void remote_hurry(struct remote *r);
/* Ends a git that is at work; no more turns. NULL is fine. */
void remote_halt(struct remote *r);
/* Waits for the turn that is taken: after it nobody asks the followers. */
void remote_rest(struct remote *r);
/* A last push if all was well and it takes no longer than 3 s; then free. */
void remote_close(struct remote *r);
/*
 * The row of health: name, status, since, ahead, behind, last_synced, and
 * where not all is well error_code, detail, effect, remediation_hint.
 */
json_t *remote_json(struct remote *r);

/* What follows is for the modes, on the remote's thread. */

struct remote_mode {
	size_t own;		/* bytes of memory of its own, zeroed first */
	/* Do what there is to do; microseconds until it is called again. */
	int64_t (*turn)(struct remote *r, void *own);
};
extern const struct remote_mode mirror_mode, share_mode;

enum fault {			/* rows of faults[] in remote_row.c */
	FAULT_NONE, FAULT_STARTING, FAULT_UNREACHABLE, FAULT_AUTH, FAULT_DIVERGED,
	FAULT_REWRITTEN, FAULT_REFUSED, FAULT_NO_GIT, FAULT_CONTENT,
	FAULT_LOCAL,
};

/* What a git that talked to the remote ended with. */
struct remote_said {
	enum fault fault;
	bool stopped;			/* by remote_halt */
	bool late;			/* by its deadline */
	char words[480];		/* fit to be shown, without secrets */
};

struct core *remote_core(struct remote *r);
const char *remote_repo(const struct remote *r);	/* its path */
int64_t remote_interval(const struct remote *r);
/*
 * The commit that our history ends with; "" if there is none. Not what main
 * says, which anybody who may write the repository can move.
 */
void remote_ours(struct remote *r, char out[41]);
bool remote_stopping(struct remote *r);
bool remote_hurried(struct remote *r);		/* since the last turn */

/*
 * Fetch the remote's main into REMOTE_SEEN; head is it, "" if the remote has
 * none. 0, or -1 and *said.
 */
int remote_look(struct remote *r, char head[41], struct remote_said *said);
/* REMOTE_AGREED becomes commit, or goes where commit is "". */
int remote_agree(struct remote *r, const char *commit,
		 struct remote_said *said);
/* What we last agreed on; "" if nothing yet. */
const char *remote_agreed(const struct remote *r);
/*
 * remote_look, and agree with what is there if it goes on from what we had
 * agreed on; else -1 and FAULT_REWRITTEN.
 */
int remote_fetch(struct remote *r, char head[41], struct remote_said *said);

enum push {
	PUSH_OK,		/* the remote has it; we agree on it */
	PUSH_STALE,		/* the remote is not where we agreed it was */
	PUSH_REFUSED,		/* it does not want it: *said */
	PUSH_AWAY,		/* it was not to be had: *said */
};
/*
 * Push commit as the remote's main, if that goes on from what we agreed on
 * and the remote is still there. With PUSH_AWAY it may have taken it.
 */
enum push remote_push(struct remote *r, const char *commit,
		      struct remote_said *said);

/*
 * Tell health, and record when trouble begins and when it is over. Both may
 * be called again and again.
 */
void remote_trouble(struct remote *r, const struct remote_said *said);
void remote_fine(struct remote *r);
/* Some of it arrived: failures are counted anew. */
void remote_goes_on(struct remote *r);
/* Commits that we have and the remote has not, and the other way round. */
void remote_distance(struct remote *r, const char *ours, const char *theirs);
/* How long to wait after another failure: 1 s to 60 s, never quite alike. */
int64_t remote_pause(struct remote *r);
