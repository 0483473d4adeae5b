/*
 * Which evidence has to go: by age and by size, for each kind of media type.
 * Looks at documents and decides; removes nothing itself. One thread.
 */
#pragma once
#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "common/sha256.h"

struct retention;		/* a rule: settings.h */

/* The first rule whose pattern fits the media type; -1: it is kept. */
int retention_rule(const struct retention *rules, size_t n,
		   const char *media_type);

struct retained {		/* one file that a rule is about */
	char sha256[SHA256_HEX];
	int64_t at_us;		/* stored, wall time; the newest counts */
	uint64_t size;
	int rule;
	enum { RETAINED, TOO_OLD, TOO_MUCH } fate;
};

/* Zeroed: empty. */
struct retained_list { struct retained *items; size_t n, cap; };

/* Add an artifact's document, if a rule is about it. */
void retained_add(struct retained_list *l, const struct retention *rules,
		  size_t n_rules, const json_t *artifact);
/*
 * Decide on all of them: the list is what has to go, oldest first. A file
 * that was stored several times is as old as the last time.
 */
void retained_decide(struct retained_list *l, const struct retention *rules,
		     size_t n_rules, int64_t now_us);
void retained_fini(struct retained_list *l);
/* Why it goes, for the record. Caller frees. */
char *retained_why(const struct retained *r, const struct retention *rules);
