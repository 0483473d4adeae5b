/* Commits that others pushed and that say they are this agent's. */
#pragma once
#include <stdbool.h>

struct core;
struct err;
struct reader;

/*
 * Are the commits that to has and from ("": nothing) has not free of forged
 * trailers of ours? The next start would believe them. *err names a commit
 * that is not. At a remote (peer) our own may lie, and say what is so.
 */
int claims_check(struct core *k, bool peer, const char *from, const char *to,
		 struct reader *reader, struct err *err);
