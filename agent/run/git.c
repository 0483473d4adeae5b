/*
 * See git.h. The group is asked to end before it is killed, so that git can
 * take its lock files away; whatever it leaves running is killed with it.
 */
#include "agent/run/git.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/run/git_words.h"
#include "agent/run/spawn.h"
#include "common/buf.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/mem.h"

#define CHUNK (64u << 10)
#define LEFT_MOST 16			/* chunks in a pipe when all ended */
#define GRACE_US 500000			/* between asking and killing */
#define PATH_DEFAULT "/usr/local/bin:/usr/bin:/bin"

/* linux/ioprio.h is not among libc's headers. */
#define IOPRIO_WHO_PGRP 2
#define IOPRIO_IDLE (3 << 13)

struct talk {
	struct child child;
	struct buf out;
	struct git_words words;
	int64_t timeout, deadline, end, kill_at;	/* monotonic, us */
	bool too_much, ended, stopping;
	char chunk[CHUNK];
};

static void ask_to_end(struct talk *t)
{
	if (t->stopping)
		return;
	t->stopping = true;
	t->kill_at = clock_mono_us() + GRACE_US;
	kill(-t->child.pid, SIGTERM);
}

/* What is there now; false: no more will come. */
static bool hear(struct talk *t, int fd)
{
	ssize_t n = read(fd, t->chunk, sizeof(t->chunk));
	size_t room = GIT_OUT_MAX - t->out.len;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return true;
	if (n <= 0)
		return false;
	if (fd == t->child.err)
		git_words_hear(&t->words, t->chunk, (size_t)n);
	else
		buf_add(&t->out, t->chunk, (size_t)n < room ? (size_t)n :
			room);
	t->too_much = t->out.len >= GIT_OUT_MAX;
	t->deadline = clock_mono_us() + t->timeout;
	if (t->deadline > t->end)
		t->deadline = t->end;
	return true;
}

static int wait_ms(const struct talk *t)
{
	int64_t at = t->stopping ? t->kill_at : t->deadline;
	int64_t left = (at - clock_mono_us() + 999) / 1000;

	return left < 0 ? 0 : left > 60000 ? 60000 : (int)left;
}

static void on_clock(struct talk *t, struct git_result *r)
{
	int64_t now = clock_mono_us();

	if (!t->stopping && now >= t->deadline) {
		r->timed_out = true;
		ask_to_end(t);
	} else if (t->stopping && now >= t->kill_at) {
		kill(-t->child.pid, SIGKILL);
		t->kill_at = now + GRACE_US;
	}
}

static void follow(struct talk *t, struct git_result *r, int stop_fd)
{
	enum { OUT, ERR, END, STOP, FDS };
	struct pollfd p[FDS] = {
		[OUT] = {t->child.out, POLLIN, 0},
		[ERR] = {t->child.err, POLLIN, 0},
		[END] = {t->child.pidfd, POLLIN, 0},
		[STOP] = {stop_fd > 0 ? stop_fd : -1, POLLIN, 0},
	};

	while (!t->ended) {
		if (poll(p, FDS, wait_ms(t)) < 0 && errno != EINTR)
			abort();
		t->ended = p[END].revents;
		for (int i = OUT; i <= ERR; i++)
			if (p[i].revents && !hear(t, p[i].fd))
				p[i].fd = -1;
		if (p[STOP].revents && !t->stopping) {
			r->stopped = true;
			p[STOP].fd = -1;
			ask_to_end(t);
		}
		if (t->too_much)
			ask_to_end(t);
		on_clock(t, r);
	}
	/* It is gone, its pipes are not: what it said last is in there. */
	for (int i = OUT; i <= ERR; i++)
		for (int n = 0; n < LEFT_MOST && p[i].fd >= 0 &&
		     !t->too_much && poll(p + i, 1, 0) == 1; n++)
			if (!hear(t, p[i].fd))
				p[i].fd = -1;
}

/* The zombie keeps the group's id, so nobody else can be hit by this. */
static void reap(struct talk *t, struct git_result *r)
{
	int status = 0;

	kill(-t->child.pid, SIGKILL);
	while (waitpid(t->child.pid, &status, 0) < 0 && errno == EINTR)
		;
	r->code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) :
					WEXITSTATUS(status);
}

