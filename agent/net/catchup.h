/* A chunk of the past, read from the journal by a worker. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/core/core.h"
#include "agent/net/filter.h"
#include "agent/net/ring.h"

struct feed;
struct sub;

#define CHUNK_RECORDS 500u

struct chunk {
	struct chunk *next;		/* while it waits for its turn */
	struct work work;
	struct feed *feed;
	struct sub *sub;		/* whose it is; NULL: gone */
	struct filter filter;
	uint64_t after;			/* records from here on, exclusive */

	int rc;				/* -1: could not be read */
	struct event *events;
	size_t n, at;			/* at: the next to give */
	uint64_t covered;		/* all that match up to here are in */
};

struct chunk *chunk_new(const struct filter *f, uint64_t after);
void chunk_free(struct chunk *c);
/* work.run, with work.arg the chunk. */
void chunk_read(struct work *w, struct agent *a, struct reader *r);
