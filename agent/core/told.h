/*
 * What the record says of an outbox, and with it the cursor that outlives a
 * crash: one record for what was told in a second, not one for each event.
 * Of these records nobody is told: that would never end.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct core;
struct notify_conf;

struct told {
	struct core *core;
	const struct notify_conf *conf;
	const char *name;		/* "notify.NAME" */
	int64_t at;			/* monotonic, of the last record */
	/* What is not on the record yet; from 0: nothing. */
	uint64_t from, to, n;
	int tries;			/* of the one that took most */
	char code[64], detail[480];	/* code "": they were told */
};

/* The cursor as the record has it; false: none yet. Before the threads. */
bool told_cursor(struct core *k, const struct notify_conf *conf,
		 uint64_t *seq);
void told_begun(struct told *n, uint64_t after);
void told_sent(struct told *n, uint64_t seq, int tries);
void told_skipped(struct told *n, uint64_t seq, int tries,
		  const char *code, const char *detail);
/* When it should be flushed, monotonic; INT64_MAX: there is nothing. */
int64_t told_due(const struct told *n);
void told_flush(struct told *n);
