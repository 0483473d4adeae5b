/*
 * See supervisor.h. A thread for each place and one more: a run that was
 * cancelled while it waited takes no place, so its end is told at once even
 * when every place is taken. Threads last until the supervisor is closed,
 * which is what keeps their children alive.
 */
#include "agent/run/supervisor.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agent/run/folder.h"
#include "agent/run/kept.h"
#include "agent/run/orphan.h"
#include "agent/run/run.h"
#include "common/err.h"
#include "common/fs.h"
#include "common/mem.h"

#define CLOSE_WAIT_S 8
#define RUNS_MAX 1000

struct supervisor {
	struct evidence *evidence;
	char *work_dir;
	run_tell *tell;
	void *ctx;
	int places;
	pthread_t *threads;
	int n_threads;

	pthread_mutex_t lock;		/* all below, and the runs' shared */
	pthread_cond_t changed;
	struct run *runs;		/* oldest first */
	unsigned n_runs;
	int placed;
	bool closing;
};

/* The run to do next, or NULL. Locked. */
static struct run *next_run(struct supervisor *s)
{
	for (struct run *r = s->runs; r; r = r->next) {
		if (r->taken)
			continue;
		if (atomic_load(&r->cancelled))
			return r;
		if (s->placed < s->places) {
			r->placed = true;
			return r;
		}
	}
	return NULL;
}

static void unlink_run(struct supervisor *s, struct run *r)
{
	struct run **at = &s->runs;

	while (*at != r)
		at = &(*at)->next;
	*at = r->next;
	s->n_runs--;
}

/* Told before it counts as over, so that nothing is told after close. */
static void do_run(struct supervisor *s, struct run *r)
{
	struct run_report *end = run_perform(r);

	pthread_mutex_lock(&s->lock);
	unlink_run(s, r);
	pthread_mutex_unlock(&s->lock);
	s->tell(s->ctx, end);
	pthread_mutex_lock(&s->lock);
	s->placed -= r->placed;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
	run_free(r);
}

