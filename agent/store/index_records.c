/*
 * See index.h: the records. Time is a range of seqs; within it a question
 * walks what leads to its records (index_schema.h): the links of the rarest
 * id, or the blocks of the rarest facet, or all. Then the row decides.
 */
#include <stdio.h>
#include <string.h>

#include "agent/store/index_post.h"
#include "agent/store/index_read.h"
#include "agent/store/index_schema.h"
#include "agent/store/index_words.h"
#include "common/err.h"
#include "common/mem.h"

enum param { P_FROM = 1, P_TO, P_CORR, P_RUN, P_TASK, P_ACTOR, P_STATUS,
	     P_TYPES };

struct way { int64_t key, next; };	/* a facet, and its block at hand */

struct walk {
	struct reader *r;
	const struct record_filter *f;
	bool asked[TABLES];
	int64_t types[NAMES_MAX], actor;
	size_t n_types;
	uint64_t after, upto;
	struct way ways[NAMES_MAX + 2];
	size_t n_ways;			/* 0: through all blocks */
	struct blocks blocks;		/* with the words */
	struct buf words;
	record_each *each;
	void *data;
};

static void add_arm(struct buf *sql, const struct walk *w, enum table table)
{
	static const char *const names[TABLES] = {"request", "event"};
	const struct record_filter *f = w->f;

	buf_addf(sql, "%sSELECT seq,off,len FROM %s NOT INDEXED WHERE seq>=?1"
		 " AND seq<=?2", sql->len ? " UNION ALL " : "", names[table]);
	if (f->correlation_id)
		buf_adds(sql, " AND corr=?3");
	if (f->run_id)
		buf_adds(sql, " AND run=?4");
	if (f->task_id)
		buf_adds(sql, " AND task=?5");
	if (f->actor)
		buf_adds(sql, " AND actor=?6");
	if (f->status > 0)
		buf_adds(sql, " AND status=?7");
	for (size_t i = 0; table == EVENT && i < w->n_types; i++)
		buf_addf(sql, "%s?%zu", i ? "," : " AND type IN (",
			 P_TYPES + i);
	if (table == EVENT && w->n_types)
		buf_adds(sql, ")");
}

/* The statement for the rows of some tables, its filters bound. */
static sqlite3_stmt *rows_of(struct walk *w, bool request, bool event,
			     struct err *err)
{
	const struct record_filter *f = w->f;
	struct buf *sql = &w->r->sql;
	sqlite3_stmt *s;

	buf_reset(sql);
	if (request)
		add_arm(sql, w, REQUEST);
	if (event)
		add_arm(sql, w, EVENT);
	buf_adds(sql, " ORDER BY seq");
	s = db_stmt(&w->r->db, sql->data, err);
	if (!s)
		return NULL;
	db_bind_hash(s, P_CORR, f->correlation_id);
	db_bind_hash(s, P_RUN, f->run_id);
	db_bind_hash(s, P_TASK, f->task_id);
	sqlite3_bind_int64(s, P_ACTOR, w->actor);
	sqlite3_bind_int64(s, P_STATUS, f->status);
	for (size_t i = 0; i < w->n_types; i++)
		sqlite3_bind_int64(s, P_TYPES + (int)i, w->types[i]);
	return s;
}

/* Give the rows from..to that s finds. */
static int give(struct walk *w, sqlite3_stmt *s, uint64_t from, uint64_t to,
		struct err *err)
{
	int got, rc = 0;

	sqlite3_bind_int64(s, P_FROM, (int64_t)from);
	sqlite3_bind_int64(s, P_TO, (int64_t)to);
	while (!rc && (got = db_step(&w->r->db, s, err))) {
		const struct record_place p = {
			(uint64_t)sqlite3_column_int64(s, 0),
			(uint64_t)sqlite3_column_int64(s, 1),
			(size_t)sqlite3_column_int64(s, 2)};

		rc = got < 0 ? -1 : w->each(&p, w->data, err);
	}
	sqlite3_reset(s);
	return rc;
}

