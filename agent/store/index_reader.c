/*
 * See index.h: one document, by its id or a piece of it. What a caller wrote
 * is only ever bound, here and in the lists, never spliced into SQL.
 */
#include "agent/store/index_read.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json_span.h"
#include "common/err.h"
#include "common/id.h"
#include "common/json.h"
#include "common/mem.h"

#define ID_CHARS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz" \
	"0123456789._-"

/* KiB: the titles of 100,000 tasks stay at hand; small ones take less. */
#define CACHE "PRAGMA cache_size=-8192"

int reader_open(struct reader **out, const char *path, struct err *err)
{
	struct reader *r = xcalloc(1, sizeof(*r));

	if (db_open(&r->db, path, SQLITE_OPEN_READWRITE, err) ||
	    db_run(&r->db, CACHE, err)) {
		reader_close(r);
		return -1;
	}
	*out = r;
	return 0;
}

void reader_close(struct reader *r)
{
	if (!r)
		return;
	db_close(&r->db);
	buf_fini(&r->sql);
	buf_fini(&r->folded);
	free(r);
}

int reader_cursor(struct reader *r, struct index_cursor *at, struct err *err)
{
	return db_cursor(&r->db, at, err);
}

int64_t reader_name(struct reader *r, const char *text, size_t len,
		    struct err *err)
{
	sqlite3_stmt *s = db_stmt(&r->db, "SELECT id FROM name WHERE text=?1",
				  err);
	int64_t id = 0;
	int got;

	if (!s)
		return -1;
	sqlite3_bind_text(s, 1, text, (int)len, SQLITE_STATIC);
	got = db_step(&r->db, s, err);
	if (got == 1)
		id = sqlite3_column_int64(s, 0);
	sqlite3_reset(s);
	return got < 0 ? -1 : id;
}

int reader_names(struct reader *r, const char *list, int64_t out[NAMES_MAX],
		 size_t *n, struct err *err)
{
	*n = 0;
	for (size_t len; *list; list += len + (list[len] == ',')) {
		int64_t id;
		size_t i;

		len = strcspn(list, ",");
		id = reader_name(r, list, len, err);
		if (id < 0)
			return -1;
		for (i = 0; i < *n && out[i] != id; i++)
			;
		if (!id || i < *n)
			continue;
		if (*n == NAMES_MAX)
			return err_set(err, ERR_invalid_request,
				       "over %d names in one list", NAMES_MAX);
		out[(*n)++] = id;
	}
	return 0;
}

json_t *reader_parse(sqlite3_stmt *s, struct err *err)
{
	const char *text = (const char *)sqlite3_column_text(s, 0);
	size_t len = (size_t)sqlite3_column_bytes(s, 0);
	json_t *doc = text && *text == '{' ?
		json_span_load((struct span){text, len}) : NULL;

	if (text && !doc)
		doc = json_loadb(text, len, JSON_ALLOW_NUL, NULL);
	if (!doc)
		err_set(err, ERR_io, "the index: a document is no JSON");
	return doc;
}

json_t *reader_doc(struct reader *r, const char *kind, const char *id,
		   struct err *err)
{
	sqlite3_stmt *s = db_stmt(&r->db,
		"SELECT text.doc FROM doc JOIN text USING(n) WHERE id=?2 AND "
		"kind=(SELECT id FROM name WHERE text=?1)", err);
	json_t *doc = NULL;

	if (!s)
		return NULL;
	db_bind_text(s, 1, kind);
	db_bind_text(s, 2, id);
	if (db_step(&r->db, s, err) == 1)
		doc = reader_parse(s, err);
	sqlite3_reset(s);
	return doc;
}

int reader_text(struct reader *r, const char *kind, const char *id,
		struct buf *out, char sha[41], struct err *err)
{
	sqlite3_stmt *s = db_stmt(&r->db,
		"SELECT doc,sha FROM doc JOIN text USING(n) WHERE id=?2 AND "
		"kind=(SELECT id FROM name WHERE text=?1)", err);
	const char *id_of_blob;
	int got;

