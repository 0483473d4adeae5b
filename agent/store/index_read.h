/* What the two kinds of questions share, on documents and on records. */
#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "agent/store/index.h"
#include "agent/store/index_db.h"

#define NAMES_MAX 64		/* in one comma separated list */

struct reader {
	struct db db;
	struct buf sql, folded;
};

enum table { REQUEST, EVENT, TABLES };

/*
 * The seqs that times and after_seq leave: *after < seq <= *upto, both within
 * INT64_MAX. Looks at the tables that are asked for.
 */
int reader_range(struct reader *r, const struct record_filter *f,
		 const bool asked[TABLES], uint64_t *after, uint64_t *upto,
		 struct err *err);
/*
 * The first block from block on, up to upto, in which each of the words (lower
 * case) may be the start of one. 1; 0: there is none; -1: *err. b holds what
 * is known of the part last looked at; zeroed, it is a valid start.
 */
struct blocks { int64_t part; bool loaded; uint8_t has[512]; };	/* a bit each */
int words_block(struct reader *r, struct blocks *b, const char *words,
		int64_t *block, int64_t upto, struct err *err);

/* The number of a name; 0: nothing has it. -1: *err. */
int64_t reader_name(struct reader *r, const char *text, size_t len,
		    struct err *err);
/* Those of a comma separated list, each once; what nothing has is left out. */
int reader_names(struct reader *r, const char *list, int64_t out[NAMES_MAX],
		 size_t *n, struct err *err);
/* The document in the first column. New reference, or NULL and *err. */
json_t *reader_parse(sqlite3_stmt *s, struct err *err);
