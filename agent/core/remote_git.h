/*
 * Stock git that talks to one remote: what it is told by its environment,
 * and what its words mean.
 */
#pragma once
#include <stdint.h>

#include "agent/core/remote.h"

struct remote_git;
struct settings;

/* Borrows settings and repo (a path). */
struct remote_git *remote_git_new(const struct settings *s, const char *repo);
void remote_git_free(struct remote_git *g);

/* How long it may say nothing, and go on at all. */
struct remote_time { int64_t silence_us, most_us; };

/*
 * Run git with args, ended by stop_fd (0: none) or when its time is over. 0: it
 * ended with 0. 1: it ended otherwise, *said has its words and what they
 * mean. -1: it did not end by itself, or not at all. *out (may be NULL) gets
 * its stdout, owned by the caller, in every case.
 */
int remote_git_run(struct remote_git *g, const char *const args[],
		   const struct remote_time *t, int stop_fd, char **out,
		   struct remote_said *said);
/*
 * What `git push --porcelain` said of the ref. PUSH_OK or PUSH_STALE, or
 * PUSH_REFUSED with the reason in said; PUSH_AWAY: it says nothing of it.
 */
enum push remote_git_pushed(const char *out, const char *ref,
			    struct remote_said *said);