/* A part's links of one id, in the order of the records. */
static int give_links(struct walk *w, const char *id, uint64_t part,
		      sqlite3_stmt *const rows[TABLES], struct err *err)
{
	sqlite3_stmt *s = db_stmt(&w->r->db, "SELECT at FROM link WHERE"
				  " part=?1 AND hash=?2 AND at>?3 AND at<=?4"
				  " ORDER BY at", err);
	int got, rc = 0;

	if (!s)
		return -1;
	sqlite3_bind_int64(s, 1, (int64_t)part);
	db_bind_hash(s, 2, id);
	sqlite3_bind_int64(s, 3, (int64_t)(w->after << 1 | 1));
	sqlite3_bind_int64(s, 4, (int64_t)(w->upto << 1 | 1));
	while (!rc && (got = db_step(&w->r->db, s, err))) {
		const uint64_t at = (uint64_t)sqlite3_column_int64(s, 0);
		const enum table t = at & 1 ? REQUEST : EVENT;

		rc = got < 0 ? -1 : !rows[t] ? 0 :
		     give(w, rows[t], at >> 1, at >> 1, err);
	}
	sqlite3_reset(s);
	return rc;
}

static int walk_links(struct walk *w, const char *id, struct err *err)
{
	sqlite3_stmt *rows[TABLES] = {0};
	int rc = 0;

	for (enum table t = 0; t < TABLES; t++)
		if (w->asked[t] &&
		    !(rows[t] = rows_of(w, t == REQUEST, t == EVENT, err)))
			return -1;
	for (uint64_t part = PART_OF(w->after + 1);
	     !rc && part <= PART_OF(w->upto); part++)
		rc = give_links(w, id, part, rows, err);
	return rc;
}

static void add_way(struct walk *w, int64_t key)
{
	w->ways[w->n_ways++] = (struct way){key, -1};
}

/* The facets of what is asked for; none if they would not spare anything. */
static void find_ways(struct walk *w)
{
	const int status = w->f->status;

	for (size_t i = 0; i < w->n_types; i++)
		add_way(w, w->actor ? facet_key(FACET_TYPE_ACTOR, w->types[i],
						w->actor) :
				      facet_key(FACET_TYPE, w->types[i], 0));
	if (w->asked[EVENT] && !w->n_types && (w->actor || status))
		add_way(w, status ? facet_key(FACET_STATUS, status, 0) :
				    facet_key(FACET_ACTOR, w->actor, 0));
	else if (w->asked[EVENT] && !w->n_types)
		w->n_ways = 0;
	if (!w->asked[REQUEST])
		return;
	if (w->asked[EVENT] && !w->n_ways)
		return;
	if (!w->actor && !status)
		w->n_ways = 0;
	else
		add_way(w, status >= 400 || !w->actor ?
			facet_key(FACET_REQUEST_STATUS, status, 0) :
			facet_key(FACET_REQUEST_ACTOR, w->actor, 0));
}

/* The first block of that facet from block on; INT64_MAX: none. */
static int look_along(struct walk *w, struct way *way, int64_t block,
		      struct err *err)
{
	sqlite3_stmt *s = db_stmt(&w->r->db, "SELECT block FROM facet WHERE"
				  " key=?1 AND block>=?2 ORDER BY block"
				  " LIMIT 1", err);
	int got;

	if (!s)
		return -1;
	sqlite3_bind_int64(s, 1, way->key);
	sqlite3_bind_int64(s, 2, block);
	got = db_step(&w->r->db, s, err);
	way->next = got == 1 ? sqlite3_column_int64(s, 0) : INT64_MAX;
	sqlite3_reset(s);
	return got < 0 ? -1 : 0;
}

