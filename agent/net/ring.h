/*
 * The newest durable records in memory, each with the head of its
 * server-sent event, written once and read by everybody. Bounded in number
 * and bytes: the oldest go first.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct record;

struct event {
	struct record *record;		/* a reference to its line alone */
	size_t head_len;
	char head[112];			/* "id: 7\nevent: task_created\n..." */
};

void event_init(struct event *e, struct record *r);	/* takes a reference */
void event_fini(struct event *e);

struct ring;

/* Everything after seq will be in it. */
struct ring *ring_new(uint64_t seq);
void ring_free(struct ring *g);
void ring_add(struct ring *g, struct record *r);
/* Every record after this sequence is in the ring. */
uint64_t ring_floor(const struct ring *g);
/*
 * The first with a sequence over *seq, or NULL. pos is a hint: where the
 * last one was found; 0 at first. Borrowed until the next ring_add.
 */
const struct event *ring_after(const struct ring *g, uint64_t seq,
			       uint64_t *pos);
