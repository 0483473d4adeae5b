/*
 * See index.h: the records. Time is turned into a range of seqs first, by
 * bisection, since both only grow; then the index of the rarest filter is
 * walked in the order of the answer, from there on.
 */
#include <string.h>

#include "agent/store/index_read.h"
#include "agent/store/index_schema.h"
#include "common/err.h"
#include "common/mem.h"

enum param { P_AFTER = 1, P_UPTO, P_CORR, P_RUN, P_TASK, P_ACTOR, P_STATUS,
	     P_LIMIT, P_TYPES };

enum table { REQUEST, EVENT, TABLES };

/* The first record from seq on, as its seq and time; seq 0: none. */
static int look(struct reader *r, enum table table, uint64_t from,
		uint64_t *seq, int64_t *ts, struct err *err)
{
	static const char *const sql[TABLES] = {
		"SELECT seq,ts FROM request WHERE seq>=?1 ORDER BY seq LIMIT 1",
		"SELECT seq,ts FROM event WHERE seq>=?1 ORDER BY seq LIMIT 1",
	};
	sqlite3_stmt *s = db_stmt(&r->db, sql[table], err);
	int got;

	if (!s)
		return -1;
	sqlite3_bind_int64(s, 1, (int64_t)from);
	got = db_step(&r->db, s, err);
	*seq = got == 1 ? (uint64_t)sqlite3_column_int64(s, 0) : 0;
	*ts = got == 1 ? sqlite3_column_int64(s, 1) : 0;
	sqlite3_reset(s);
	return got < 0 ? -1 : 0;
}

/* *seq of the first record of the table at or after ts_us; 0: none. */
static int bisect(struct reader *r, enum table table, int64_t ts_us,
		  uint64_t *seq, struct err *err)
{
	static const char *const last[TABLES] = {
		"SELECT max(seq) FROM request", "SELECT max(seq) FROM event",
	};
	uint64_t low = 1, high, found;
	int64_t n, ts;

	if (db_number(&r->db, last[table], &n, err))
		return -1;
	for (high = (uint64_t)n + 1; low < high;) {
		uint64_t middle = low + (high - low) / 2;

		if (look(r, table, middle, &found, &ts, err))
			return -1;
		if (found && ts < ts_us)
			low = found + 1;
		else
			high = middle;
	}
	return look(r, table, low, seq, &ts, err);
}

/* Over the tables that are asked for; UINT64_MAX: none. */
static int first_since(struct reader *r, const bool asked[TABLES],
		       int64_t ts_us, uint64_t *first, struct err *err)
{
	uint64_t seq;

	*first = UINT64_MAX;
	for (enum table t = 0; t < TABLES; t++) {
		if (!asked[t])
			continue;
		if (bisect(r, t, ts_us, &seq, err))
			return -1;
		if (seq && seq < *first)
			*first = seq;
	}
	return 0;
}

uint64_t reader_seq_at(struct reader *r, int64_t ts_us)
{
	static const bool both[TABLES] = {true, true};
	uint64_t seq;

	return first_since(r, both, ts_us, &seq, NULL) || seq == UINT64_MAX ?
	       0 : seq;
}

/* The seqs that times and after_seq leave: *after < seq <= *upto. */
static int seq_range(struct reader *r, const struct record_filter *f,
		     const bool asked[TABLES], uint64_t *after,
		     uint64_t *upto, struct err *err)
{
	uint64_t since = 0, beyond = UINT64_MAX;

	if ((f->since_us && first_since(r, asked, f->since_us, &since, err)) ||
	    (f->until_us && f->until_us < INT64_MAX &&
	     first_since(r, asked, f->until_us + 1, &beyond, err)))
		return -1;
	*after = since > f->after_seq + 1 ? since - 1 : f->after_seq;
	*upto = beyond - 1;
	if (*after > INT64_MAX)
		*after = INT64_MAX;
	if (*upto > INT64_MAX)
		*upto = INT64_MAX;
	return 0;
}

/* The index to walk; the rarest filter has it. NULL: the table itself. */
static const char *pick_index(const struct record_filter *f, bool typed)
{
	return f->correlation_id ? "corr" : f->run_id ? "run" :
	       f->task_id ? "task" : f->actor && typed ? "type_actor" :
	       typed ? "type" : f->actor ? "actor" :
	       f->status >= 400 ? "status" : NULL;
}

