/* See feed.h. */
#include "agent/net/feed.h"

#include <stdlib.h>
#include <string.h>

#include "agent/net/catchup.h"
#include "agent/net/server.h"
#include "agent/store/record.h"
#include "common/mem.h"

#define GATHER_MS 5
#define READERS_MAX 2u		/* chunks being read at a time */

/* One ring with the requests and one without, each with its subscribers. */
struct lane {
	struct ring *ring;
	struct sub *subs;
	bool fresh;		/* something was added since the last gather */
};

struct feed {
	struct net *net;
	struct lane events, all;
	unsigned reading;
	struct chunk *waiting, **waiting_tail;
};

struct sub {
	struct sub *next, **at;	/* in its lane */
	struct feed *feed;
	struct lane *lane;
	struct filter filter;
	uint64_t seen;		/* given, or not wanted */
	uint64_t pos;		/* in the ring */
	struct event current;	/* record NULL: none */
	struct chunk *chunk;	/* being given out */
	struct chunk *asked;	/* being read */
	bool failed;
	void (*ready)(void *arg);
	void *arg;
};

struct feed *feed_new(struct net *n)
{
	struct feed *f = xcalloc(1, sizeof(*f));
	uint64_t seq = core_seq(n->core);

	f->net = n;
	f->events.ring = ring_new(seq);
	f->all.ring = ring_new(seq);
	f->waiting_tail = &f->waiting;
	return f;
}

void feed_free(struct feed *f)
{
	struct chunk *next;

	if (!f)
		return;
	for (struct chunk *c = f->waiting; c; c = next) {
		next = c->next;
		chunk_free(c);
	}
	ring_free(f->events.ring);
	ring_free(f->all.ring);
	free(f);
}

static void tell(struct lane *lane)
{
	struct sub *s, *next;

	if (!lane->fresh)
		return;
	lane->fresh = false;
	for (s = lane->subs; s; s = next) {
		next = s->next;
		s->ready(s->arg);
	}
}

void feed_gather(struct feed *f)
{
	tell(&f->events);
	tell(&f->all);
}

static void gather(uv_timer_t *t)
{
	struct net *n = t->data;

	feed_gather(n->feed);
	net_leave(n);
}

void feed_push(struct feed *f, struct record *const *records, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!strncmp(records[i]->type, "token_", 6))
			f->net->look = true;
		ring_add(f->all.ring, records[i]);
		f->all.fresh = true;
		if (!strcmp(records[i]->type, "request"))
			continue;
		ring_add(f->events.ring, records[i]);
		f->events.fresh = true;
	}
	if (n && !uv_is_active((uv_handle_t *)&f->net->gather))
		uv_timer_start(&f->net->gather, gather, GATHER_MS, 0);
}

struct sub *sub_open(struct feed *f, const struct call *c,
		     void (*ready)(void *arg), void *arg)
{
	struct sub *s = xcalloc(1, sizeof(*s));
	uint64_t head = core_seq(f->net->core);

	s->feed = f;
	s->ready = ready;
	s->arg = arg;
	filter_init(&s->filter, c->types, c->filter_task);
	s->seen = c->from_now || c->after_seq > head ? head : c->after_seq;
	s->lane = filter_requests(&s->filter) ? &f->all : &f->events;
	s->at = &s->lane->subs;
	s->next = s->lane->subs;
	if (s->next)
		s->next->at = &s->next;
	s->lane->subs = s;
	return s;
}

void sub_close(struct sub *s)
{
	if (!s)
		return;
	*s->at = s->next;
	if (s->next)
		s->next->at = s->at;
	if (s->asked)
		s->asked->sub = NULL;
	chunk_free(s->chunk);
	if (s->current.record)
		event_fini(&s->current);
	filter_fini(&s->filter);
	free(s);
}

bool sub_failed(const struct sub *s)
{
	return s->failed;
}

static void start_waiting(struct feed *f)
{
	while (f->waiting && f->reading < READERS_MAX) {
		struct chunk *c = f->waiting;

		f->waiting = c->next;
		if (!f->waiting)
			f->waiting_tail = &f->waiting;
		if (!c->sub) {
			chunk_free(c);
			continue;
		}
		f->reading++;
		net_work(f->net, &c->work);
	}
}

static void chunk_done(struct work *w)
{
	struct chunk *c = w->arg;
	struct feed *f = c->feed;
	struct sub *s = c->sub;

	f->reading--;
	if (s) {
		s->asked = NULL;
		s->chunk = c;
		s->failed = c->rc != 0;
		s->ready(s->arg);
	} else {
		chunk_free(c);
	}
	start_waiting(f);
}

static void ask(struct sub *s)
{
	struct feed *f = s->feed;
	struct chunk *c = chunk_new(&s->filter, s->seen);

	c->sub = s;
	c->feed = f;
	c->work.done = chunk_done;
	s->asked = c;
	*f->waiting_tail = c;
	f->waiting_tail = &c->next;
	start_waiting(f);
}

/* The next of the chunk that is newer than what was given. */
static bool take_from_chunk(struct sub *s)
{
	struct chunk *c = s->chunk;

	while (c->at < c->n) {
		struct event *e = &c->events[c->at++];

		if (e->record->seq > s->seen) {
			event_init(&s->current, e->record);
			return true;
		}
	}
	if (c->covered > s->seen)
		s->seen = c->covered;
	chunk_free(c);
	s->chunk = NULL;
	return false;
}

static void take_from_ring(struct sub *s)
{
	const struct event *e;

	while ((e = ring_after(s->lane->ring, s->seen, &s->pos))) {
		if (filter_wants(&s->filter, e->record)) {
			s->current = *e;
			record_ref_line(e->record);
			return;
		}
		s->seen = e->record->seq;
	}
}

const struct event *sub_event(struct sub *s)
{
	if (s->current.record)
		return &s->current;
	if (s->failed || s->asked || (s->chunk && take_from_chunk(s)))
		return s->current.record ? &s->current : NULL;
	if (s->seen < ring_floor(s->lane->ring))
		ask(s);
	else
		take_from_ring(s);
	return s->current.record ? &s->current : NULL;
}

void sub_next(struct sub *s)
{
	s->seen = s->current.record->seq;
	event_fini(&s->current);
}
