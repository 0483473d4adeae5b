/* What ssot.c and ssot_history.c both need of libgit2. */
#pragma once
#include <git2.h>

struct err;

#define SSOT_REF "refs/heads/main"

/* Once per process: start libgit2, deaf to the user's git configuration. */
void ssot_git_setup(void);
/* ERR_io with libgit2's words behind the text; -1. */
int ssot_git_error(struct err *err, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