/* The first block from *block on that may have a record. 1, 0 or -1. */
static int next_block(struct walk *w, int64_t *block, struct err *err)
{
	const int64_t last = (int64_t)BLOCK_OF(w->upto);
	int64_t seen;
	int rc = 1;

	do {
		int64_t first = w->n_ways ? INT64_MAX : *block;

		seen = *block;
		for (size_t i = 0; i < w->n_ways; i++) {
			struct way *way = &w->ways[i];

			if (way->next < seen &&
			    look_along(w, way, seen, err))
				return -1;
			first = way->next < first ? way->next : first;
		}
		*block = seen = first;
		if (first > last)
			return 0;
		if (w->words.len)
			rc = words_block(w->r, &w->blocks, w->words.data,
					 block, last, err);
	} while (rc == 1 && *block != seen);
	return rc;
}

static int walk_blocks(struct walk *w, struct err *err)
{
	sqlite3_stmt *s = rows_of(w, w->asked[REQUEST], w->asked[EVENT], err);
	int64_t block = (int64_t)BLOCK_OF(w->after + 1);
	int got = 0, rc = 0;

	if (!s)
		return -1;
	if (!w->n_ways && !w->words.len)
		return give(w, s, w->after + 1, w->upto, err);
	for (; !rc && (got = next_block(w, &block, err)) == 1; block++) {
		uint64_t from = (uint64_t)block << BLOCK_BITS;
		uint64_t to = from + (1 << BLOCK_BITS) - 1;

		rc = give(w, s, from > w->after ? from : w->after + 1,
			  to < w->upto ? to : w->upto, err);
	}
	return got < 0 ? -1 : rc;
}

/* Names become numbers. 1: go on. 0: nothing can match. -1: *err. */
static int understand(struct walk *w, struct err *err)
{
	const struct record_filter *f = w->f;
	const bool all = f->types && !strcmp(f->types, "*");
	const bool listed = f->types && !all;
	int64_t types[NAMES_MAX];
	size_t n = 0;

	if (f->actor)
		w->actor = reader_name(w->r, f->actor, strlen(f->actor), err);
	if (w->actor < 0 ||
	    (listed && reader_names(w->r, f->types, types, &n, err)))
		return -1;
	w->asked[REQUEST] = all;
	w->asked[EVENT] = !listed;
	for (size_t i = 0; i < n; i++)
		if (types[i] == NAME_REQUEST)
			w->asked[REQUEST] = true;
		else
			w->types[w->n_types++] = types[i];
	w->asked[EVENT] |= w->n_types > 0;
	if (f->words)
		w->asked[REQUEST] = false;
	return (f->actor && !w->actor) ||
	       (!w->asked[REQUEST] && !w->asked[EVENT]) ? 0 : 1;
}

/* 1: there are records to look at. 0: none. -1: *err. */
static int find_range(struct walk *w, struct err *err)
{
	int64_t last;

	if (reader_range(w->r, w->f, w->asked, &w->after, &w->upto, err) ||
	    db_number(&w->r->db, "SELECT seq FROM meta", &last, err))
		return -1;
	if (w->upto > (uint64_t)last)
		w->upto = (uint64_t)last;
	return w->after < w->upto;
}

int reader_scan(struct reader *r, const struct record_filter *f,
		record_each *each, void *data, struct err *err)
{
	struct walk w = {.r = r, .f = f, .each = each, .data = data};
	const char *id = f->correlation_id ? f->correlation_id :
			 f->run_id ? f->run_id : f->task_id;
	int rc = understand(&w, err);

	if (rc == 1)
		rc = find_range(&w, err);
	if (rc != 1)
		return rc;
	if (f->words)
		fold_case(&w.words, f->words);
	find_ways(&w);
	rc = id ? walk_links(&w, id, err) : walk_blocks(&w, err);
	buf_fini(&w.words);
	return rc;
}

struct list { struct record_place *out; size_t n, limit; };

static int list_one(const struct record_place *p, void *data, struct err *err)
{
	struct list *l = data;

	(void)err;
	l->out[l->n++] = *p;
	return l->n == l->limit;
}

int reader_records(struct reader *r, const struct record_filter *f,
		   struct record_place *out, size_t *n, struct err *err)
{
	struct list l = {.out = out, .limit = f->limit};
	int rc = f->limit ? reader_scan(r, f, list_one, &l, err) : 0;

	*n = l.n;
	return rc < 0 ? -1 : 0;
}
