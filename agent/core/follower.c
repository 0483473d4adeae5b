/*
 * See follower.h. Memory is bounded: what does not fit is dropped and read
 * again from the journal, so a slow follower costs disk reads, not memory.
 */
#include "agent/core/follower.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "agent/store/journal.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/json.h"
#include "common/log.h"
#include "common/mem.h"

#define PENDING_MAX 100000		/* records held in memory */
#define PENDING_BYTES ((size_t)16 << 20)	/* and bytes of their lines */
#define APPLY_MAX 2048			/* records in one transaction */
#define PAUSE_MAX_US 400000		/* between tries */
#define APPLY_BYTES ((size_t)8 << 20)	/* read again for so many */

struct follower {
	struct follower_kind kind;
	struct journal *journal;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	/* under lock */
	struct record **pending;	/* after seq, without holes */
	size_t n, cap, bytes;
	uint64_t seq;			/* applied */
	uint64_t wanted;		/* by who waits, at most */
	int64_t rest_until;		/* see follower_kind.pause_us */
	bool behind;			/* the journal has more than pending */
	bool stopping, failing;
	int64_t stop_at;
	char error[480], hint[320];
	const char *code;		/* of the error */
};

static void until(struct timespec *t, int64_t us)
{
	t->tv_sec = us / 1000000;
	t->tv_nsec = us % 1000000 * 1000;
}

static void drop(struct record **records, size_t n)
{
	for (size_t i = 0; i < n; i++)
		record_unref(records[i]);
}

void follower_feed(struct follower *f, struct record *const *records,
		   size_t n)
{
	pthread_mutex_lock(&f->lock);
	if (f->behind || f->n + n > PENDING_MAX || f->bytes > PENDING_BYTES) {
		drop(f->pending, f->n);
		f->n = f->bytes = 0;
		f->behind = true;
	} else {
		if (f->n + n > f->cap) {
			f->cap = (f->n + n) * 2;
			f->pending = xrealloc(f->pending,
					f->cap * sizeof(*f->pending));
		}
		for (size_t i = 0; i < n; i++) {
			f->pending[f->n++] = record_ref(records[i]);
			f->bytes += records[i]->len;
		}
	}
	pthread_cond_broadcast(&f->changed);
	pthread_mutex_unlock(&f->lock);
}

static void done_with(struct follower *f, uint64_t seq)
{
	bool recovered;

	pthread_mutex_lock(&f->lock);
	f->seq = seq;
	f->rest_until = clock_mono_us() + f->kind.pause_us;
	recovered = f->failing;
	f->failing = false;
	*f->error = 0;
	*f->hint = 0;
	pthread_cond_broadcast(&f->changed);
	pthread_mutex_unlock(&f->lock);
	if (!recovered)
		return;
	log_info("%s follows the journal again", f->kind.name);
	if (f->kind.changed)
		f->kind.changed(f->kind.ctx, NULL);
}

/*
 * Note the failure, and wait before the next try; false: give up, stop. What
 * failed before the stop is not waited for.
 */
static bool wait_again(struct follower *f, const struct err *why,
		       int64_t pause_us)
{
	int64_t at = clock_mono_us() + pause_us;
	struct timespec t;
	bool first, go_on;

	pthread_mutex_lock(&f->lock);
	first = !f->failing;
	f->failing = true;
	snprintf(f->error, sizeof(f->error), "%s", why->detail);
	snprintf(f->hint, sizeof(f->hint), "%s", why->hint);
	f->code = err_row(why->code)->code;
	pthread_mutex_unlock(&f->lock);
	if (first) {
		log_warn("%s cannot follow the journal: %s%s%s", f->kind.name,
			 why->detail, *why->hint ? "; " : "", why->hint);
		if (f->kind.changed)
			f->kind.changed(f->kind.ctx, why->detail);
	}
	until(&t, at);
	pthread_mutex_lock(&f->lock);
	while (!f->stopping && clock_mono_us() < at)
		pthread_cond_timedwait(&f->changed, &f->lock, &t);
	go_on = !f->stopping || (first && clock_mono_us() < f->stop_at);
	pthread_mutex_unlock(&f->lock);
	return go_on;
}

static bool apply(struct follower *f, struct record *const *records, size_t n)
{
	int64_t pause = 100000;
	struct err err = {0};

	while (f->kind.apply(f->kind.ctx, records, n, &err)) {
		bool go_on = wait_again(f, &err, pause);

		err_fini(&err);
		if (!go_on)
			return false;
		pause = pause < PAUSE_MAX_US ? pause * 2 : pause;
	}
	done_with(f, n ? records[n - 1]->seq : f->seq);
	return true;
}

