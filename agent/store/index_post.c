/* See index_post.h. */
#include "agent/store/index_post.h"

#include <stdlib.h>
#include <string.h>

#include "agent/store/index_db.h"
#include "agent/store/index_schema.h"
#include "agent/store/index_words.h"
#include "agent/store/record.h"
#include "common/err.h"

struct link { int64_t part, hash, at; };
struct facet_row { int64_t key, block; };
struct word { char text[WORD_MAX]; int64_t block; };

void post_fini(struct post *p)
{
	buf_fini(&p->links);
	buf_fini(&p->facets);
	buf_fini(&p->words);
	buf_fini(&p->text);
}

void post_drop(struct post *p)
{
	buf_reset(&p->links);
	buf_reset(&p->facets);
	buf_reset(&p->words);
}

static void add_link(struct post *p, const struct record *r, bool request,
		     const struct id_hash *id)
{
	const struct link row = {(int64_t)PART_OF(r->seq), id->hash,
				 (int64_t)(r->seq << 1 | request)};

	if (id->there)
		buf_add(&p->links, &row, sizeof(row));
}

static void add_facet(struct post *p, const struct record *r, int64_t key)
{
	const struct facet_row row = {key, (int64_t)BLOCK_OF(r->seq)};

	buf_add(&p->facets, &row, sizeof(row));
}

static void add_words(struct post *p, const struct record *r)
{
	const char *at, *word;
	size_t len;

	buf_reset(&p->text);
	words_read(&p->text, r->data);
	if (!p->text.len)
		return;
	for (at = p->text.data; word = words_next(&at, &len), len;) {
		struct word w = {.block = (int64_t)BLOCK_OF(r->seq)};

		memcpy(w.text, word, len < WORD_MAX ? len : WORD_MAX);
		buf_add(&p->words, &w, sizeof(w));
	}
}

void post_add(struct post *p, const struct record *r,
	      const struct id_hash ids[POST_IDS], int64_t type, int64_t actor)
{
	const bool request = type == NAME_REQUEST;

	for (int i = 0; i < POST_IDS; i++)
		add_link(p, r, request, &ids[i]);
	if (!request)
		add_facet(p, r, facet_key(FACET_TYPE, type, 0));
	if (!request && actor)
		add_facet(p, r, facet_key(FACET_TYPE_ACTOR, type, actor));
	if (actor)
		add_facet(p, r, facet_key(request ? FACET_REQUEST_ACTOR :
					  FACET_ACTOR, actor, 0));
	if (r->status)
		add_facet(p, r, facet_key(request ? FACET_REQUEST_STATUS :
					  FACET_STATUS, r->status, 0));
	if (!request)
		add_words(p, r);
}

bool post_full(const struct post *p)
{
	return p->links.len + p->facets.len + p->words.len > POST_MAX;
}

#define ORDER(a, b) do { if ((a) != (b)) return (a) < (b) ? -1 : 1; } while (0)

static int by_link(const void *a, const void *b)
{
	const struct link *x = a, *y = b;

	ORDER(x->part, y->part);
	ORDER(x->hash, y->hash);
	ORDER(x->at, y->at);
	return 0;
}

static int by_facet(const void *a, const void *b)
{
	const struct facet_row *x = a, *y = b;

	ORDER(x->key, y->key);
	ORDER(x->block, y->block);
	return 0;
}

static int by_word(const void *a, const void *b)
{
	const struct word *x = a, *y = b;
	int order;

	ORDER(x->block >> (PART_BITS - BLOCK_BITS),
	      y->block >> (PART_BITS - BLOCK_BITS));
	order = memcmp(x->text, y->text, WORD_MAX);
	if (order)
		return order;
	ORDER(x->block, y->block);
	return 0;
}

static void bind_link(sqlite3_stmt *s, const void *row)
{
	const struct link *l = row;

	sqlite3_bind_int64(s, 1, l->part);
	sqlite3_bind_int64(s, 2, l->hash);
	sqlite3_bind_int64(s, 3, l->at);
}

static void bind_facet(sqlite3_stmt *s, const void *row)
{
	const struct facet_row *f = row;

	sqlite3_bind_int64(s, 1, f->key);
	sqlite3_bind_int64(s, 2, f->block);
}

static void bind_word(sqlite3_stmt *s, const void *row)
{
	const struct word *w = row;

	sqlite3_bind_int64(s, 1, w->block >> (PART_BITS - BLOCK_BITS));
	sqlite3_bind_blob(s, 2, w->text, (int)strnlen(w->text, WORD_MAX),
			  SQLITE_STATIC);
	sqlite3_bind_int64(s, 3, w->block);
}

struct sort {
	size_t size;
	int (*order)(const void *, const void *);
	void (*bind)(sqlite3_stmt *, const void *);
	const char *sql;
};

/* A record names an id twice, a block has a word more than once. */
static const struct sort links = {sizeof(struct link), by_link, bind_link,
	"INSERT OR IGNORE INTO link VALUES(?1,?2,?3)"};
static const struct sort facets = {sizeof(struct facet_row), by_facet,
	bind_facet, "INSERT OR IGNORE INTO facet VALUES(?1,?2)"};
static const struct sort words = {sizeof(struct word), by_word, bind_word,
	"INSERT OR IGNORE INTO word VALUES(?1,?2,?3)"};

static int put(const struct sort *sort, struct buf *rows, struct db *db,
	       struct err *err)
{
	sqlite3_stmt *s = db_stmt(db, sort->sql, err);
	const char *last = NULL, *end = rows->data + rows->len;

	if (!s)
		return -1;
	if (!rows->len)
		return 0;
	qsort(rows->data, rows->len / sort->size, sort->size, sort->order);
	for (const char *at = rows->data; at < end; at += sort->size) {
		if (last && !sort->order(last, at))
			continue;
		last = at;
		sort->bind(s, at);
		if (db_step(db, s, err))
			return -1;
	}
	buf_reset(rows);
	return 0;
}

int post_flush(struct post *p, struct db *db, struct err *err)
{
	return put(&links, &p->links, db, err) ||
	       put(&facets, &p->facets, db, err) ||
	       put(&words, &p->words, db, err) ? -1 : 0;
}
