/*
 * See index_read.h: time as a range of seqs. Both only grow, so the seq of a
 * time is found by bisection, and no table is ever searched by time.
 */
#include "agent/store/index_read.h"

#include "common/err.h"

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

int reader_range(struct reader *r, const struct record_filter *f,
		 const bool asked[TABLES], uint64_t *after, uint64_t *upto,
		 struct err *err)
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
