/*
 * What a receiver of events has not been told yet, out of the journal. Of
 * what is new only the places are kept in memory, and not too many: where
 * there are more, or after a restart, the journal is read on from where the
 * last one lay. Nothing is lost, whatever was killed and however long.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct backlog;
struct core;
struct err;
struct notify_conf;
struct record;

struct unsent {
	uint64_t seq;
	int64_t ts_us;			/* of the record, wall */
	char *line;			/* as subscribers get it, owned */
	size_t len;
};

/* Everything after seq that conf is for; name is theirs, see notify_wants. */
struct backlog *backlog_new(struct core *k, const struct notify_conf *conf,
			    const char *name, uint64_t seq);
void backlog_free(struct backlog *b);		/* NULL is fine */
/* A durable batch. Is there something in it for them? Writer. */
bool backlog_feed(struct backlog *b, struct record *const *records, size_t n);

/* The rest is for one thread. Reads on if it has none; -1: it could not. */
int backlog_fill(struct backlog *b, struct err *err);
size_t backlog_count(const struct backlog *b);	/* that are at hand */
const struct unsent *backlog_at(const struct backlog *b, size_t i);
void backlog_done(struct backlog *b, size_t n);	/* with the first n */

/*
 * How many records there are behind the last one told, up to the newest that
 * is for them, 0: all was told; and since when the first waits, wall, or 0.
 * Any thread.
 */
uint64_t backlog_lag(struct backlog *b, uint64_t *seq, int64_t *since_us);