static char **make_argv(const char *const args[])
{
	static char git[] = "git";
	size_t n = 0;
	char **argv;

	while (args[n])
		n++;
	argv = xcalloc(n + 2, sizeof(*argv));
	argv[0] = git;
	for (size_t i = 0; i < n; i++)
		argv[i + 1] = (char *)args[i];
	return argv;
}

static char **make_env(const char *const *more)
{
	static char fixed[][32] = {
		"LC_ALL=C", "GIT_CONFIG_NOSYSTEM=1",
		"GIT_CONFIG_GLOBAL=/dev/null", "GIT_TERMINAL_PROMPT=0",
		"GIT_DIR=.", "GIT_ATTR_NOSYSTEM=1",
	};
	const char *path = getenv("PATH"), *home = getenv("HOME");
	size_t n = 0, k = 0;
	char **env;

	while (more && more[n])
		n++;
	env = xcalloc(n + ARRAY_LEN(fixed) + 3, sizeof(*env));
	env[k++] = xasprintf("PATH=%s", path && *path ? path : PATH_DEFAULT);
	env[k++] = xasprintf("HOME=%s", home && *home ? home : "/");
	for (size_t i = 0; i < ARRAY_LEN(fixed); i++)
		env[k++] = fixed[i];
	for (size_t i = 0; i < n; i++)
		env[k++] = (char *)more[i];
	return env;
}

static void free_env(char **env)
{
	free(env[0]);
	free(env[1]);
	free(env);
}

/* A pipe takes it whole, so nobody has to wait for a git that reads late. */
static int give(struct talk *t, const char *in, struct err *err)
{
	size_t len = in ? strlen(in) : 0;

	if (len && write(t->child.in, in, len) != (ssize_t)len &&
	    errno != EPIPE)	/* it has ended: its status says why */
		return err_set(err, ERR_io, "%zu bytes are too much for git "
			       "to be given", len);
	close(t->child.in);
	t->child.in = -1;
	return 0;
}

static int start(struct talk *t, const char *const args[],
		 const struct git_options *o, struct err *err)
{
	char **argv = make_argv(args), **env = make_env(o->env);
	int rc = child_spawn(&t->child, argv, env, o->dir, err);

	free(argv);
	free_env(env);
	if (rc)
		return -1;
	if (o->background) {
		setpriority(PRIO_PGRP, (id_t)t->child.pid, 19);
		syscall(SYS_ioprio_set, IOPRIO_WHO_PGRP, t->child.pid,
			IOPRIO_IDLE);
	}
	return 0;
}

static int outcome(struct talk *t, struct git_result *r, const char *what,
		   struct err *err)
{
	int why = child_exec_errno(&t->child);

	if (why) {
		r->missing = true;
		errno = why;
		err_sys(err, ERR_io, "git cannot be started");
		return err_hint(err, "Install git.");
	}
	if (r->timed_out)
		return err_set(err, ERR_io, "git %s took too long", what);
	if (r->stopped)
		return err_set(err, ERR_io, "git %s was stopped", what);
	if (t->too_much)
		return err_set(err, ERR_io, "git %s said more than %zu bytes",
			       what, GIT_OUT_MAX);
	return 0;
}

int git_run(struct git_result *r, const char *const args[],
	    const struct git_options *o, struct err *err)
{
	struct talk *t = xcalloc(1, sizeof(*t));
	int rc;

	*r = (struct git_result){.code = -1};
	rc = start(t, args, o, err);
	if (!rc) {
		rc = give(t, o->in, err);
		if (rc)
			ask_to_end(t);
		t->timeout = o->timeout_us;
		t->deadline = clock_mono_us() + t->timeout;
		t->end = o->most_us > t->timeout ? t->deadline - t->timeout +
			 o->most_us : t->deadline;
		follow(t, r, o->stop_fd);
		reap(t, r);
		git_words_end(&t->words, r->err, sizeof(r->err));
		rc = rc || outcome(t, r, args[0], err) ? -1 : 0;
		child_close(&t->child);
	}
	buf_add(&t->out, "", 0);
	r->out = buf_take(&t->out, &r->out_len);
	if (!r->out)
		r->out = xstrdup("");
	git_words_fini(&t->words);
	free(t);
	return rc;
}

void git_result_fini(struct git_result *r)
{
	xfree(r->out);
}
