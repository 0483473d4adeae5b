/*
 * See follow.h. One poll over everything that can happen to a child, and
 * five clocks: deadline, kill, guard, straggler, progress.
 */
#include "agent/run/follow.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/run/orphan.h"
#include "agent/run/run.h"
#include "agent/run/secrets.h"
#include "agent/run/spawn.h"
#include "common/clock.h"
#include "common/mem.h"

#define NEVER INT64_MAX
#define CHUNK (64u << 10)

struct follow {
	struct run *run;
	struct child *child;
	struct outcome *out;
	const char *request;	/* what is left of it */
	size_t request_len;
	size_t heard;		/* bytes of stdout and stderr together */
	bool ended;
	int64_t now, deadline, kill, guard, dropped, progress;	/* mono, us */
	char *chunk;
};

static int64_t sooner(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static void drop(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void end_all(struct follow *f)
{
	f->kill = NEVER;
	if (f->ended)
		return;
	child_end_all(f->child);
	f->out->killed = true;
	f->guard = sooner(f->guard, f->now + GUARD_AFTER_US);
}

/* It does not do its work: the tool dies with it, we adopt the others. */
static void kill_guard(struct follow *f)
{
	f->guard = NEVER;
	if (!f->ended)
		kill(f->child->pid, SIGKILL);
}

static void stop(struct follow *f, enum stop why)
{
	if (f->ended || f->out->stop != STOP_NONE)
		return;
	f->out->stop = why;
	f->deadline = NEVER;
	f->kill = f->now + KILL_AFTER_US;
	child_ask_to_end(f->child);
}

static void on_wake(struct follow *f)
{
	eventfd_t n;

	eventfd_read(f->run->wake, &n);
	if (atomic_load(&f->run->cancelled))
		stop(f, STOP_CANCEL);
	if (atomic_load(&f->run->urgent))
		f->kill = sooner(f->kill, f->now + URGENT_AFTER_US);
	if (atomic_load(&f->run->hurry)) {
		end_all(f);
		f->dropped = f->now;
	}
}

/* SIGPIPE is blocked in our threads, so a tool that does not read is EPIPE. */
static void on_request(struct follow *f)
{
	ssize_t n = write(f->child->in, f->request, f->request_len);

	if (n > 0) {
		f->request += n;
		f->request_len -= (size_t)n;
	}
	if (!f->request_len || (n < 0 && errno != EAGAIN && errno != EINTR))
		drop(&f->child->in);
}

/* What one of its pipes gives now; 0 when there is nothing to take. */
static size_t take(struct follow *f, int *fd)
{
	ssize_t n = read(*fd, f->chunk, CHUNK);

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		drop(fd);
	if (n <= 0)
		return 0;
	f->heard += (size_t)n;
	if (f->heard > OUTPUT_MAX && f->out->stop == STOP_NONE && !f->ended) {
		f->out->stop = STOP_FLOOD;
		end_all(f);
	}
	return (size_t)n;
}

static void on_output(struct follow *f)
{
	said_hear(&f->run->said, f->chunk, take(f, &f->child->out));
}

static void on_noise(struct follow *f)
{
	keep_add(&f->run->said.noise, f->chunk, take(f, &f->child->err));
}

static void on_end(struct follow *f)
{
	siginfo_t info = {0};

	if (waitid(P_PIDFD, (id_t)f->child->pidfd, &info, WEXITED))
		abort();		/* somebody else reaped our child */
	orphans_end_adopted();
	if (info.si_code == CLD_EXITED)
		f->out->exit = info.si_status;
	else
		f->out->signal = info.si_status;
	f->out->exec_errno = child_exec_errno(f->child);
	f->ended = true;
	f->deadline = f->kill = f->guard = NEVER;
	if (f->dropped == NEVER)
		f->dropped = f->now + STRAGGLER_US;
	drop(&f->child->pidfd);
	drop(&f->child->in);
}

static void tell_progress(struct follow *f)
{
	struct run *r = f->run;
	struct said *s = &r->said;
	struct run_report *report;

	s->news = false;
	f->progress = f->now + PROGRESS_US;
	report = run_report_new(r, RUN_PROGRESS);
	report->progress = s->progress;
	secrets_copy(r->secrets, json_string_value(s->message),
		     json_string_length(s->message), report->message,
		     sizeof(report->message));
	r->tell(r->ctx, report);
}

static void on_clocks(struct follow *f)
{
	if (f->now >= f->deadline)
		stop(f, STOP_DEADLINE);
	if (f->now >= f->kill)
		end_all(f);
	if (f->now >= f->guard)
		kill_guard(f);
	if (f->ended && f->now >= f->dropped) {
		drop(&f->child->out);
		drop(&f->child->err);
	}
	if (f->run->said.news && f->now >= f->progress)
		tell_progress(f);
}

static int wait_ms(const struct follow *f)
{
	int64_t next = sooner(sooner(f->deadline, f->kill), f->guard);

	if (f->ended)
		next = sooner(next, f->dropped);
	if (f->run->said.news)
		next = sooner(next, f->progress);
	if (next == NEVER)
		return -1;
	next = (next - clock_mono_us() + 999) / 1000;
	return next < 0 ? 0 : next > 3600000 ? 3600000 : (int)next;
}

static bool over(const struct follow *f)
{
	return f->ended && f->child->out < 0 && f->child->err < 0;
}

static void poll_once(struct follow *f)
{
	const struct {
		int fd;
		short events;
		void (*ready)(struct follow *f);
	} what[] = {
		{f->run->wake, POLLIN, on_wake},
		{f->child->in, POLLOUT, on_request},
		{f->child->out, POLLIN, on_output},
		{f->child->err, POLLIN, on_noise},
		{f->child->pidfd, POLLIN, on_end},
	};
	struct pollfd fds[ARRAY_LEN(what)];

	for (size_t i = 0; i < ARRAY_LEN(what); i++)
		fds[i] = (struct pollfd){what[i].fd, what[i].events, 0};
	if (poll(fds, ARRAY_LEN(what), wait_ms(f)) < 0)
		memset(fds, 0, sizeof(fds));
	f->now = clock_mono_us();
	for (size_t i = 0; i < ARRAY_LEN(what); i++)
		if (fds[i].revents)
			what[i].ready(f);
	on_clocks(f);
}

void follow(struct run *r, struct child *c, const char *request, size_t len,
	    struct outcome *out)
{
	struct follow f = {
		.run = r, .child = c, .out = out,
		.request = request, .request_len = len,
		.now = clock_mono_us(), .kill = NEVER, .guard = NEVER,
		.dropped = NEVER,
	};

	f.deadline = f.now + r->spec->timeout_us;
	f.chunk = xmalloc(CHUNK);
	*out = (struct outcome){0};
	while (!over(&f))
		poll_once(&f);
	said_end(&r->said);
	free(f.chunk);
}
