/* See catchup.h. */
#include "agent/net/catchup.h"

#include <stdlib.h>

#include "agent/ops/op.h"
#include "agent/store/index.h"
#include "agent/store/journal.h"
#include "agent/store/record.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/log.h"
#include "common/mem.h"

#define CHUNK_BYTES ((size_t)1 << 20)

struct chunk *chunk_new(const struct filter *f, uint64_t after)
{
	struct chunk *c = xcalloc(1, sizeof(*c));

	filter_init(&c->filter, f->types, f->task_id);
	c->after = after;
	c->work = (struct work){.run = chunk_read, .arg = c};
	return c;
}

void chunk_free(struct chunk *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->n; i++)
		event_fini(&c->events[i]);
	free(c->events);
	filter_fini(&c->filter);
	free(c);
}

static int read_record(struct journal *j, const struct record_place *at,
		       struct event *out, struct err *err)
{
	char *line = xmalloc(at->len + 1);
	uint8_t prev[SHA256_RAW];
	struct record *r = NULL;

	if (!journal_read(j, at->off, at->len, line, err))
		r = record_parse(line, at->len, prev, err);
	free(line);
	if (!r)
		return -1;
	event_init(out, r);
	record_unref(r);
	return 0;
}

/* Fewer than fit is all that there is; else only up to the last one. */
static int read_all(struct chunk *c, struct journal *j,
		    const struct record_place *places, size_t n,
		    uint64_t head, struct err *err)
{
	size_t bytes = 0;

	c->events = xcalloc(n + 1, sizeof(*c->events));
	while (c->n < n && bytes < CHUNK_BYTES) {
		if (read_record(j, &places[c->n], &c->events[c->n], err))
			return -1;
		bytes += places[c->n++].len;
	}
	if (n < CHUNK_RECORDS && c->n == n)
		c->covered = head > c->after ? head : c->after;
	if (c->n && places[c->n - 1].seq > c->covered)
		c->covered = places[c->n - 1].seq;
	return 0;
}

void chunk_read(struct work *w, struct agent *a, struct reader *r)
{
	struct chunk *c = w->arg;
	struct record_place places[CHUNK_RECORDS];
	struct record_filter f = {
		.types = c->filter.types, .task_id = c->filter.task_id,
		.after_seq = c->after, .limit = CHUNK_RECORDS,
	};
	uint64_t head = journal_head(a->journal).seq;
	struct err err = {0};
	size_t n = 0;

	c->rc = -1;
	if (r && !a->read_wait(a->core, true, &err) &&
	    !reader_records(r, &f, places, &n, &err))
		c->rc = read_all(c, a->journal, places, n, head, &err);
	if (c->rc)
		log_warn("events after %llu cannot be read: %s",
			 (unsigned long long)c->after, err.detail);
	err_fini(&err);
}
