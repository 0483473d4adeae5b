/* See backlog.h. */
#include "agent/core/backlog.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "agent/core/notify_words.h"
#include "agent/core/threads.h"
#include "agent/ops/op.h"
#include "agent/store/journal.h"
#include "common/mem.h"

#define PLACES_MAX 256u
#define BATCH_MAX 256u
#define BATCH_BYTES ((size_t)1 << 20)
#define OFF_UNKNOWN UINT64_MAX

struct place {				/* of a record that is for them */
	uint64_t seq, off;
	size_t len;
	int64_t ts_us;
};

struct backlog {
	struct core *core;
	const struct notify_conf *conf;
	const char *name;
	/* The one thread's own. */
	struct unsent batch[BATCH_MAX];
	size_t at, n, bytes;		/* batch[at .. n) are at hand */
	uint64_t off, read;		/* read: all up to it was looked at */
	pthread_mutex_t lock;
	/* under lock */
	struct place places[PLACES_MAX];
	size_t n_places;
	bool behind;			/* the journal has more */
	uint64_t done, newest;		/* that is for them */
	int64_t since_us;
};

struct backlog *backlog_new(struct core *k, const struct notify_conf *conf,
			    const char *name, uint64_t seq)
{
	struct backlog *b = xcalloc(1, sizeof(*b));

	b->core = k;
	b->conf = conf;
	b->name = name;
	b->off = OFF_UNKNOWN;
	b->read = b->done = seq;
	b->newest = core_seq(k);
	b->behind = true;
	pthread_mutex_init(&b->lock, NULL);
	return b;
}

void backlog_free(struct backlog *b)
{
	if (!b)
		return;
	while (b->at < b->n)
		free(b->batch[b->at++].line);
	pthread_mutex_destroy(&b->lock);
	free(b);
}

static void put(struct backlog *b, const struct record *r)
{
	b->newest = r->seq;
	if (b->n_places == PLACES_MAX)
		b->behind = true;
	if (!b->behind)
		b->places[b->n_places++] = (struct place){
			r->seq, r->off, r->len, r->ts_us};
}

bool backlog_feed(struct backlog *b, struct record *const *records, size_t n)
{
	bool any = false;

	for (size_t i = 0; i < n; i++) {
		if (!notify_wants(b->conf, b->name, records[i]))
			continue;
		any = true;
		pthread_mutex_lock(&b->lock);
		put(b, records[i]);
		pthread_mutex_unlock(&b->lock);
	}
	return any;
}

/* At hand, and not to be looked at again. */
static void looked_at(struct backlog *b, uint64_t seq, uint64_t off,
		      size_t len)
{
	b->read = seq;
	b->off = off + len + 1;
}

static void add(struct backlog *b, const struct place *p, char *line)
{
	b->batch[b->n++] = (struct unsent){p->seq, p->ts_us, line, p->len};
	b->bytes += p->len;
}

static bool full(const struct backlog *b)
{
	return b->n == BATCH_MAX || b->bytes >= BATCH_BYTES;
}

static int gather(struct record *r, void *data, struct err *err)
{
	struct backlog *b = data;

	(void)err;
	if (r->seq <= b->read)
		return 0;
	looked_at(b, r->seq, r->off, r->len);
	if (notify_wants(b->conf, b->name, r))
		add(b, &(struct place){r->seq, r->off, r->len, r->ts_us},
		    xstrndup(r->line, r->len));
	return full(b);
}

/* 1: there may be more. */
static int read_on(struct backlog *b, struct err *err)
{
	if (b->off == OFF_UNKNOWN)
		b->off = core_place(b->core, b->read);
	return journal_replay(b->core->agent->journal, b->off, gather, b,
			      err);
}

static int read_places(struct backlog *b, const struct place *places,
		       size_t n, struct err *err)
{
	for (size_t i = 0; i < n; i++) {
		const struct place *p = &places[i];
		char *line;

		if (p->seq <= b->read)
			continue;
		if (full(b))
			return 1;
		line = xmalloc(p->len + 1);
		if (journal_read(b->core->agent->journal, p->off, p->len,
				 line, err)) {
			free(line);
			return -1;
		}
		line[p->len] = 0;
		add(b, p, line);
		looked_at(b, p->seq, p->off, p->len);
	}
	return 0;
}

static int take_places(struct backlog *b, struct err *err)
{
	struct place places[BATCH_MAX];
	size_t n;

	pthread_mutex_lock(&b->lock);
	n = b->n_places < BATCH_MAX ? b->n_places : BATCH_MAX;
	memcpy(places, b->places, n * sizeof(*places));
	b->n_places -= n;
	memmove(b->places, b->places + n, b->n_places * sizeof(*places));
	pthread_mutex_unlock(&b->lock);
	return read_places(b, places, n, err);
}

/* Who could not read all of it reads on from there, in the journal. */
static void settle(struct backlog *b, int rc)
{
	pthread_mutex_lock(&b->lock);
	if (rc)
		b->behind = true;
	if (!b->n && b->read > b->done)
		b->done = b->read;
	b->since_us = b->n ? b->batch[0].ts_us : 0;
	pthread_mutex_unlock(&b->lock);
}

int backlog_fill(struct backlog *b, struct err *err)
{
	bool behind;
	int rc;

	if (b->at < b->n)
		return 0;
	b->at = b->n = b->bytes = 0;
	pthread_mutex_lock(&b->lock);
	behind = b->behind;
	b->behind = false;		/* what is fed from now on is kept */
	if (behind)
		b->n_places = 0;
	pthread_mutex_unlock(&b->lock);
	rc = behind ? read_on(b, err) : take_places(b, err);
	settle(b, rc);
	return rc < 0 ? -1 : 0;
}

size_t backlog_count(const struct backlog *b)
{
	return b->n - b->at;
}

const struct unsent *backlog_at(const struct backlog *b, size_t i)
{
	return &b->batch[b->at + i];
}

void backlog_done(struct backlog *b, size_t n)
{
	uint64_t seq = b->read;

	for (; n; n--) {
		seq = b->batch[b->at].seq;
		free(b->batch[b->at++].line);
	}
	pthread_mutex_lock(&b->lock);
	b->done = b->at < b->n ? seq : b->read;
	b->since_us = b->at < b->n ? b->batch[b->at].ts_us :
		      b->n_places ? b->places[0].ts_us : 0;
	pthread_mutex_unlock(&b->lock);
}

uint64_t backlog_lag(struct backlog *b, uint64_t *seq, int64_t *since_us)
{
	uint64_t lag;

	pthread_mutex_lock(&b->lock);
	lag = b->newest > b->done ? b->newest - b->done : 0;
	*seq = b->done;
	*since_us = b->since_us ? b->since_us :
		    b->n_places ? b->places[0].ts_us : 0;
	pthread_mutex_unlock(&b->lock);
	return lag;
}
