/*
 * What opening, replaying and verifying share: lines one after the other, and
 * whether a record follows the one before.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "agent/store/journal.h"
#include "common/json_span.h"

struct err;
struct lines;			/* a walk over part of the journal */

/* Exactly len bytes at off of what from is, or -1. */
typedef int bytes_read(void *from, uint64_t off, size_t len, char *out,
		       struct err *err);

enum lines_got {
	LINES_LINE,		/* *line, without its LF */
	LINES_END,
	LINES_TORN,		/* *line is what is there, without LF */
	LINES_LONG,		/* over RECORD_LINE_MAX */
	LINES_FAILED,		/* cannot be read, or ends early: *err */
};

/* The bytes from off to end. */
struct lines *lines_new(bytes_read *read, void *from, uint64_t off,
			uint64_t end);
void lines_free(struct lines *l);
/* *line is good until the next call; *off is where it starts. */
enum lines_got lines_next(struct lines *l, struct span *line, uint64_t *off,
			  struct err *err);

struct link {			/* the end of the chain so far */
	bool known;		/* false: whatever comes first is right */
	uint64_t seq;
	int64_t ts_us;
	uint8_t leaf[SHA256_RAW];
};

extern const struct link link_first;	/* before the first record */

/*
 * Does r, which names prev, come next? Then *at is moved to it. Else -1 and
 * ERR_audit_unavailable with a hint.
 */
int link_follow(struct link *at, const struct record *r,
		const uint8_t prev[SHA256_RAW], struct err *err);
/* The same for what is wrong with the line after *at. -1. */
int link_broken(const struct link *at, uint64_t off, const char *how,
		struct err *err);
/*
 * Give each the lines that are left of l, which is freed, while every one of
 * them follows the one before; *at goes along. each may be NULL; what it
 * returns other than 0 ends the walk and is returned. A line that is no
 * record or does not follow is -1.
 */
int link_walk(struct link *at, struct lines *l, journal_each *each,
	      void *data, struct err *err);
