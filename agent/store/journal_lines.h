/*
 * What opening, replaying and verifying share: the journal's file, its lines
 * one after the other, and whether a record follows the one before.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "agent/store/journal.h"
#include "common/json_span.h"

struct err;
struct lines;			/* a walk over part of an open file */

/* Another segment than the first is nothing we wrote. -1 names it. */
int segment_alone(const char *dir, struct err *err);

enum lines_got {
	LINES_LINE,		/* *line, without its LF */
	LINES_END,
	LINES_TORN,		/* *line is what is there, without LF */
	LINES_LONG,		/* over RECORD_LINE_MAX */
	LINES_FAILED,		/* cannot be read, or ends early: *err */
};

/* The bytes from off to end of fd, which stays the caller's. */
struct lines *lines_new(int fd, uint64_t off, uint64_t end);
void lines_free(struct lines *l);
/* *line is good until the next call; *off is where it starts in the file. */
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
 * Give each the records from byte off of fd to byte end, in order, while
 * every one of them follows the one before; *at goes along. each may be NULL;
 * what it returns other than 0 ends the walk and is returned. A line that is
 * no record or does not follow is -1 and ERR_audit_unavailable with a hint.
 */
int link_walk(struct link *at, int fd, uint64_t off, uint64_t end,
	      journal_each *each, void *data, struct err *err);
