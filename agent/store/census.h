/*
 * A census of the evidence store: which files are there and what they are,
 * beside what the journal says is there. Reads files only; one thread.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "agent/store/journal.h"
#include "common/sha256.h"

enum census_fate {
	CENSUS_WELL,
	CENSUS_CORRUPT,		/* its bytes have another hash, or cannot be read */
	CENSUS_MISSING,		/* recorded, not removed, and not there */
	CENSUS_FOREIGN,		/* there, and no record has it */
	CENSUS_LEFT,		/* removed on the record, and still there */
	CENSUS_count
};

struct census;

struct census_options {
	bool hash;		/* read all bytes, not the names alone */
	/* Said now and then, with the bytes that were read; or NULL. */
	void (*progress)(void *data, uint64_t bytes);
	void *data;
};

/*
 * Read the files of this folder. Before the journal, which only grows, so
 * that what is being stored is in both. -1: it cannot be read.
 */
int census_take(struct census **out, const char *dir,
		const struct census_options *o, struct err *err);
void census_free(struct census *c);		/* NULL is fine */
/* A line of the journal, in order. */
void census_line(struct census *c, const struct journal_line *l);

struct census_count { uint64_t files, bytes, removed, unfinished; };

/*
 * After the last line: tell each file that is not well. sha256 is NULL where
 * the name is no hash in its place; path is below the folder; seq is of the
 * newest record about it, or 0; is: the hash of its bytes, or NULL.
 */
typedef int census_each(void *data, enum census_fate fate, const char *path,
			const char *sha256, uint64_t seq, const char *is);
int census_end(struct census *c, census_each *each, void *data,
	       struct census_count *count);
