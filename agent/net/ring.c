/* See ring.h. */
#include "agent/net/ring.h"

#include <stdio.h>
#include <stdlib.h>

#include "agent/store/record.h"
#include "common/mem.h"

#define SLOTS 16384u
#define BYTES ((size_t)32 << 20)	/* of lines */

/* A place is the number of records that were added before; slot = % SLOTS. */
struct ring {
	uint64_t first, next;		/* places */
	uint64_t floor;
	size_t bytes;
	struct event slots[SLOTS];
};

void event_init(struct event *e, struct record *r)
{
	int n = snprintf(e->head, sizeof(e->head),
			 "id: %llu\nevent: %.64s\ndata: ",
			 (unsigned long long)r->seq, r->type);

	e->record = record_ref_line(r);
	e->head_len = (size_t)n;
}

void event_fini(struct event *e)
{
	record_unref_line(e->record);
	e->record = NULL;
}

struct ring *ring_new(uint64_t seq)
{
	struct ring *g = xcalloc(1, sizeof(*g));

	g->floor = seq;
	return g;
}

static void drop_oldest(struct ring *g)
{
	struct event *e = &g->slots[g->first++ % SLOTS];

	g->floor = e->record->seq;
	g->bytes -= e->record->len;
	event_fini(e);
}

void ring_free(struct ring *g)
{
	if (!g)
		return;
	while (g->first < g->next)
		drop_oldest(g);
	free(g);
}

void ring_add(struct ring *g, struct record *r)
{
	if (r->seq <= g->floor)
		return;
	while (g->next - g->first >= SLOTS ||
	       (g->first < g->next && g->bytes + r->len > BYTES))
		drop_oldest(g);
	event_init(&g->slots[g->next++ % SLOTS], r);
	g->bytes += r->len;
}

uint64_t ring_floor(const struct ring *g)
{
	return g->floor;
}

static uint64_t seq_at(const struct ring *g, uint64_t pos)
{
	return g->slots[pos % SLOTS].record->seq;
}

static uint64_t search(const struct ring *g, uint64_t seq)
{
	uint64_t low = g->first, high = g->next;

	while (low < high) {
		uint64_t middle = low + (high - low) / 2;

		if (seq_at(g, middle) > seq)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

const struct event *ring_after(const struct ring *g, uint64_t seq,
			       uint64_t *pos)
{
	if (*pos < g->first || *pos > g->next ||
	    (*pos > g->first && seq_at(g, *pos - 1) > seq) ||
	    (*pos < g->next && seq_at(g, *pos) <= seq))
		*pos = search(g, seq);
	return *pos < g->next ? &g->slots[*pos % SLOTS] : NULL;
}
