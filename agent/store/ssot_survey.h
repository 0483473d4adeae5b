/* Our newest commit, in a history that others may have added to. */
#pragma once
#include <git2.h>
#include <stdbool.h>
#include <stdint.h>

#include "agent/store/ssot_commit.h"

struct err;

/* A commit, and how far into the journal it is. */
struct ssot_point {
	bool any;		/* else there is none */
	git_oid commit, tree;
	uint64_t seq;
	char leaf[SHA256_HEX];
};

/*
 * Of the commits of the journal log_id that are first met from tip through
 * all parents, the one that is farthest into the journal (!any: there is
 * none), and how many commits of others are before them. Stops when these
 * are more than limit (0: 2,000,000, which is an error).
 */
int ssot_survey(git_repository *repo, const git_oid *tip, const char *log_id,
		size_t limit, struct ssot_point *out, size_t *foreign,
		struct err *err);
