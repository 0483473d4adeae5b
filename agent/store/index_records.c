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

/* Time of a record; INT64_MAX if it is not there. -1: *err. */
static int time_of(struct reader *r, uint64_t seq, int64_t *ts,
		   struct err *err)
{
	sqlite3_stmt *s = db_stmt(&r->db, "SELECT ts FROM record WHERE seq=?1",
				  err);
	int got;

	if (!s)
		return -1;
	sqlite3_bind_int64(s, 1, (int64_t)seq);
	got = db_step(&r->db, s, err);
	*ts = got == 1 ? sqlite3_column_int64(s, 0) : INT64_MAX;
	sqlite3_reset(s);
	return got < 0 ? -1 : 0;
}

/* The first seq at or after ts_us; one beyond the last if there is none. */
static int bisect(struct reader *r, int64_t ts_us, uint64_t *seq,
		  uint64_t *last, struct err *err)
{
	uint64_t low = 1, high;
	int64_t n, ts;

	if (db_number(&r->db, "SELECT max(seq) FROM record", &n, err))
		return -1;
	*last = (uint64_t)n;
	high = *last + 1;
	while (low < high) {
		uint64_t middle = low + (high - low) / 2;

		if (time_of(r, middle, &ts, err))
			return -1;
		if (ts < ts_us)
			low = middle + 1;
		else
			high = middle;
	}
	*seq = low;
	return 0;
}

uint64_t reader_seq_at(struct reader *r, int64_t ts_us)
{
	uint64_t seq, last;

	return bisect(r, ts_us, &seq, &last, NULL) || seq > last ? 0 : seq;
}

/* The seqs that the filter's times and after_seq leave: *after < s <= *upto. */
static int seq_range(struct reader *r, const struct record_filter *f,
		     uint64_t *after, uint64_t *upto, struct err *err)
{
	uint64_t seq, last;

	*after = f->after_seq > INT64_MAX ? INT64_MAX : f->after_seq;
	*upto = INT64_MAX;
	if (f->since_us) {
		if (bisect(r, f->since_us, &seq, &last, err))
			return -1;
		if (seq - 1 > *after)
			*after = seq - 1;
	}
	if (f->until_us && f->until_us < INT64_MAX) {
		if (bisect(r, f->until_us + 1, &seq, &last, err))
			return -1;
		*upto = seq - 1;
	}
	return 0;
}

enum family { EVENTS, REQUESTS };

static const char *pick_index(const struct record_filter *f,
			      enum family family, bool typed)
{
	static const char *const names[][2] = {
		{"event_corr", "request_corr"}, {"event_run", "request_run"},
		{"event_task", "request_task"},
		{"event_actor", "request_actor"},
		{"event_status", "request_status"},
	};
	const bool set[] = {f->correlation_id, f->run_id, f->task_id,
			    f->actor, f->status > 0};

	for (size_t i = 0; i < ARRAY_LEN(set); i++) {
		if (i == 3 && typed && f->actor)
			return "event_type_actor";
		if (i == 4 && typed)
			return "event_type";
		if (set[i])
			return names[i][family];
	}
	return family == EVENTS ? "event_seq" : NULL;
}

static void add_arm(struct buf *sql, const struct record_filter *f,
		    enum family family, size_t type)
{
	const char *index = pick_index(f, family, type > 0);

	buf_addf(sql, "SELECT seq,off,len FROM record %s%s WHERE %s",
		 index ? "INDEXED BY " : "NOT INDEXED", index ? index : "",
		 family == EVENTS ? NOT_REQUEST : IS_REQUEST);
	buf_adds(sql, " AND seq>?1 AND seq<=?2");
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
}

/* Of every type: the two tables, merged. */
static void build_all(struct buf *sql, const struct record_filter *f)
{
	buf_reset(sql);
	add_arm(sql, f, EVENTS, 0);
	buf_adds(sql, " UNION ALL ");
	add_arm(sql, f, REQUESTS, 0);
	buf_adds(sql, " ORDER BY seq LIMIT ?8");
}

/* One walk per type: SQLite merges them by seq, and sorts nothing. */
static void build(struct buf *sql, const struct record_filter *f,
		  const int64_t *types, size_t n)
{
	buf_reset(sql);
	for (size_t i = 0; i < n || !i; i++) {
		const bool request = n && types[i] == NAME_REQUEST;

		if (i)
			buf_adds(sql, " UNION ALL ");
		add_arm(sql, f, request ? REQUESTS : EVENTS,
			n && !request ? P_TYPES + i : 0);
	}
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

int reader_records(struct reader *r, const struct record_filter *f,
		   struct record_place *out, size_t *n, struct err *err)
{
	const bool all = f->types && !strcmp(f->types, "*");
	int64_t types[NAMES_MAX], actor = 0;
	uint64_t after, upto;
	sqlite3_stmt *s;
	size_t n_types = 0;

	*n = 0;
	if (f->actor)
		actor = reader_name(r, f->actor, strlen(f->actor), err);
	if (actor < 0 || seq_range(r, f, &after, &upto, err) ||
	    (f->types && !all && reader_names(r, f->types, types, &n_types, err)))
		return -1;
	if ((f->actor && !actor) || (f->types && !all && !n_types))
		return 0;
	if (all)
		build_all(&r->sql, f);
	else
		build(&r->sql, f, types, n_types);
	s = db_stmt(&r->db, r->sql.data, err);
	if (!s)
		return -1;
	sqlite3_bind_int64(s, P_AFTER, (int64_t)after);
	sqlite3_bind_int64(s, P_UPTO, (int64_t)upto);
	db_bind_hash(s, P_CORR, f->correlation_id);
	db_bind_hash(s, P_RUN, f->run_id);
	db_bind_hash(s, P_TASK, f->task_id);
	sqlite3_bind_int64(s, P_ACTOR, actor);
	sqlite3_bind_int64(s, P_STATUS, f->status);
	sqlite3_bind_int64(s, P_LIMIT, (int64_t)f->limit);
	for (size_t i = 0; i < n_types; i++)
		sqlite3_bind_int64(s, P_TYPES + (int)i, types[i]);
	return collect(r, s, out, f->limit, n, err);
}
