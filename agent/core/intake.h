/*
 * Taking in what a commit of somebody else changed: read and checked here,
 * decided and recorded by the writer, and in history once the follower comes
 * to the record. For the threads that meet such commits, never the writer.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "agent/store/ssot_commit.h"

struct core;
struct err;

enum intake_kind {
	INTAKE_PERSON,		/* tasks, as a person may change them; in a
				   clash ours stays */
	INTAKE_PEER,		/* an agent's documents; theirs stays */
	INTAKE_KEEP_OURS,	/* nothing: their history only */
};

struct intake_taken {
	uint64_t seq;		/* of the ssot_merged that stands for it */
	char commit[SSOT_HEX];	/* what was taken */
};

/*
 * Take in commit, found as "main" or "remote", and wait until that is
 * durable. If it is too much at once only an ancestor of it is taken, and
 * the rest with the next call. -1: nothing of it was; *err begins with the
 * path that is in the way. Any thread that may wait.
 */
int intake_take(struct core *k, const char *from, enum intake_kind kind,
		const char *commit, struct intake_taken *out,
		struct err *err);
/* Is it what was pushed that is wrong, and not the agent or its disk? */
bool intake_refuses(const struct err *err);
/*
 * The same for what main of our own repository was moved to: ERR_ssot_refused
 * if it cannot be, which is said again without looking again. Thread ssot.
 */
int intake_main(struct core *k, const char *commit, struct intake_taken *out,
		struct err *err);
/* What a crash cut off, before anything else is recorded: at the start. */
void intake_resume(struct core *k);
