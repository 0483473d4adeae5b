/* Commits that others pushed and that say they are this agent's. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

struct core;
struct err;
struct intake;
struct reader;

/*
 * Are the commits that to has and from ("": nothing) has not free of forged
 * trailers of ours? The next start would believe them. *err names a commit
 * that is not. At a remote (peer) our own may lie, and say what is so.
 * ours: how many say so.
 */
int claims_check(struct core *k, bool peer, const char *from, const char *to,
		 struct reader *reader, size_t *ours, struct err *err);
/*
 * A push that was given up may have arrived, and its documents have gone on
 * here since: mark them as passed. What goes on from them is no clash.
 */
int claims_passed(struct core *k, struct intake *in, struct err *err);
