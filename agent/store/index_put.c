/*
 * See index_write.h: the documents. What is said of one in the records that
 * are taken together is put there once, as it was last.
 */
#include "agent/store/index_write.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/store/record_line.h"
#include "common/err.h"
#include "common/id.h"
#include "common/json.h"
#include "common/mem.h"
#include "common/sha256.h"

/* The bytes of a document as the record's line has them. */
static bool lies_in_line(const struct record *r, const char *kind,
			 struct span *doc)
{
	struct line line;
	struct span put;

	return !line_scan((struct span){r->line, r->len}, &line, NULL) &&
	       json_span_member(line.data, "put", &put) &&
	       json_span_member(put, kind, doc);
}

struct doc {			/* a document's columns */
	int64_t kind, state;
	const char *id, *task, *run, *corr, *ref, *title;
};

enum doc_param {		/* of the statements below */
	P_N = 1, P_KIND, P_ID, P_BACK, P_STATE, P_TASK, P_RUN, P_CORR, P_REF,
	P_TITLE
};

static const char insert_doc[] =
	"INSERT INTO doc(n,kind,id,back,state,task,run,corr,ref,title)"
	" VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10)";
static const char update_doc[] =
	"UPDATE doc SET state=?5,task=?6,run=?7,corr=?8,ref=?9,title=?10"
	" WHERE n=?1";
/* Few updates change more, and it leaves the other indexes alone. */
static const char update_state[] = "UPDATE doc SET state=?5 WHERE n=?1";

static bool same_hash(sqlite3_stmt *s, int column, const char *text)
{
	return text ? sqlite3_column_type(s, column) == SQLITE_INTEGER &&
		      sqlite3_column_int64(s, column) == hash64(text) :
		      sqlite3_column_type(s, column) == SQLITE_NULL;
}

static bool same_columns(sqlite3_stmt *s, const struct doc *d)
{
	const char *title = (const char *)sqlite3_column_text(s, 6);

	return same_hash(s, 2, d->task) && same_hash(s, 3, d->run) &&
	       same_hash(s, 4, d->corr) && same_hash(s, 5, d->ref) &&
	       !strcmp(title ? title : "", d->title ? d->title : "");
}

/*
 * Which statement puts d there, and as which row (0: a new one). *sql NULL:
 * all of it is there, as after most updates; a row that is left alone is a
 * page less to write.
 */
static int choose(struct index *x, const struct doc *d, int64_t *n,
		  const char **sql, struct err *err)
{
	sqlite3_stmt *s = db_stmt(&x->db, "SELECT n,state,task,run,corr,ref,"
				  "title FROM doc WHERE kind=?1 AND id=?2",
				  err);
	int got;

	*n = 0;
	*sql = insert_doc;
	if (!s)
		return -1;
	sqlite3_bind_int64(s, 1, d->kind);
	db_bind_text(s, 2, d->id);
	got = db_step(&x->db, s, err);
	if (got != 1)
		return got;
	*n = sqlite3_column_int64(s, 0);
	*sql = !same_columns(s, d) ? update_doc :
	       sqlite3_column_int64(s, 1) != d->state ? update_state : NULL;
	sqlite3_reset(s);
	return 0;
}

static const char *reversed(struct buf *b, const char *text)
{
	size_t len = strlen(text);
	char *at;

	buf_reset(b);
	at = buf_room(b, len);
	for (size_t i = 0; i < len; i++)
		at[i] = text[len - 1 - i];
	at[len] = 0;
	b->len = len;
	return b->data;
}

static int put_columns(struct index *x, const struct doc *d,
		       int64_t *n, struct err *err)
{
	sqlite3_stmt *s;
	const char *sql;

	if (choose(x, d, n, &sql, err))
		return -1;
	if (!sql)
		return 0;
	s = db_stmt(&x->db, sql, err);
	if (!s)
		return -1;
	if (*n)
		sqlite3_bind_int64(s, P_N, *n);
	else
		sqlite3_bind_null(s, P_N);
	index_bind_name(s, P_STATE, d->state);
	if (sql == insert_doc) {
		sqlite3_bind_int64(s, P_KIND, d->kind);
		db_bind_text(s, P_ID, d->id);
		db_bind_text(s, P_BACK, reversed(&x->back, d->id));
	}
	if (sql != update_state) {
		db_bind_hash(s, P_TASK, d->task);
		db_bind_hash(s, P_RUN, d->run);
		db_bind_hash(s, P_CORR, d->corr);
		db_bind_hash(s, P_REF, d->ref);
		db_bind_text(s, P_TITLE, d->title);
	}
	if (db_step(&x->db, s, err) < 0)
		return -1;
	if (!*n)
		*n = sqlite3_last_insert_rowid(x->db.handle);
	return 0;
}

/* A change of a task says its blob id; one taken in, that of a file. */
static const char *said_sha(const struct record *r)
{
	const char *sha = json_str(r->data, "sha");

	return is_hex(sha, 40) && !strncmp(r->type, "task_", 5) &&
	       !json_object_get(r->data, "path") ? sha : NULL;
}

/* What is compared when somebody changes it; only tasks are changed so. */
static const char *sha_of(struct index *x, const struct record *r,
			  const char *kind, const json_t *doc, char sha[41])
{
	const char *said;

	if (strcmp(kind, "task"))
		return NULL;
	said = said_sha(r);
	if (said)
		return said;
	buf_reset(&x->pretty);
	json_add_pretty(&x->pretty, doc);
	git_blob_hex(x->pretty.data, x->pretty.len, sha);
	return sha;
}

