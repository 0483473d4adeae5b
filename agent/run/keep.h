/* The beginning and the end of a text that may be endless. */
#pragma once
#include <stddef.h>

#include "common/buf.h"

#define KEEP_HALF (128u << 10)	/* bytes kept of either end */

/* Zeroed memory is an empty one. */
struct keep {
	struct buf head, tail;	/* tail: a ring of KEEP_HALF once head is full */
	size_t at;		/* where the ring goes on */
	size_t lost;		/* bytes between head and tail */
};

void keep_fini(struct keep *k);
void keep_add(struct keep *k, const void *data, size_t len);
/* The tail as it is in order. The caller frees out. */
void keep_tail(const struct keep *k, struct buf *out);
