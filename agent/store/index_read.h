/* What the two kinds of questions share, on documents and on records. */
#pragma once
#include <jansson.h>

#include "agent/store/index.h"
#include "agent/store/index_db.h"

#define NAMES_MAX 64		/* in one comma separated list */

struct reader {
	struct db db;
	struct buf sql, folded;
};

/* The number of a name; 0: nothing has it. -1: *err. */
int64_t reader_name(struct reader *r, const char *text, size_t len,
		    struct err *err);
/* Those of a comma separated list, each once; what nothing has is left out. */
int reader_names(struct reader *r, const char *list, int64_t out[NAMES_MAX],
		 size_t *n, struct err *err);
/* The document in the first column. New reference, or NULL and *err. */
json_t *reader_parse(sqlite3_stmt *s, struct err *err);
