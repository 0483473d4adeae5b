/*
 * What leads to records, for one apply: gathered, sorted and then put into
 * the tables in their order, so that each page is written once.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"

struct db;
struct err;
struct record;

/* A key of the table facet: what kind of number it is, and which. */
enum facet { FACET_TYPE = 1, FACET_TYPE_ACTOR, FACET_ACTOR, FACET_STATUS,
	     FACET_REQUEST_ACTOR, FACET_REQUEST_STATUS };

/* Names beyond 2^28 share keys, which costs time and no answer. */
static inline int64_t facet_key(enum facet kind, int64_t a, int64_t b)
{
	const int64_t mask = (1 << 28) - 1;

	return (int64_t)kind << 56 | (a & mask) << 28 | (b & mask);
}

struct post { struct buf links, facets, words, text; };
#define POST_MAX ((size_t)32 << 20)	/* bytes to gather at a time */

void post_fini(struct post *p);
/* Correlation, task and run: the hash of each that there is. */
enum { POST_IDS = 3 };
struct id_hash { bool there; int64_t hash; };

/* Note a record; type and actor are its numbers, actor 0: none. */
void post_add(struct post *p, const struct record *r,
	      const struct id_hash ids[POST_IDS], int64_t type, int64_t actor);
/* Is it more than should be in memory? Then flush it before the next. */
bool post_full(const struct post *p);
/* Put what was noted into the tables, and forget it. 0, or -1 and *err. */
int post_flush(struct post *p, struct db *db, struct err *err);
/* Forget it. */
void post_drop(struct post *p);
