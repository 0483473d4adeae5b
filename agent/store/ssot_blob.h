/* Which version of a document a commit has. Any thread. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "agent/store/ssot_commit.h"

struct err;

struct ssot_version {
	const char *path;	/* in */
	char sha[SSOT_HEX];	/* out: of the blob; "": it is not there */
};

/*
 * had[i]: a commit that to has and from ("": nothing) has not, has version i.
 * Oldest first, and no further than all were found. 0 or -1.
 */
int ssot_had(const char *path, const char *from, const char *to,
	     const struct ssot_version *v, size_t n, bool *had,
	     struct err *err);
/* Fill in the versions that commit ("": nothing) has. 0 or -1. */
int ssot_versions(const char *path, const char *commit,
		  struct ssot_version *v, size_t n, struct err *err);
