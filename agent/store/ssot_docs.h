/* Where each document of the journal belongs, and what it has to be there. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/store/ssot_pack.h"

struct docs;

struct doc {
	char *path;
	uint8_t id[GIT_RAW];	/* blob of the newest version in history */
	uint8_t newest[GIT_RAW];	/* and of the newest at all */
	uint64_t seq, newest_seq;	/* their records; 0: none in history */
	int64_t ts_us;		/* of the newest */
	bool loose;		/* git may have any version: a merge goes on */
	bool seen;		/* for the caller */
};

struct docs *docs_new(void);
void docs_free(struct docs *d);
/* The document of that path, made if need be. Borrowed until the next. */
struct doc *docs_at(struct docs *d, const char *path);
/* The same, or NULL. */
struct doc *docs_find(struct docs *d, const char *path);
struct doc *docs_list(struct docs *d, size_t *n);	/* in no order */
