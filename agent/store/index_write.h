/* How one record gets into the tables; between index.c and index_write.c. */
#pragma once
#include <jansson.h>

#include "agent/store/index.h"
#include "agent/store/index_db.h"
#include "agent/store/index_post.h"
#include "common/buf.h"

struct index {
	struct db db;
	struct index_cursor cursor;
	json_t *names;			/* the table, in memory */
	struct buf folded, back, pretty;	/* for one document */
	struct post post;		/* of the records of one apply */
};

int index_load_names(struct index *x, struct err *err);
/* Within a transaction. */
int index_add_record(struct index *x, const struct record *r,
		     struct err *err);
/* The documents in data.put, if it has some. */
int index_add_docs(struct index *x, const struct record *r, struct err *err);