static void *work(void *arg)
{
	struct supervisor *s = arg;
	struct run *r;

	pthread_mutex_lock(&s->lock);
	for (;;) {
		r = next_run(s);
		if (r) {
			run_take(r);
			s->placed += r->placed;
			pthread_mutex_unlock(&s->lock);
			do_run(s, r);
			pthread_mutex_lock(&s->lock);
		} else if (s->closing) {
			break;
		} else {
			pthread_cond_wait(&s->changed, &s->lock);
		}
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

/* Signals are for the main thread; EPIPE is what we want of SIGPIPE. */
static int start_threads(struct supervisor *s, struct err *err)
{
	sigset_t all, old;
	int rc = 0;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	s->threads = xcalloc((size_t)s->places + 1, sizeof(*s->threads));
	for (; !rc && s->n_threads <= s->places; s->n_threads += !rc)
		rc = pthread_create(&s->threads[s->n_threads], NULL, work, s);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	errno = rc;
	return rc ? err_sys(err, ERR_internal, "starting a thread") : 0;
}

int supervisor_open(struct supervisor **out, struct evidence *ev,
		    const char *work_dir, int max_runs, run_tell *tell,
		    void *ctx, struct err *err)
{
	struct supervisor *s;
	pthread_condattr_t attr;

	if (fs_mkdir(work_dir, 0700, err))
		return -1;
	orphans_end(work_dir);
	folder_sweep(work_dir);
	s = xcalloc(1, sizeof(*s));
	s->evidence = ev;
	s->work_dir = xstrdup(work_dir);
	s->places = max_runs > 0 ? max_runs : 1;
	s->tell = tell;
	s->ctx = ctx;
	pthread_mutex_init(&s->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&s->changed, &attr);
	pthread_condattr_destroy(&attr);
	if (start_threads(s, err)) {
		supervisor_close(s);
		return -1;
	}
	*out = s;
	return 0;
}

/* Locked. */
static void cancel(struct run *r, const char *why)
{
	if (atomic_load(&r->cancelled))
		return;
	snprintf(r->why, sizeof(r->why), "%s", why ? why : "cancelled");
	atomic_store(&r->cancelled, true);
	run_wake(r);
}

/* Locked. */
static struct run *find(struct supervisor *s, const char *run_id)
{
	for (struct run *r = s->runs; r; r = r->next)
		if (!strcmp(r->spec->id, run_id))
			return r;
	return NULL;
}

void supervisor_prepare(struct supervisor *s, struct run_spec *spec)
{
	struct run *r = run_new(spec, s->evidence, s->work_dir, s->tell,
				s->ctx);
	struct run **end;

	pthread_mutex_lock(&s->lock);
	for (end = &s->runs; *end; end = &(*end)->next)
		;
	*end = r;
	s->n_runs++;
	if (s->closing)
		cancel(r, "the agent is stopping");
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
}

bool supervisor_full(struct supervisor *s)
{
	bool full;

	pthread_mutex_lock(&s->lock);
	full = s->n_runs >= RUNS_MAX;
	pthread_mutex_unlock(&s->lock);
	return full;
}

void supervisor_go(struct supervisor *s, const char *run_id, json_t *package)
{
	struct run *r;

	pthread_mutex_lock(&s->lock);
	r = find(s, run_id);
	if (r && !atomic_load(&r->gone)) {
		r->package = package;
		package = NULL;
		atomic_store(&r->gone, true);
		run_wake(r);
	}
	pthread_mutex_unlock(&s->lock);
	json_decref(package);
}

void supervisor_cancel(struct supervisor *s, const char *run_id,
		       const char *why)
{
	struct run *r;

	pthread_mutex_lock(&s->lock);
	r = find(s, run_id);
	if (r)
		cancel(r, why);
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
}

char **supervisor_kept(struct supervisor *s)
{
	return kept_list(s->work_dir);
}

void supervisor_forget(struct supervisor *s, const char *run_id)
{
	char *dir = xasprintf("%s/%s", s->work_dir, run_id);

	kept_remove(dir);
	free(dir);
}

void supervisor_cancel_all(struct supervisor *s, const char *why)
{
	pthread_mutex_lock(&s->lock);
	for (struct run *r = s->runs; r; r = r->next)
		cancel(r, why);
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
}

void supervisor_end_all(struct supervisor *s, const char *why)
{
	pthread_mutex_lock(&s->lock);
	for (struct run *r = s->runs; r; r = r->next) {
		atomic_store(&r->urgent, true);
		cancel(r, why);
		run_wake(r);
	}
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
}

/* Wait for the runs to end by themselves, then make them. */
static void end_runs(struct supervisor *s)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += CLOSE_WAIT_S;
	pthread_mutex_lock(&s->lock);
	s->closing = true;
	pthread_cond_broadcast(&s->changed);
	while (s->runs && !pthread_cond_timedwait(&s->changed, &s->lock,
						  &until))
		;
	for (struct run *r = s->runs; r; r = r->next) {
		atomic_store(&r->hurry, true);
		run_wake(r);
	}
	pthread_mutex_unlock(&s->lock);
}

void supervisor_stop(struct supervisor *s)
{
	supervisor_cancel_all(s, "the agent is stopping");
	end_runs(s);
	for (int i = 0; i < s->n_threads; i++)
		pthread_join(s->threads[i], NULL);
	s->n_threads = 0;
}

void supervisor_close(struct supervisor *s)
{
	struct run *next;

	if (!s)
		return;
	supervisor_stop(s);
	for (struct run *r = s->runs; r; r = next) {
		next = r->next;		/* came too late for any thread */
		run_free(r);
	}
	pthread_cond_destroy(&s->changed);
	pthread_mutex_destroy(&s->lock);
	free(s->threads);
	free(s->work_dir);
	free(s);
}
