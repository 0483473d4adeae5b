/*
 * What came in from each source since the start, for health, and how much of
 * it in the last minute, for the limit. Counted by the writer, read by any
 * thread.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct settings;
struct webhook_conf;
struct webhook_tally;

struct webhook_sums {
	uint64_t accepted, repeated, refused;
	int64_t last_us;	/* wall, of the last one accepted; 0: none */
};

/* The settings are borrowed. */
struct webhook_tally *webhook_tally_new(const struct settings *s);
void webhook_tally_free(struct webhook_tally *t);
/*
 * One more now (monotonic): 0, or the seconds until the source may send
 * another; then it does not count. Writer only.
 */
unsigned webhook_tally_rate(struct webhook_tally *t,
			    const struct webhook_conf *hook, int64_t now);
enum webhook_fate { WEBHOOK_ACCEPTED, WEBHOOK_REPEATED, WEBHOOK_REFUSED };
void webhook_tally_add(struct webhook_tally *t, const struct webhook_conf *hook,
		       enum webhook_fate fate);
/* Of the source at this index in the settings. */
struct webhook_sums webhook_tally_of(struct webhook_tally *t, size_t i);
