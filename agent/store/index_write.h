/* How one record gets into the tables; between index.c and index_write.c. */
#pragma once
#include <jansson.h>
#include <stdbool.h>

#include "agent/store/index.h"
#include "agent/store/index_db.h"
#include "agent/store/index_post.h"
#include "common/buf.h"

struct taken_doc {
	struct record *record;		/* a reference */
	const char *kind, *id;		/* all in its data */
	const json_t *doc;		/* NULL: it was done away with */
};

struct index {
	struct db db;
	struct index_cursor cursor;	/* as committed */
	struct index_cursor taken;	/* where the open transaction is */
	bool open;			/* there is one */
	bool many;			/* are taken: with more memory */
	json_t *names;			/* the table, in memory */
	struct buf folded, back, pretty;	/* for one document */
	struct post post;		/* of the records that were taken */
	json_t *docs_at;		/* kind:id to its place in docs */
	struct taken_doc *docs;		/* taken; the last of each */
	size_t n_docs, cap_docs;
};

int index_load_names(struct index *x, struct err *err);
/* The number of a name, given now if it has none. 0: NULL. -1: *err. */
int64_t index_name(struct index *x, const char *text, struct err *err);
void index_bind_name(sqlite3_stmt *s, int at, int64_t id);	/* 0: null */
/* Within a transaction. */
int index_add_record(struct index *x, const struct record *r,
		     struct err *err);
/*
 * Note the documents in data.put, if it has some. Those that a record of type
 * documents_forgotten has in data.drop, {kind: [ids]}, are done away with.
 */
int index_add_docs(struct index *x, struct record *r, struct err *err);
/* Put what was noted there; of each document, what was last said of it. */
int index_flush_docs(struct index *x, struct err *err);
void index_drop_docs(struct index *x);	/* forget it */
