/*
 * The writer: takes all calls that have gathered, applies them in order,
 * makes their records durable with one sync, and only then lets answers and
 * events go and effects begin.
 */
#include <stdlib.h>

#include "agent/core/checkpoints.h"
#include "agent/core/notify.h"
#include "agent/core/share.h"
#include "agent/core/threads.h"
#include "agent/gate/account.h"
#include "agent/gate/fold.h"
#include "agent/gate/gate.h"
#include "agent/gate/propose.h"
#include "agent/ops/due.h"
#include "agent/ops/glass.h"
#include "agent/ops/op.h"
#include "agent/ops/run.h"
#include "agent/store/journal.h"
#include "agent/store/state.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"

#define GLASS_US 1000000	/* how often an unrecorded stop is tried */
#define WAITING_MAX 256		/* of the calls that net has in flight */

/* What came of the calls of one batch. */
struct batch { struct call_list answered, proposed; };

static void list_add(struct call_list *l, struct call *c)
{
	c->next = NULL;
	if (l->head)
		l->last->next = c;
	else
		l->head = c;
	l->last = c;
}

static bool run_over(struct core *k, const char *id)
{
	const json_t *run = state_doc(k->agent->state, "run", id);

	return !run || run_is_over(run);
}

/* Calls whose run is over, or whose patience is, are complete now. */
static void finish_waiting(struct core *k, struct call_list *answered)
{
	int64_t now = clock_mono_us();

	for (struct call **at = &k->waiting, *c; (c = *at);) {
		if (c->waits_until > now && !run_over(k, c->waits_run)) {
			at = &c->next;
			continue;
		}
		*at = c->next;
		gate_finish(k->agent, c);
		list_add(answered, c);
	}
}

static bool may_wait(const struct call *waiting)
{
	size_t n = 0;

	for (; waiting; waiting = waiting->next)
		n++;
	return n < WAITING_MAX;
}

/* To wait is a preference: where many do, the answer comes at once. */
static void wait_for_run(struct core *k, struct call *c, struct batch *b)
{
	if (!may_wait(k->waiting)) {
		gate_finish(k->agent, c);
		list_add(&b->answered, c);
	} else {
		c->next = k->waiting;
		k->waiting = c;
	}
}

static void apply_held(struct core *k, struct batch *b);
static void apply_one(struct core *k, struct call *c, struct batch *b);

/* Until what it is about is no longer busy. */
static void hold(struct core *k, struct call *c, struct batch *b)
{
	if (may_wait(k->held.head)) {
		list_add(&k->held, c);
		return;
	}
	err_set(&c->err, ERR_overloaded, "%d calls wait for others to end",
		WAITING_MAX);
	apply_one(k, c, b);
}

static void apply_one(struct core *k, struct call *c, struct batch *b)
{
	bool counts = c->counts;	/* one that is held may be freed */

	switch (gate_apply(k->agent, c)) {
	case APPLIED:
		list_add(&b->answered, c);
		if (propose_release(k->agent, c))
			apply_held(k, b);
		break;
	case APPLY_WAITS:
		wait_for_run(k, c, b);
		break;
	case APPLY_PROPOSED:
		list_add(&b->proposed, c);
		break;
	case APPLY_AGAIN:
		hold(k, c, b);
		break;
	case APPLY_HELD:
		atomic_fetch_add(&k->folded, counts);
		break;
	}
}

/* In the order in which they came; who still has to wait stays in it. */
static void apply_held(struct core *k, struct batch *b)
{
	struct call *c = k->held.head, *next;

	k->held = (struct call_list){0};
	for (; c; c = next) {
		next = c->next;
		apply_one(k, c, b);
	}
}

struct call *internal_call(const char *op, json_t *args)
{
	struct call *c = call_new(VIA_INTERNAL, op_named(op));

	c->args = args;
	return c;
}

static void run_afters(struct agent *a, bool durable)
{
	struct after *f = a->after, *next;

	a->after = NULL;
	a->after_tail = &a->after;
	for (; f; f = next) {
		next = f->next;
		if (durable)
			f->go(a, f->arg);
		else
			f->drop(f->arg);
		free(f);
	}
}

/* Nothing of the batch happened: every answer says so. */
static void refuse_all(struct call *calls, const struct err *why)
{
	for (struct call *c = calls; c; c = c->next) {
		if (c->unrecorded)
			continue;
		err_fini(&c->err);
		err_set(&c->err, ERR_audit_unavailable, "%s", why->detail);
		call_unanswer(c);
		call_render(c);
	}
}

