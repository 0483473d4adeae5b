/* See core.h: the order in which threads begin and end. */
#include "agent/core/core.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "agent/core/checkpoints.h"
#include "agent/core/expiry.h"
#include "agent/core/intake.h"
#include "agent/core/quotas.h"
#include "agent/core/notify.h"
#include "agent/core/remote.h"
#include "agent/core/second.h"
#include "agent/core/share.h"
#include "agent/core/threads.h"
#include "agent/core/upkeep.h"
#include "agent/gate/fold.h"
#include "agent/ops/approval_bound.h"
#include "agent/ops/due.h"
#include "agent/ops/failures.h"
#include "agent/ops/op.h"
#include "agent/ops/quota.h"
#include "agent/ops/webhook_tally.h"
#include "agent/ops/rules.h"
#include "agent/run/supervisor.h"
#include "agent/store/home.h"
#include "agent/store/journal.h"
#include "agent/store/policy.h"
#include "agent/store/settings.h"
#include "common/clock.h"
#include "common/mem.h"

#define STOP_US 5000000

void core_service(struct core *k, const char *type, json_t *data)
{
	queue_put(&k->applying, internal_call("service", json_pack(
		"{s:s,s:o}", "type", type, "data", data)));
}

static json_t *started_data(const struct agent *a)
{
	return json_pack("{s:s,s:s,s:i,s:s,s:O?}", "version", a->version,
			 "agent", a->settings->name, "pid", (int)getpid(),
			 "policy_sha256", a->policy->sha256, "sandbox",
			 (json_t *)a->sandbox);
}

static json_t *repair_data(const struct journal_repair *r)
{
	return json_pack("{s:I,s:I,s:s}", "off", (json_int_t)r->off, "len",
			 (json_int_t)r->len, "sha256", r->sha256);
}

/* The first records of a run, before anybody is let in. */
static int begin(struct core *k, struct err *err)
{
	struct agent *a = k->agent;
	const uint64_t before = core_seq(k);
	struct call *calls;

	if (a->repair && a->repair->done)
		core_service(k, "log_repaired", repair_data(a->repair));
	intake_resume(k);
	core_service(k, "agent_started", started_data(a));
	core_service(k, "policy_loaded", rules_loaded(a->policy));
	checkpoints_begin(k->checkpoints);
	queue_put(&k->applying, internal_call("recover", NULL));
	calls = queue_drain(&k->applying, 0);
	writer_batch(k, calls);
	return core_seq(k) > before ? 0 : err_set(err, ERR_audit_unavailable,
			"the start could not be recorded");
}

/* Named, so that top and perf say which one is busy. */
static void begin_thread(pthread_t *t, const char *name,
			 void *(*start)(void *), void *arg)
{
	if (pthread_create(t, NULL, start, arg))
		abort();
	pthread_setname_np(*t, name);
}

static void sweep(void *core)
{
	expiry_wake(((struct core *)core)->expiry);
}

static bool shares(const struct settings *s)
{
	return s->ssot_remote && *s->ssot_remote &&
	       s->ssot_mode == SSOT_SHARED;
}

int core_open(struct core **out, struct agent *a, void (*wake)(void *arg),
	      void *arg, struct err *err)
{
	struct core *k = xcalloc(1, sizeof(*k));

	k->agent = a;
	k->wake = wake;
	k->wake_arg = arg;
	queue_init(&k->todo);
	queue_init(&k->slow);
	queue_init(&k->applying);
	queue_init(&k->done);
	pthread_mutex_init(&k->tip_lock, NULL);
	atomic_store(&k->doc_seq, core_seq(k));
	a->seq = core_seq(k);
	a->after_tail = &a->after;
	a->due = due_new();
	a->bounds = bounds_new();
	a->fold = fold_new();
	a->quota = quota_new();
	a->webhooks = webhook_tally_new(a->settings);
	a->failures = failures_new(a->settings->auth_failures);
	a->secret_args = json_object();
	a->task_waits = json_object();
	a->sweep = sweep;
	*out = k;
	if (stores_open(k, err) || quotas_fill(k, err) ||
	    supervisor_open(&a->runs, a->evidence, a->home->spool,
			    (int)a->settings->max_runs, core_run_report, k,
			    err))
		return -1;
	k->notify = notify_open(k);	/* hears of the start */
	if (begin(k, err))
		return -1;
	if (shares(a->settings))
		k->share = share_new(k, a->accept_remote);
	for (int i = 0; i < WORKERS; i++) {
		k->workers[i].from = i < QUICK ? &k->todo : &k->slow;
		begin_thread(&k->workers[i].thread, "worker", worker_main,
			     &k->workers[i]);
	}
	k->expiry = expiry_start(k);	/* known to the writer from the start */
	begin_thread(&k->writer, "writer", writer_main, k);
	return remote_open(&k->remote, k, err) || seconds_open(k, err) ?
	       -1 : 0;
}