struct chunk {			/* of what is read again */
	struct follower *f;
	struct record *records[APPLY_MAX];
	size_t n, bytes;
	size_t held;			/* taken, and not committed */
	uint64_t last;			/* of them */
};

enum { GO_ON, STOP, ANEW };		/* ANEW: from what is committed */

static bool out_of_time(struct follower *f)
{
	bool out;

	pthread_mutex_lock(&f->lock);
	out = f->stopping && clock_mono_us() > f->stop_at;
	pthread_mutex_unlock(&f->lock);
	return out;
}

static int settle(struct chunk *c, int rc, struct err *err)
{
	struct follower *f = c->f;

	if (!rc && c->held)
		rc = f->kind.commit(f->kind.ctx, err);
	if (!rc && c->held)
		done_with(f, c->last);
	c->held = 0;
	if (!rc)
		return GO_ON;
	rc = wait_again(f, err, PAUSE_MAX_US) ? ANEW : STOP;
	err_fini(err);
	return rc;
}

static int take_some(struct chunk *c)
{
	struct follower *f = c->f;
	struct err err = {0};
	int rc = c->n ? f->kind.take(f->kind.ctx, c->records, c->n, &err) : 0;

	c->last = c->n ? c->records[c->n - 1]->seq : c->last;
	c->held += c->n;
	return rc || c->held >= f->kind.at_once ? settle(c, rc, &err) : GO_ON;
}

static int flush(struct chunk *c)
{
	int rc = out_of_time(c->f) ? STOP : c->f->kind.take ? take_some(c) :
		 !c->n || apply(c->f, c->records, c->n) ? GO_ON : STOP;

	drop(c->records, c->n);
	c->n = c->bytes = 0;
	return rc;
}

static int gather(struct record *r, void *data, struct err *err)
{
	struct chunk *c = data;

	(void)err;
	if (r->seq <= c->f->seq)
		return 0;
	c->records[c->n++] = record_ref(r);
	c->bytes += r->len;
	return c->n == APPLY_MAX || c->bytes > APPLY_BYTES ? flush(c) : 0;
}

/* Read from the journal what memory does not have; false: stop. */
static bool catch_up(struct follower *f)
{
	struct chunk *c = xcalloc(1, sizeof(*c));
	struct err err = {0};
	bool ok;
	int rc;

	c->f = f;
	pthread_mutex_lock(&f->lock);
	f->behind = false;		/* what is fed from now on is kept */
	pthread_mutex_unlock(&f->lock);
	rc = journal_replay(f->journal, f->kind.place(f->kind.ctx, f->seq),
			    gather, c, &err);
	if (rc == GO_ON)
		rc = flush(c);
	if (rc == GO_ON)
		rc = settle(c, 0, &err);
	drop(c->records, c->n);
	free(c);
	ok = rc >= 0 || wait_again(f, &err, 1000000);
	if (rc < 0 || rc == ANEW) {
		pthread_mutex_lock(&f->lock);
		f->behind = true;
		pthread_mutex_unlock(&f->lock);
	}
	err_fini(&err);
	return ok && rc != STOP;
}

/* There is more to come, and nobody waits for what is there. */
static bool may_rest(const struct follower *f)
{
	return !f->behind && !f->stopping && f->n < APPLY_MAX &&
	       f->wanted <= f->seq && clock_mono_us() < f->rest_until;
}

/*
 * Under lock: until there is something to do, and it is time for it; false:
 * nothing came for idle_us.
 */
static bool await(struct follower *f)
{
	struct timespec t;
	int rc = 0;

	until(&t, clock_mono_us() + f->kind.idle_us);
	while (!f->n && !f->behind && !f->stopping && !rc)
		rc = f->kind.idle_us ?
			pthread_cond_timedwait(&f->changed, &f->lock, &t) :
			pthread_cond_wait(&f->changed, &f->lock);
	if (!f->n && !f->behind && !f->stopping)
		return false;
	until(&t, f->rest_until);
	while (may_rest(f))
		pthread_cond_timedwait(&f->changed, &f->lock, &t);
	return true;
}

enum took { TOOK, NOTHING_NEW, IDLE, BEHIND, END };

