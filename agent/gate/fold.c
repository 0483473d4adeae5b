/* See fold.h. */
#include "agent/gate/fold.h"

#include <stdlib.h>
#include <string.h>

#include "agent/ops/call.h"
#include "agent/ops/signature.h"
#include "common/mem.h"

#define SECOND 1000000
#define EACH 20u		/* a second that are recorded one by one, */
#define ALL 200u		/* and over all addresses */
#define LOTS 256u		/* kinds of refusal at once */

struct lot {
	struct folded folded;		/* count 0: nothing is held */
	int64_t window;			/* when its second began */
	unsigned singles;		/* recorded in it */
};

struct fold {
	struct lot lots[LOTS];
	struct lot many[ERR_count];	/* where there are too many kinds */
	size_t n_lots;			/* that were ever used */
	int64_t window, due;
	unsigned singles;
};

struct fold *fold_new(void)
{
	struct fold *f = xcalloc(1, sizeof(*f));

	f->due = INT64_MAX;
	return f;
}

void fold_free(struct fold *f)
{
	free(f);
}

int64_t fold_due(const struct fold *f)
{
	return f->due;
}

void fold_hurry(struct fold *f)
{
	if (f->due != INT64_MAX)
		f->due = 0;
}

static bool idle(const struct lot *l, int64_t now)
{
	return !l->folded.count && now - l->window > SECOND;
}

/* Whose it is: the user's number where there is no address. */
static uint32_t peer_of(const struct call *c)
{
	return c->from.over == OVER_UNIX ? c->from.uid : c->peer;
}

static const char *why_of(const struct call *c)
{
	return c->signature ? signature_why(c->signature) : NULL;
}

static struct lot *lot_of(struct fold *f, const struct call *c, int64_t now)
{
	struct lot *unused = NULL, *l;

	for (size_t i = 0; i < f->n_lots; i++) {
		l = &f->lots[i];
		if (l->folded.peer == peer_of(c) &&
		    l->folded.over == c->from.over &&
		    l->folded.code == c->err.code &&
		    l->folded.fault == c->fault &&
		    l->folded.hook == c->hook &&
		    l->folded.why == why_of(c) &&
		    !strcmp(l->folded.token_id, c->fault_id))
			return l;
		if (!unused && idle(l, now))
			unused = l;
	}
	if (!unused && f->n_lots < LOTS)
		unused = &f->lots[f->n_lots++];
	if (!unused) {
		l = &f->many[c->err.code];
		l->folded.code = c->err.code;
		return l;
	}
	memset(unused, 0, sizeof(*unused));
	unused->folded.over = c->from.over;
	unused->folded.peer = peer_of(c);
	unused->folded.code = c->err.code;
	unused->folded.fault = c->fault;
	unused->folded.hook = c->hook;
	unused->folded.why = why_of(c);
	strcpy(unused->folded.token_id, c->fault_id);
	return unused;
}

/* One of those that are recorded by themselves? */
static bool single(struct fold *f, struct lot *l, int64_t now)
{
	if (now - f->window > SECOND) {
		f->window = now;
		f->singles = 0;
	}
	if (now - l->window > SECOND) {
		l->window = now;
		l->singles = 0;
	}
	if (l->singles >= EACH || f->singles >= ALL)
		return false;
	l->singles++;
	f->singles++;
	return true;
}

static void add(struct folded *d, struct call *c)
{
	if (c->own_id)
		strcpy(c->correlation_id, d->correlation_id);
	c->folded = true;
	c->next = NULL;
	if (d->calls)
		d->calls_last->next = c;
	else
		d->calls = c;
	d->calls_last = c;
}

bool fold_hold(struct fold *f, struct call *c, int64_t now, int64_t wall)
{
	struct lot *l = lot_of(f, c, now);
	struct folded *d = &l->folded;

	/* where libwebsockets waits for the answer it has to come at once */
	if (single(f, l, now) || c->answered)
		return false;
	if (!d->count++) {
		d->first = wall;
		id_make('c', d->correlation_id);
	}
	d->last = wall;
	if (f->due == INT64_MAX)
		f->due = now + FOLD_US;
	if (c->ticket)
		add(d, c);
	else
		call_free(c);
	return true;
}

static bool take(struct lot *l, struct folded *out)
{
	if (!l->folded.count)
		return false;
	*out = l->folded;
	l->folded.count = 0;
	l->folded.calls = l->folded.calls_last = NULL;
	return true;
}

bool fold_take(struct fold *f, struct folded *out)
{
	for (size_t i = 0; i < f->n_lots; i++)
		if (take(&f->lots[i], out))
			return true;
	for (size_t i = 0; i < ERR_count; i++)
		if (take(&f->many[i], out))
			return true;
	f->due = INT64_MAX;
	return false;
}