static void add_arm(struct buf *sql, const struct record_filter *f,
		    enum table table, size_t type)
{
	static const char *const names[TABLES] = {"request", "event"};
	const char *index = pick_index(f, type > 0), *name = names[table];

	buf_addf(sql, "%sSELECT seq,off,len FROM %s ",
		 sql->len ? " UNION ALL " : "", name);
	if (index)
		buf_addf(sql, "INDEXED BY %s_%s ", name, index);
	else
		buf_adds(sql, "NOT INDEXED ");
	buf_adds(sql, "WHERE seq>?1 AND seq<=?2");
	if (type)
		buf_addf(sql, " AND type=?%zu", type);
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
	if (f->status >= 400)
		buf_adds(sql, " AND " STATUS_RARE);
}

/* One walk per type: SQLite merges them by seq, and sorts nothing. */
static void build(struct buf *sql, const struct record_filter *f,
		  const bool asked[TABLES], const int64_t *types, size_t n)
{
	buf_reset(sql);
	for (size_t i = 0; i < n; i++)
		if (types[i] != NAME_REQUEST)
			add_arm(sql, f, EVENT, P_TYPES + i);
	if (!n && asked[EVENT])
		add_arm(sql, f, EVENT, 0);
	if (asked[REQUEST])
		add_arm(sql, f, REQUEST, 0);
	buf_adds(sql, " ORDER BY seq LIMIT ?8");
}

static int collect(struct reader *r, sqlite3_stmt *s,
		   struct record_place *out, size_t limit, size_t *n,
		   struct err *err)
{
	int got;

	while ((got = db_step(&r->db, s, err)) == 1 && *n < limit) {
		out[*n].seq = (uint64_t)sqlite3_column_int64(s, 0);
		out[*n].off = (uint64_t)sqlite3_column_int64(s, 1);
		out[*n].len = (size_t)sqlite3_column_int64(s, 2);
		++*n;
	}
	sqlite3_reset(s);
	return got < 0 ? -1 : 0;
}

static void bind(sqlite3_stmt *s, const struct record_filter *f,
		 int64_t actor, const int64_t *types, size_t n)
{
	db_bind_hash(s, P_CORR, f->correlation_id);
	db_bind_hash(s, P_RUN, f->run_id);
	db_bind_hash(s, P_TASK, f->task_id);
	sqlite3_bind_int64(s, P_ACTOR, actor);
	sqlite3_bind_int64(s, P_STATUS, f->status);
	sqlite3_bind_int64(s, P_LIMIT, (int64_t)f->limit);
	for (size_t i = 0; i < n; i++)
		sqlite3_bind_int64(s, P_TYPES + (int)i, types[i]);
}

int reader_records(struct reader *r, const struct record_filter *f,
		   struct record_place *out, size_t *n, struct err *err)
{
	const bool all = f->types && !strcmp(f->types, "*");
	const bool listed = f->types && !all;
	bool asked[TABLES] = {[REQUEST] = all, [EVENT] = !listed};
	int64_t types[NAMES_MAX], actor = 0;
	uint64_t after, upto;
	sqlite3_stmt *s;
	size_t n_types = 0;

	*n = 0;
	if (f->actor)
		actor = reader_name(r, f->actor, strlen(f->actor), err);
	if (actor < 0 ||
	    (listed && reader_names(r, f->types, types, &n_types, err)))
		return -1;
	if ((f->actor && !actor) || (listed && !n_types))
		return 0;
	for (size_t i = 0; i < n_types; i++)
		asked[types[i] == NAME_REQUEST ? REQUEST : EVENT] = true;
	if (seq_range(r, f, asked, &after, &upto, err))
		return -1;
	build(&r->sql, f, asked, types, n_types);
	s = db_stmt(&r->db, r->sql.data, err);
	if (!s)
		return -1;
	bind(s, f, actor, types, n_types);
	sqlite3_bind_int64(s, P_AFTER, (int64_t)after);
	sqlite3_bind_int64(s, P_UPTO, (int64_t)upto);
	return collect(r, s, out, f->limit, n, err);
}
