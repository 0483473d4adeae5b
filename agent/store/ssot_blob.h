/* Which version of a document a commit has. Any thread. */
#pragma once
#include <stddef.h>

#include "agent/store/ssot_commit.h"

struct err;

struct ssot_version {
	const char *path;	/* in */
	char sha[SSOT_HEX];	/* out: of the blob; "": it is not there */
};

/* Fill in the versions that commit ("": nothing) has. 0 or -1. */
int ssot_versions(const char *path, const char *commit,
		  struct ssot_version *v, size_t n, struct err *err);
