/* See helper.h. */
#include "agent/run/helper.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/run/spawn.h"
#include "common/buf.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/json.h"
#include "common/mem.h"
#include "common/utf8.h"

#define OUT_MAX ((size_t)256 << 10)
#define ERR_MAX ((size_t)4 << 10)
#define GRACE_US 3000000	/* it keeps its time by itself, or is killed */

struct talk {
	struct child child;
	struct buf in, out, err;
	size_t given;			/* of in */
	int64_t deadline;	/* monotonic */
	bool late, stopped, too_much;
	int status;
};

static void say(struct helper_said *said, const char *code, const char *hint,
		const char *detail)
{
	snprintf(said->code, sizeof(said->code), "%s", code);
	snprintf(said->hint, sizeof(said->hint), "%s", hint);
	utf8_visible(detail, said->detail, sizeof(said->detail));
}

/* What is passed on: how this machine reaches others, and no secret. */
static char **make_env(void)
{
	static const char *const pass[] = {
		"PATH", "https_proxy", "HTTPS_PROXY", "no_proxy", "NO_PROXY",
		"SSL_CERT_FILE", "SSL_CERT_DIR", "ASAN_OPTIONS",
		"UBSAN_OPTIONS", "LSAN_OPTIONS",
	};
	char **env = xcalloc(ARRAY_LEN(pass) + 2, sizeof(*env));
	size_t n = 0;

	env[n++] = xstrdup("LC_ALL=C.UTF-8");
	for (size_t i = 0; i < ARRAY_LEN(pass); i++)
		if (getenv(pass[i]))
			env[n++] = xasprintf("%s=%s", pass[i],
					     getenv(pass[i]));
	return env;
}

static void free_env(char **env)
{
	for (char **e = env; *e; e++)
		free(*e);
	free(env);
}

static void request_of(struct talk *t, json_t *args, int64_t timeout_us)
{
	json_t *request = json_pack("{s:i,s:I,s:O}", "v", 1, "timeout_s",
				    (json_int_t)((timeout_us + 999999) /
						 1000000), "args", args);

	json_add_line(&t->in, request);
	json_decref(request);
}

/* What the pipe takes now; false: it has all, or takes no more. */
static bool give(struct talk *t)
{
	ssize_t n = write(t->child.in, t->in.data + t->given,
			  t->in.len - t->given);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return true;
	if (n > 0)
		t->given += (size_t)n;
	if (n > 0 && t->given < t->in.len)
		return true;
	close(t->child.in);
	t->child.in = -1;
	return false;
}

/* What is there now; false: no more will come. */
static bool hear(struct talk *t, int fd)
{
	struct buf *into = fd == t->child.out ? &t->out : &t->err;
	char chunk[8192];
	ssize_t n = read(fd, chunk, sizeof(chunk));

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return true;
	if (n <= 0)
		return false;
	if (into == &t->err && into->len > ERR_MAX)
		return true;
	buf_add(into, chunk, (size_t)n);
	t->too_much = t->out.len > OUT_MAX;
	return true;
}

static int wait_ms(const struct talk *t)
{
	int64_t left = (t->deadline - clock_mono_us() + 999) / 1000;

	return left < 0 ? 0 : left > 60000 ? 60000 : (int)left;
}

