/*
 * See index.h: lists of documents. A page is a walk over the index of the
 * rarest filter in the order of the answer, from where the last page ended,
 * so that it costs the same wherever it lies.
 */
#include <stdio.h>
#include <string.h>

#include "agent/store/index_read.h"
#include "common/err.h"
#include "common/mem.h"

enum doc_param { P_KIND = 1, P_AFTER, P_TASK, P_RUN, P_CORR, P_REF, P_WORDS,
		 P_LIMIT, P_STATES };

struct column {			/* a filter that compares a hash */
	const char *term, *index;
	enum doc_param param;
	size_t offset;		/* of the text in struct doc_filter */
};

/* Those that leave fewer documents first: the first one set is walked. */
static const struct column columns[] = {
	{" AND ref=?6", "doc_ref", P_REF, offsetof(struct doc_filter, ref)},
	{" AND run=?4", "doc_run", P_RUN, offsetof(struct doc_filter, run_id)},
	{" AND corr=?5", "doc_corr", P_CORR,
	 offsetof(struct doc_filter, correlation_id)},
	{" AND task=?3", "doc_task", P_TASK,
	 offsetof(struct doc_filter, task_id)},
};

static const char *text_of(const struct doc_filter *f, const struct column *c)
{
	return *(const char *const *)((const char *)f + c->offset);
}

static const char *pick_index(const struct doc_filter *f)
{
	for (size_t i = 0; i < ARRAY_LEN(columns); i++)
		if (text_of(f, &columns[i]))
			return columns[i].index;
	/* The titles alone are read twice as fast as whole rows. */
	return f->state ? "doc_state" :
	       f->words && *f->words ? "doc_title" : "doc_id";
}

/* One walk; state is the term that is special to it. */
static void add_arm(struct buf *sql, const struct doc_filter *f,
		    const char *state)
{
	buf_addf(sql, "SELECT n,id FROM doc %s%s WHERE id>?2",
		 f->kind ? "INDEXED BY " : "",
		 f->kind ? pick_index(f) : "");
	if (f->kind)
		buf_adds(sql, " AND kind=?1");
	for (size_t i = 0; i < ARRAY_LEN(columns); i++)
		if (text_of(f, &columns[i]))
			buf_adds(sql, columns[i].term);
	if (f->words && *f->words)
		buf_adds(sql, " AND title IS NOT NULL"
			 " AND " DB_HOLDS "(title,?7)");
	buf_adds(sql, state);
}

/*
 * Several states are several walks that SQLite merges by id as it goes; an
 * IN would collect and sort them all for each page.
 */
static void build(struct buf *sql, const struct doc_filter *f, size_t states)
{
	char term[48] = "";

	buf_reset(sql);
	for (size_t i = 0; i < states || !i; i++) {
		if (states)
			snprintf(term, sizeof(term), " AND state=?%zu",
				 P_STATES + i);
		if (i)
			buf_adds(sql, " UNION ALL ");
		add_arm(sql, f, term);
	}
	buf_adds(sql, " ORDER BY id LIMIT ?8");
}

static void bind(struct reader *r, sqlite3_stmt *s, const struct doc_filter *f,
		 int64_t kind, const int64_t *states, size_t n)
{
	sqlite3_bind_int64(s, P_KIND, kind);
	db_bind_text(s, P_AFTER, f->after_id ? f->after_id : "");
	for (size_t i = 0; i < ARRAY_LEN(columns); i++)
		db_bind_hash(s, columns[i].param, text_of(f, &columns[i]));
	buf_reset(&r->folded);
	fold_case(&r->folded, f->words ? f->words : "");
	db_bind_text(s, P_WORDS, r->folded.data);
	sqlite3_bind_int64(s, P_LIMIT, f->limit ? (int64_t)f->limit : -1);
	for (size_t i = 0; i < n; i++)
		sqlite3_bind_int64(s, P_STATES + (int)i, states[i]);
}

static json_t *text_by_n(struct reader *r, int64_t n, struct err *err)
{
	sqlite3_stmt *s = db_stmt(&r->db, "SELECT doc FROM text WHERE n=?1",
				  err);
	json_t *doc = NULL;

	if (!s)
		return NULL;
	sqlite3_bind_int64(s, 1, n);
	if (db_step(&r->db, s, err) == 1)
		doc = reader_parse(s, err);
	else if (err && !err->code)
		err_set(err, ERR_io, "the index: a document has no text");
	sqlite3_reset(s);
	return doc;
}

/* The texts are read while the walk is open: all of one moment. */
static json_t *collect(struct reader *r, sqlite3_stmt *s, struct err *err)
{
	json_t *out = json_array();
	int got;

	while ((got = db_step(&r->db, s, err)) == 1) {
		json_t *doc = text_by_n(r, sqlite3_column_int64(s, 0), err);

		if (!doc)
			break;
		json_array_append_new(out, doc);
	}
	sqlite3_reset(s);
	if (!got)
		return out;
	json_decref(out);
	return NULL;
}

json_t *reader_docs(struct reader *r, const struct doc_filter *f,
		    struct err *err)
{
	int64_t states[NAMES_MAX], kind = 0;
	sqlite3_stmt *s;
	size_t n = 0;

	if (f->kind)
		kind = reader_name(r, f->kind, strlen(f->kind), err);
	if (kind < 0 ||
	    (f->state && reader_names(r, f->state, states, &n, err)))
		return NULL;
	if ((f->kind && !kind) || (f->state && !n))
		return json_array();
	build(&r->sql, f, n);
	s = db_stmt(&r->db, r->sql.data, err);
	if (!s)
		return NULL;
	bind(r, s, f, kind, states, n);
	return collect(r, s, err);
}
