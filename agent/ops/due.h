/*
 * What has to happen at a time: leases, approvals, graces. A heap of steady
 * times (clock.h), one that counts for each document: who pops it looks at
 * the document itself, and adds it again if it is not time yet. One thread.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct due;

struct due_item {
	int64_t at_us;			/* steady */
	const char *kind;		/* static text: a document's kind */
	char id[129];
};

struct due *due_new(void);
void due_free(struct due *d);
/* An entry that is due no later stays and this one is not needed. */
void due_add(struct due *d, int64_t at_us, const char *kind, const char *id);
/* The same, so long from now; at once if that is nothing or less. */
void due_in(struct due *d, int64_t us, const char *kind, const char *id);
int64_t due_next(const struct due *d);		/* INT64_MAX if empty */
/* Take the earliest item that is at or before now; false if there is none. */
bool due_pop(struct due *d, int64_t now_us, struct due_item *out);
