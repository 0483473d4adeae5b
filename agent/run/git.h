/*
 * Stock git in a child: what talks to another machine or works for long is
 * done by a program that can be killed, not by a library that can hang.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

#define GIT_OUT_MAX ((size_t)16 << 20)	/* bytes of stdout that are kept */
#define GIT_IN_MAX ((size_t)64 << 10)	/* what a pipe takes at once */

struct git_result {
	int code;		/* its exit status; 128 + n: signal n */
	bool timed_out;		/* killed: the deadline had passed */
	bool stopped;		/* killed: stop_fd became readable */
	bool missing;		/* there is no git on this machine */
	char *out;		/* owned; NUL-terminated, never NULL */
	size_t out_len;
	char err[400];		/* the beginning of stderr but for progress,
				   one line, fit to be shown; may hold what
				   a server said */
};

struct git_options {
	const char *dir;		/* a repository (its .git, or bare) */
	const char *const *env;		/* NULL-terminated "K=V", or NULL */
	int64_t timeout_us;
	int64_t most_us;		/* over timeout_us: that is how long it
					   may say nothing, this is its end */
	int stop_fd;			/* ends it when readable; 0: none */
	const char *in;			/* what it reads, at most GIT_IN_MAX;
					   NULL: nothing */
	bool background;		/* yields processor and disk */
};

/*
 * Run git with args (NULL-terminated, without "git" itself) in dir and wait
 * for it. Its environment is ours to give: PATH and HOME, no configuration
 * but the repository's own, nobody to ask, no agent with keys; then env.
 * 0: it ended by itself, see code. -1 and *err: it could not be started, was
 * killed with all that it had started, or said more than GIT_OUT_MAX. r is
 * filled either way, for git_result_fini.
 */
int git_run(struct git_result *r, const char *const args[],
	    const struct git_options *o, struct err *err);
void git_result_fini(struct git_result *r);