static int put_text(struct index *x, int64_t n, const struct record *r,
		    const char *kind, const json_t *doc, struct err *err)
{
	sqlite3_stmt *s = db_stmt(&x->db, "INSERT OR REPLACE INTO text"
				  " VALUES(?1,?2,?3)", err);
	char *made = NULL, sha[41];
	struct span text;
	int rc;

	if (!s)
		return -1;
	if (!lies_in_line(r, kind, &text))
		text.at = made = json_line(doc, &text.len);
	sqlite3_bind_int64(s, 1, n);
	sqlite3_bind_text(s, 2, text.at, (int)text.len, SQLITE_STATIC);
	db_bind_text(s, 3, sha_of(x, r, kind, doc, sha));
	rc = db_step(&x->db, s, err);
	free(made);
	return rc;
}

static int take_away(struct index *x, const struct taken_doc *d,
		     struct err *err)
{
	static const char *const sql[] = {
		"DELETE FROM text WHERE n=(SELECT n FROM doc"
		" WHERE kind=?1 AND id=?2)",
		"DELETE FROM doc WHERE kind=?1 AND id=?2",
	};
	int64_t kind = index_name(x, d->kind, err);
	sqlite3_stmt *s;

	for (size_t i = 0; kind >= 0 && i < ARRAY_LEN(sql); i++) {
		s = db_stmt(&x->db, sql[i], err);
		if (!s)
			return -1;
		sqlite3_bind_int64(s, 1, kind);
		db_bind_text(s, 2, d->id);
		if (db_step(&x->db, s, err) < 0)
			return -1;
	}
	return kind < 0 ? -1 : 0;
}

static const char *first_of(const json_t *doc, const char *a, const char *b,
			    const char *c)
{
	const char *text = json_str(doc, a);

	text = text ? text : json_str(doc, b);
	return text ? text : json_str(doc, c);
}

static int put_doc(struct index *x, const struct record *r, const char *kind,
		   const json_t *doc, struct err *err)
{
	const char *title = json_str(doc, "title");
	struct doc d = {
		.id = json_str(doc, "id"), .task = json_str(doc, "task_id"),
		.run = json_str(doc, "run_id"),
		.corr = json_str(doc, "correlation_id"),
		.ref = first_of(doc, "sha256", "match_sha256", "ref"),
	};
	int64_t n;

	buf_reset(&x->folded);
	if (title) {
		fold_case(&x->folded, title);
		d.title = x->folded.data;
	}
	d.kind = index_name(x, kind, err);
	d.state = index_name(x, json_str(doc, "state"), err);
	if (d.kind < 0 || d.state < 0 || put_columns(x, &d, &n, err))
		return -1;
	return put_text(x, n, r, kind, doc, err);
}

/* In memory at a time; parsed they take some 10 KB each. */
#define DOCS_MAX 2048

/* The place for what is said of it; one that was taken for it is replaced. */
static struct taken_doc *place_for(struct index *x, const char *kind,
				   const char *id)
{
	char key[DOC_ID_MAX + 80];
	const json_t *at;

	snprintf(key, sizeof(key), "%.64s:%s", kind, id);
	at = json_object_get(x->docs_at, key);
	if (at)
		return &x->docs[json_integer_value(at)];
	if (x->n_docs == x->cap_docs) {
		x->cap_docs = x->cap_docs ? 2 * x->cap_docs : 64;
		x->docs = xrealloc(x->docs, x->cap_docs * sizeof(*x->docs));
	}
	json_object_set_new(x->docs_at, key,
			    json_integer((json_int_t)x->n_docs));
	x->docs[x->n_docs] = (struct taken_doc){0};
	return &x->docs[x->n_docs++];
}

static void note(struct index *x, struct record *r, const char *kind,
		 const char *id, const json_t *doc)
{
	struct taken_doc *d;

	if (!id || strlen(id) > DOC_ID_MAX)
		return;			/* nobody can ask for it */
	d = place_for(x, kind, id);
	record_unref(d->record);
	*d = (struct taken_doc){record_ref(r), kind, id, doc};
}

static void note_dropped(struct index *x, struct record *r)
{
	json_t *drop = json_object_get(r->data, "drop"), *ids, *id;
	const char *kind;
	size_t i;

	json_object_foreach (drop, kind, ids)
		json_array_foreach (ids, i, id)
			note(x, r, kind, json_string_value(id), NULL);
}

int index_add_docs(struct index *x, struct record *r, struct err *err)
{
	json_t *put = json_object_get(r->data, "put"), *doc;
	const char *kind;

	json_object_foreach (put, kind, doc)
		note(x, r, kind, json_str(doc, "id"), doc);
	if (!strcmp(r->type, "documents_forgotten"))
		note_dropped(x, r);
	return x->n_docs < DOCS_MAX ? 0 : index_flush_docs(x, err);
}

int index_flush_docs(struct index *x, struct err *err)
{
	int rc = 0;

	for (size_t i = 0; i < x->n_docs && !rc; i++) {
		const struct taken_doc *d = &x->docs[i];

		rc = !d->doc ? take_away(x, d, err) :
		     put_doc(x, d->record, d->kind, d->doc, err);
	}
	index_drop_docs(x);
	return rc;
}

void index_drop_docs(struct index *x)
{
	while (x->n_docs)
		record_unref(x->docs[--x->n_docs].record);
	json_object_clear(x->docs_at);
}