void core_stop(struct core *k, const char *why)
{
	struct agent *a = k->agent;

	if (!k->writer)
		return;
	journal_release(a->journal);
	expiry_stop(k->expiry);
	remote_halt(k->remote);
	seconds_halt(k->seconds);
	notify_halt(k->notify);
	share_stop(k->share);
	queue_close(&k->todo);
	for (int i = 0; i < WORKERS; i++) {
		if (i == QUICK)		/* nobody puts in it any more */
			queue_close(&k->slow);
		pthread_join(k->workers[i].thread, NULL);
	}
	supervisor_stop(a->runs);	/* its last reports are queued now */
	core_service(k, "agent_stopped", json_pack("{s:s,s:I}", "reason", why,
		"uptime_s", (json_int_t)((clock_mono_us() - a->started_us) /
					 1000000)));
	queue_close(&k->applying);
	pthread_join(k->writer, NULL);
	k->writer = 0;
	remote_rest(k->remote);		/* it looks at the followers */
	upkeep_stop(k->upkeep);
	k->upkeep = NULL;
	notify_close(k->notify);	/* the writer fed it */
	k->notify = NULL;
	seconds_rest(k->seconds);	/* it asks who signs */
	checkpoints_stop(k->checkpoints, STOP_US);
	seconds_close(k->seconds);	/* who signs has told it last */
	k->seconds = NULL;
	follower_stop(k->follow_ssot, STOP_US);
	follower_stop(k->follow_index, STOP_US);
	k->follow_ssot = k->follow_index = NULL;
	remote_close(k->remote);	/* with the last commits */
	k->remote = NULL;
}

/* What the writer never came to: whoever waits for it is told. */
static void drop_calls(struct core *k)
{
	queue_close(&k->applying);
	for (struct call *c = queue_drain(&k->applying, 0), *n; c; c = n) {
		n = c->next;
		err_set(&c->err, ERR_overloaded, "the agent is stopping");
		if (c->answered)
			c->answered(c, c->answered_arg);
		else
			call_free(c);
	}
}

void core_free(struct core *k)
{
	struct agent *a;

	if (!k)
		return;
	a = k->agent;
	core_stop(k, "it could not start");
	notify_close(k->notify);
	if (a->runs)
		supervisor_close(a->runs);
	a->runs = NULL;
	drop_calls(k);
	stores_close(k);
	drop_calls(k);
	for (struct done *d = core_take(k), *n; d; d = n) {
		n = d->next;
		done_free(d);
	}
	expiry_free(k->expiry);
	share_free(k->share);
	due_free(a->due);
	bounds_free(a->bounds);
	fold_free(a->fold);
	quota_free(a->quota);
	webhook_tally_free(a->webhooks);
	failures_free(a->failures);
	json_decref(a->secret_args);
	json_decref(a->task_waits);
	json_decref(a->busy);
	queue_fini(&k->todo);
	queue_fini(&k->slow);
	queue_fini(&k->applying);
	queue_fini(&k->done);
	pthread_mutex_destroy(&k->tip_lock);
	free(k);
}