static void answered_call(struct core *k, struct call *c)
{
	struct done *d;

	if (c->answered) {
		c->answered(c, c->answered_arg);
	} else if (!c->ticket) {
		call_free(c);
	} else {
		d = xcalloc(1, sizeof(*d));
		d->call = c;
		queue_put(&k->done, d);
	}
}

static void publish(struct core *k, struct record **records, size_t n)
{
	struct done *d;

	if (!n)
		return;
	for (size_t i = 0; i < n; i++)
		if (json_object_get(records[i]->data, "put"))
			atomic_store(&k->doc_seq, records[i]->seq);
	follower_feed(k->follow_index, records, n);
	follower_feed(k->follow_ssot, records, n);
	checkpoints_feed(k->checkpoints, records, n);
	notify_feed(k->notify, records, n);
	d = xcalloc(1, sizeof(*d));
	d->records = records;
	d->n_records = n;
	queue_put(&k->done, d);
}

/* Their intent is durable: off to the remote. Else they are answered. */
static void send_proposals(struct core *k, struct batch *b, bool durable)
{
	struct call *next;

	if (durable && b->proposed.head)
		share_propose(k->share, b->proposed.head, b->proposed.last);
	if (durable)
		return;
	for (struct call *c = b->proposed.head; c; c = next) {
		next = c->next;
		propose_release(k->agent, c);
		list_add(&b->answered, c);
	}
	apply_held(k, b);		/* the journal is sealed for them too */
}

static void commit(struct core *k, struct batch *b)
{
	struct record **records = NULL;
	struct err err = {0};
	size_t n = 0;
	bool told = journal_sealed(k->agent->journal), durable;

	durable = !journal_commit(k->agent->journal, &records, &n, &err);
	if (!durable && !told)
		log_error("the journal is sealed: %s", err.detail);
	send_proposals(k, b, durable);
	if (!durable)
		refuse_all(b->answered.head, &err);
	publish(k, records, n);
	run_afters(k->agent, durable);
	for (struct call *c = b->answered.head, *next; c; c = next) {
		next = c->next;
		answered_call(k, c);
	}
	err_fini(&err);
	k->wake(k->wake_arg);
}

static void clock_call(struct core *k, struct batch *b)
{
	if (due_next(k->agent->due) <= clock_steady_us())
		apply_one(k, internal_call("clock", NULL), b);
}

/* A stop that could not be recorded, first of all, as soon as it can. */
static void glass_call(struct core *k, struct batch *b)
{
	if (k->expiry && glass_broken(k->agent) &&
	    !journal_ready(k->agent->journal, NULL))
		apply_one(k, internal_call("mode.settle", NULL), b);
}

static void tokens_call(struct core *k, struct batch *b)
{
	unsigned version = tokens_version(k->agent->tokens);

	if (version == k->agent->tokens_seen)
		return;
	k->agent->tokens_seen = version;
	apply_one(k, internal_call("tokens.changed", NULL), b);
}

/* Refusals that came in a flood: one record, and their answers. */
static void release_folded(struct core *k, struct batch *b)
{
	struct call *c = account_release(k->agent), *next;

	for (; c; c = next) {
		next = c->next;
		list_add(&b->answered, c);
	}
}

void writer_batch(struct core *k, struct call *calls)
{
	struct batch b = {0};
	struct call *next;

	glass_call(k, &b);
	tokens_call(k, &b);
	for (struct call *c = calls; c; c = next) {
		next = c->next;
		apply_one(k, c, &b);
	}
	clock_call(k, &b);
	finish_waiting(k, &b.answered);
	release_folded(k, &b);
	commit(k, &b);
	state_settle(k->agent->state, follower_seq(k->follow_index));
}

static int64_t next_wake(const struct core *k)
{
	int64_t due = due_next(k->agent->due), at = INT64_MAX;

	if (due < INT64_MAX)
		at = clock_mono_us() + due - clock_steady_us();
	if (fold_due(k->agent->fold) < at)
		at = fold_due(k->agent->fold);
	if (glass_broken(k->agent) && clock_mono_us() + GLASS_US < at)
		at = clock_mono_us() + GLASS_US;

	for (const struct call *c = k->waiting; c; c = c->next)
		if (c->waits_until < at)
			at = c->waits_until;
	return at;
}

void *writer_main(void *core)
{
	struct core *k = core;
	struct call *calls;

	for (;;) {
		calls = queue_drain(&k->applying, next_wake(k));
		if (!calls && queue_closed(&k->applying))
			break;
		writer_batch(k, calls);
	}
	for (struct call *c = k->waiting; c; c = c->next)
		c->waits_until = 0;
	fold_hurry(k->agent->fold);
	writer_batch(k, NULL);		/* who still waits is told */
	return NULL;
}