/* Until it has ended, or has to be ended. */
static void follow(struct talk *t, int stop_fd)
{
	enum { OUT, ERR, END, STOP, IN, FDS };
	struct pollfd p[FDS] = {
		[OUT] = {t->child.out, POLLIN, 0},
		[ERR] = {t->child.err, POLLIN, 0},
		[END] = {t->child.pidfd, POLLIN, 0},
		[STOP] = {stop_fd > 0 ? stop_fd : -1, POLLIN, 0},
		[IN] = {t->child.in, POLLOUT, 0},
	};
	bool ended = false;

	while (!ended && !t->late && !t->stopped && !t->too_much) {
		if (poll(p, FDS, wait_ms(t)) < 0 && errno != EINTR)
			abort();
		ended = p[END].revents;
		t->stopped = !ended && p[STOP].revents;
		for (int i = OUT; i <= ERR; i++)
			if (p[i].revents && !hear(t, p[i].fd))
				p[i].fd = -1;
		if (p[IN].revents && !give(t))
			p[IN].fd = -1;
		t->late = !ended && clock_mono_us() >= t->deadline;
	}
	kill(-t->child.pid, SIGKILL);
	/* Its pipes may still hold what it said last. */
	for (int i = OUT; i <= ERR; i++)
		while (p[i].fd >= 0 && !t->too_much &&
		       poll(p + i, 1, 0) == 1)
			if (!hear(t, p[i].fd))
				p[i].fd = -1;
}

/* The zombie keeps the group's id, so nobody else can be hit by this. */
static void reap(struct talk *t)
{
	kill(-t->child.pid, SIGKILL);
	while (waitpid(t->child.pid, &t->status, 0) < 0 && errno == EINTR)
		;
}

static json_t *no_answer(struct talk *t, const struct helper_options *o,
			 struct helper_said *said)
{
	char *detail;
	int why = child_exec_errno(&t->child);

	said->stopped = t->stopped;
	said->retryable = true;
	if (why)
		detail = xasprintf("%s: %s", o->program, strerror(why));
	else if (t->late)
		detail = xasprintf("no answer within %lld s",
				   (long long)(o->timeout_us / 1000000));
	else if (t->stopped)
		detail = xstrdup("it was stopped");
	else
		detail = xasprintf("%s ended with status %d: %s", o->program,
				   WIFEXITED(t->status) ?
				   WEXITSTATUS(t->status) :
				   128 + WTERMSIG(t->status),
				   t->err.len ? t->err.data : "it said "
				   "nothing");
	say(said, why ? "tool_missing" : t->late ? "timed_out" :
	    "tool_failed", why ? "Install the agent again: a program of it is "
	    "missing." : "It is tried again; see detail.", detail);
	free(detail);
	return NULL;
}

static const char *or_none(const char *text)
{
	return text ? text : "";
}

/* One line: {"result": {...}} or {"error": {...}}. */
static json_t *answer(struct talk *t, const struct helper_options *o,
		      struct helper_said *said)
{
	json_t *line = t->out.len && !t->too_much ?
		       json_parse(t->out.data, t->out.len, NULL) : NULL;
	json_t *result = json_object_get(line, "result");
	const json_t *error = json_object_get(line, "error");

	if (json_is_object(result)) {
		json_incref(result);
	} else if (json_is_object(error)) {
		say(said, or_none(json_str(error, "error_code")),
		    or_none(json_str(error, "remediation_hint")),
		    or_none(json_str(error, "detail")));
		said->retryable = json_is_set(error, "retryable");
		result = NULL;
	} else {
		result = no_answer(t, o, said);
	}
	json_decref(line);
	return result;
}

json_t *helper_run(json_t *args, const struct helper_options *o,
		   struct helper_said *said)
{
	char *argv[] = {(char *)o->program, (char *)o->verb, NULL};
	char **env = make_env();
	struct talk t = {0};
	struct err err = {0};
	json_t *result = NULL;

	*said = (struct helper_said){0};
	if (child_spawn(&t.child, argv, env, "/", &err)) {
		say(said, err_row(err.code)->code, err_hint_of(&err),
		    err.detail);
		err_fini(&err);
	} else {
		t.deadline = clock_mono_us() + o->timeout_us + GRACE_US;
		request_of(&t, args, o->timeout_us);
		follow(&t, o->stop_fd);
		reap(&t);
		result = answer(&t, o, said);
		child_close(&t.child);
	}
	free_env(env);
	buf_fini(&t.in);
	buf_fini(&t.out);
	buf_fini(&t.err);
	return result;
}
