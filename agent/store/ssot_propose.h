/*
 * Commits that are not on main yet: documents on top of any commit that is
 * there, as objects in a durable pack, for a remote to take or refuse. No
 * ref is moved. Any thread.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "agent/store/ssot_commit.h"

struct err;

struct ssot_proposal {			/* one document */
	const char *path, *text;	/* as ssot_path and json_pretty say */
	size_t len;
};

struct proposal_commit {
	const struct ssot_proposal *docs;
	size_t n;
	int64_t ts_us;
	const char *actor, *operation, *subject, *correlation_id, *task_id;
	char id[SSOT_HEX];	/* out; of the commit before if no document
				   differs from what is there */
};

/*
 * A line of commits on top of tip (NULL or "": a new history). seq and leaf:
 * the Audit-Head of our newest commit in the history of tip (0, NULL: there
 * is none), so that a restart goes on where that one would have. -1: nothing
 * was proposed; ERR_not_found if tip is not there.
 */
int ssot_propose(const char *path, const char *tip, const char *log_id,
		 uint64_t seq, const char *leaf,
		 struct proposal_commit *commits, size_t n, struct err *err);
