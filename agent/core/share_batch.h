/*
 * The proposals of several calls as one line of commits: chosen, made, and
 * once the remote has them, recorded. For share.c, on the remote's thread.
 */
#pragma once
#include <stddef.h>

#include "agent/core/threads.h"

struct call;
struct core;
struct err;

struct share_batch {
	struct anchor on;	/* what they are made on top of */
	char commit[SSOT_HEX];	/* the last of them */
};

/*
 * Order the calls so that those whose documents are at b->on.tip as they were
 * when the proposal was made come first: *fit of them.
 */
int share_sift(struct core *k, const struct share_batch *b,
	       struct call **calls, size_t n, size_t *fit, struct err *err);
/* A commit for each on top of b->on.tip, durable; b->commit is the last. */
int share_commit(struct core *k, struct share_batch *b, struct call **calls,
		 size_t n, struct err *err);
/* The remote has them: the writer records that, and answers the calls. */
void share_land(struct core *k, const struct share_batch *b,
		struct call **calls, size_t n);