	if (!s)
		return -1;
	db_bind_text(s, 1, kind);
	db_bind_text(s, 2, id);
	got = db_step(&r->db, s, err);
	buf_reset(out);
	*sha = 0;
	if (got == 1) {
		buf_add(out, sqlite3_column_text(s, 0),
			(size_t)sqlite3_column_bytes(s, 0));
		id_of_blob = (const char *)sqlite3_column_text(s, 1);
		snprintf(sha, 41, "%s", id_of_blob ? id_of_blob : "");
	}
	sqlite3_reset(s);
	return got;
}

bool reader_has(struct reader *r, const char *kind, const char *id)
{
	sqlite3_stmt *s = db_stmt(&r->db,
		"SELECT 1 FROM doc WHERE id=?2 AND "
		"kind=(SELECT id FROM name WHERE text=?1)", NULL);
	bool has;

	if (!s)
		return false;
	db_bind_text(s, 1, kind);
	db_bind_text(s, 2, id);
	has = db_step(&r->db, s, NULL) == 1;
	sqlite3_reset(s);
	return has;
}

struct match { char id[ID_MAX + 1]; bool many; };

/* The ids that sql finds for a range of text: none, one or many. */
static int match(struct reader *r, const char *sql, int64_t kind,
		 const char *from, const char *to, struct match *m,
		 struct err *err)
{
	sqlite3_stmt *s = db_stmt(&r->db, sql, err);
	int got;

	if (!s)
		return -1;
	sqlite3_bind_int64(s, 1, kind);
	db_bind_text(s, 2, from);
	db_bind_text(s, 3, to);
	while ((got = db_step(&r->db, s, err)) == 1) {
		const char *id = (const char *)sqlite3_column_text(s, 0);

		m->many |= *m->id && strcmp(m->id, id);
		memccpy(m->id, id, 0, ID_MAX);
	}
	return got;
}

/* What starts with text, or reversed ends with it, lies in from..to. */
static void range(const char *text, bool back, char from[ID_MAX + 1],
		  char to[ID_MAX + 1])
{
	size_t len = strlen(text);

	for (size_t i = 0; i < len; i++)
		from[i] = to[i] = text[back ? len - 1 - i : i];
	from[len] = to[len] = 0;
	to[len - 1]++;
}

static int find(struct reader *r, int64_t kind, const char *text,
		struct match *m, struct err *err)
{
	static const char *const parts[] = {
		"SELECT id FROM doc WHERE kind=?1 AND id>=?2 AND id<?3"
		" ORDER BY id LIMIT 2",
		"SELECT id FROM doc WHERE kind=?1 AND back>=?2 AND back<?3"
		" ORDER BY back LIMIT 2",
	};
	char from[ID_MAX + 1], to[ID_MAX + 1];

	if (match(r, "SELECT id FROM doc WHERE kind=?1 AND id>=?2 AND id<=?3",
		  kind, text, text, m, err))
		return -1;
	if (*m->id || strlen(text) < 4)
		return 0;
	for (int back = 0; back < 2; back++) {
		range(text, back, from, to);
		if (match(r, parts[back], kind, from, to, m, err))
			return -1;
	}
	return 0;
}

int reader_resolve(struct reader *r, const char *kind, const char *text,
		   char id[129], struct err *err)
{
	const int64_t number = reader_name(r, kind, strlen(kind), err);
	struct match m = {0};

	/* What is no piece of an id need not be looked for. */
	const bool piece = *text && strlen(text) <= ID_MAX &&
			   !text[strspn(text, ID_CHARS)];

	if (number < 0 || (piece && find(r, number, text, &m, err)))
		return -1;
	if (!*m.id)
		return err_set(err, ERR_not_found, "no such %s", kind);
	if (m.many)
		return err_set(err, ERR_ambiguous_id,
			       "more than one %s has \"%s\" in its id", kind,
			       text);
	memcpy(id, m.id, sizeof(m.id));
	return 0;
}