/* Take what is pending: *n records that were not applied yet. */
static enum took take(struct follower *f, struct record **out, size_t *n)
{
	enum took took;
	size_t used = 0;

	*n = 0;
	pthread_mutex_lock(&f->lock);
	took = !await(f) ? IDLE : f->behind ? BEHIND : END;
	while (!f->behind && used < f->n && *n < APPLY_MAX) {
		f->bytes -= f->pending[used]->len;
		if (f->pending[used]->seq > f->seq)
			out[(*n)++] = f->pending[used];
		else
			record_unref(f->pending[used]);
		used++;
	}
	if (used)		/* pending is NULL until something came */
		memmove(f->pending, f->pending + used,
			(f->n - used) * sizeof(*f->pending));
	f->n -= used;
	pthread_mutex_unlock(&f->lock);
	return *n ? TOOK : used ? NOTHING_NEW : took;
}

/* This thread alone, and from where the agent was put by who started it. */
static void yield_to_others(int by)
{
	const id_t self = (id_t)gettid();

	if (by)
		setpriority(PRIO_PROCESS, self,
			    getpriority(PRIO_PROCESS, self) + by);
}

static void *run(void *arg)
{
	struct follower *f = arg;
	struct record **batch = xcalloc(APPLY_MAX, sizeof(*batch));
	enum took took = BEHIND;
	size_t n = 0;

	yield_to_others(f->kind.nice);
	while (took != END) {
		bool ok = true;

		if (took == BEHIND)
			ok = catch_up(f);
		else if (took == IDLE)
			ok = apply(f, NULL, 0);
		if (!ok)
			break;
		took = take(f, batch, &n);
		if (took != TOOK)
			continue;
		if (batch[0]->seq != f->seq + 1)
			took = BEHIND;	/* a hole: the journal has it */
		else if (!apply(f, batch, n))
			took = END;
		drop(batch, n);
	}
	free(batch);
	return NULL;
}

struct follower *follower_start(const struct follower_kind *kind,
				struct journal *j, uint64_t seq)
{
	struct follower *f = xcalloc(1, sizeof(*f));
	pthread_condattr_t attr;

	f->kind = *kind;
	f->journal = j;
	f->seq = seq;
	pthread_mutex_init(&f->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&f->changed, &attr);
	pthread_condattr_destroy(&attr);
	if (pthread_create(&f->thread, NULL, run, f))
		abort();
	pthread_setname_np(f->thread, kind->name);
	return f;
}

int follower_wait(struct follower *f, uint64_t seq, int64_t timeout_us)
{
	struct timespec t;
	int rc = 0;

	until(&t, clock_mono_us() + timeout_us);
	pthread_mutex_lock(&f->lock);
	if (f->wanted < seq) {
		f->wanted = seq;
		pthread_cond_broadcast(&f->changed);
	}
	while (f->seq < seq && !rc && !f->stopping)
		rc = pthread_cond_timedwait(&f->changed, &f->lock, &t);
	rc = f->seq < seq ? -1 : 0;
	pthread_mutex_unlock(&f->lock);
	return rc;
}

uint64_t follower_seq(struct follower *f)
{
	uint64_t seq;

	pthread_mutex_lock(&f->lock);
	seq = f->seq;
	pthread_mutex_unlock(&f->lock);
	return seq;
}

json_t *follower_json(struct follower *f, uint64_t head)
{
	json_t *v;

	pthread_mutex_lock(&f->lock);
	v = json_pack("{s:I,s:I}", "seq", (json_int_t)f->seq, "lag",
		      (json_int_t)(head > f->seq ? head - f->seq : 0));
	if (*f->error)
		json_object_set_new(v, "error", json_lossy(f->error));
	if (*f->hint)
		json_set_str(v, "hint", f->hint);
	if (*f->error)
		json_set_str(v, "error_code", f->code);
	pthread_mutex_unlock(&f->lock);
	return v;
}

void follower_stop(struct follower *f, int64_t timeout_us)
{
	if (!f)
		return;
	pthread_mutex_lock(&f->lock);
	f->stopping = true;
	f->stop_at = clock_mono_us() + timeout_us;
	pthread_cond_broadcast(&f->changed);
	pthread_mutex_unlock(&f->lock);
	pthread_join(f->thread, NULL);
	drop(f->pending, f->n);
	free(f->pending);
	pthread_mutex_destroy(&f->lock);
	pthread_cond_destroy(&f->changed);
	free(f);
}