void core_submit(struct core *k, struct call *c)
{
	struct done *item = xcalloc(1, sizeof(*item));

	item->call = c;
	queue_put(&k->todo, item);
}

void core_work(struct core *k, struct work *w)
{
	struct done *item = xcalloc(1, sizeof(*item));

	item->work = w;
	queue_put(&k->todo, item);
}

void core_reload(struct core *k)
{
	queue_put(&k->applying, internal_call("tools.reload", NULL));
	queue_put(&k->applying, internal_call("policy.reload", NULL));
	remote_hurry(k->remote);
	seconds_new(k->seconds);
}

void core_look(struct core *k)
{
	queue_put(&k->applying, internal_call("clock", NULL));
}

struct done *core_take(struct core *k)
{
	return queue_drain(&k->done, 0);
}

void done_free(struct done *d)
{
	if (!d)
		return;
	call_free(d->call);
	for (size_t i = 0; i < d->n_records; i++)
		record_unref(d->records[i]);
	free(d->records);
	free(d);
}

unsigned core_folded(struct core *k)
{
	return atomic_load(&k->folded);
}

void core_unfold(struct core *k, const struct call *c)
{
	if (c->folded)
		atomic_fetch_sub(&k->folded, c->counts);
}

uint64_t core_seq(struct core *k)
{
	return journal_head(k->agent->journal).seq;
}

static void report_free(void *report)
{
	run_report_free(report);
}

void core_run_report(void *core, struct run_report *report)
{
	struct core *k = core;
	struct call *c = internal_call(report->kind == RUN_READY ?
				       "run.ready" : "run.report", NULL);

	c->prepared = report;
	c->prepared_free = report_free;
	queue_put(&k->applying, c);
}

/* One waiter for one call: whoever comes last frees it. */
struct wait {
	pthread_mutex_t lock;
	pthread_cond_t answered;
	struct call *call;
	bool left;
};

static void wait_free(struct wait *w)
{
	pthread_mutex_destroy(&w->lock);
	pthread_cond_destroy(&w->answered);
	free(w);
}

static void wait_answered(struct call *c, void *arg)
{
	struct wait *w = arg;
	bool left;

	pthread_mutex_lock(&w->lock);
	left = w->left;
	w->call = c;
	pthread_cond_signal(&w->answered);
	pthread_mutex_unlock(&w->lock);
	if (left) {
		call_free(c);
		wait_free(w);
	}
}

static struct wait *wait_new(struct call *c)
{
	struct wait *w = xcalloc(1, sizeof(*w));
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->answered, &attr);
	pthread_condattr_destroy(&attr);
	c->answered = wait_answered;
	c->answered_arg = w;
	return w;
}

/* The call, or NULL: w is left to whoever answers. */
static struct call *wait_until(struct wait *w, int64_t at)
{
	struct timespec t = {at / 1000000, at % 1000000 * 1000};
	struct call *out;
	int rc = 0;

	pthread_mutex_lock(&w->lock);
	while (!w->call && !rc)
		rc = at == INT64_MAX ?
			pthread_cond_wait(&w->answered, &w->lock) :
			pthread_cond_timedwait(&w->answered, &w->lock, &t);
	out = w->call;
	w->left = !out;
	pthread_mutex_unlock(&w->lock);
	if (out)
		wait_free(w);
	return out;
}

struct call *core_call_now(struct core *k, struct call *c,
			   int64_t timeout_us)
{
	struct wait *w = wait_new(c);

	core_submit(k, c);
	return wait_until(w, clock_mono_us() + timeout_us);
}

struct call *core_apply_list(struct core *k, struct call *c,
			     struct call *last)
{
	struct wait *w = wait_new(c);

	if (queue_offer_list(&k->applying, c, last))
		return wait_until(w, INT64_MAX);
	for (struct call *next; c; c = next) {
		next = c->next;
		call_free(c);
	}
	wait_free(w);
	return NULL;
}

struct call *core_apply_now(struct core *k, struct call *c)
{
	return core_apply_list(k, c, c);
}
