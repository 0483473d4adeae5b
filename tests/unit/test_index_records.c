/* Questions on records are answered as by reading all of them. */
#include "tests/unit/indexes.h"

#include <sqlite3.h>

#include "agent/store/index_write.h"

static bool in_list(const char *list, const char *text)
{
	size_t len = strlen(text);

	for (const char *at = list; (at = strstr(at, text)); at += len)
		if ((at == list || at[-1] == ',') &&
		    (!at[len] || at[len] == ','))
			return true;
	return false;
}

static bool same(const char *want, const char *got)
{
	return !want || (got && !strcmp(want, got));
}

/* What index.h says a filter means, record by record. */
static bool fits(const struct record_filter *f, const struct record *r)
{
	return (!f->types ? strcmp(r->type, "request") != 0 :
			    !strcmp(f->types, "*") ||
			    in_list(f->types, r->type)) &&
	       same(f->task_id, r->task_id) && same(f->run_id, r->run_id) &&
	       same(f->correlation_id, r->correlation_id) &&
	       same(f->actor, r->actor) &&
	       (!f->status || f->status == r->status) &&
	       (!f->since_us || r->ts_us >= f->since_us) &&
	       (!f->until_us || r->ts_us <= f->until_us) &&
	       r->seq > f->after_seq &&
	       (!f->words || (strcmp(r->type, "request") &&
			      record_holds(r->data, f->words)));
}

struct answer {
	const struct log *log;
	const struct record_filter *f;
	struct record_place *out;
	size_t n;
};

/* What op_audit_query does with words. */
static int take_fitting(const struct record_place *p, void *data,
			struct err *err)
{
	struct answer *a = data;
	const struct record *r = a->log->r[p->seq - a->log->base - 1];

	(void)err;
	if (record_holds(r->data, a->f->words))
		a->out[a->n++] = *p;
	return a->n == a->f->limit;
}

static int ask(struct reader *r, const struct log *l,
	       const struct record_filter *f, struct record_place *out,
	       size_t *n, struct err *err)
{
	struct answer a = {l, f, out, 0};
	int rc;

	if (!f->words || !f->limit)
		return reader_records(r, f, out, n, err);
	rc = reader_scan(r, f, take_fitting, &a, err);
	*n = a.n;
	return rc < 0 ? -1 : 0;
}

static void answer_is_right(struct reader *r, const struct log *l,
			    const struct record_filter *f, unsigned no)
{
	struct record_place got[64];
	struct err err = {0};
	size_t n, want = 0;

	ck_assert_msg(!ask(r, l, f, got, &n, &err), "%u: %s", no,
		      err.detail);
	for (size_t i = 0; i < l->n && want < f->limit; i++) {
		if (!fits(f, l->r[i]))
			continue;
		ck_assert_msg(want < n && got[want].seq == l->r[i]->seq &&
			      got[want].off == l->r[i]->off &&
			      got[want].len == l->r[i]->len,
			      "question %u, record %zu", no, want);
		want++;
	}
	ck_assert_msg(n == want, "question %u: %zu of %zu", no, n, want);
}

static void ask_a_thousand(struct reader *r, const struct log *l)
{
	static const char *const lists[] = {NULL, NULL, "*", "request", "heartbeat",
		"policy_denied,heartbeat", "request,task_state", "no,task_state",
		"no", "heartbeat,policy_denied,task_state,request"};
	static const char *const words[] = {"export", "dialog EXPORT", "an",
		"nothing al", "two of", "nowhere"};
	static const size_t limits[] = {0, 1, 7, 64};
	unsigned s = 7, *seed = &s;

	for (unsigned i = 0; i < 1000; i++) {
		struct record_filter f = {.types = PICK(lists),
					  .limit = PICK(limits),
					  .after_seq = l->base};

		if (next(seed) % 3 == 0)
			f.actor = next(seed) % 5 ? PICK(actors) : "nobody";
		if (next(seed) % 3 == 0)
			f.task_id = PICK(tasks);
		if (next(seed) % 4 == 0)
			f.run_id = PICK(tasks);
		if (next(seed) % 3 == 0)
			f.correlation_id = PICK(chains);
		if (next(seed) % 4 == 0)
			f.status = PICK(statuses);
		if (next(seed) % 3 == 0)
			f.since_us = 900 + next(seed) % 8000;
		if (next(seed) % 3 == 0)
			f.until_us = 900 + next(seed) % 8000;
		if (next(seed) % 3 == 0)
			f.after_seq = l->base + next(seed) % 2100;
		if (next(seed) % 3 == 0)
			f.words = PICK(words);
		answer_is_right(r, l, &f, i);
	}
}

START_TEST(a_thousand_questions_are_answered_as_by_reading_everything)
{
	struct log *l = many_records(2000);
	struct place p = place_new();
	struct index *x = open_ok(&p, false);
	struct reader *r = reader_ok(&p);

	for (size_t i = 0; i < l->n; i += 100)
		apply(x, l, i, i + 100);
	ask_a_thousand(r, l);
	reader_close(r);
	index_close(x);
	log_free(l);
	fs_remove_tree(p.dir);
}
END_TEST

/* As if there had been so many records before. */
static void put_cursor(const struct place *p, uint64_t seq, uint64_t off)
{
	sqlite3 *db;
	char *sql = xasprintf("INSERT INTO event VALUES(%llu,%llu,9,1,NULL,"
			      "NULL,NULL,NULL,NULL,NULL);"
			      "UPDATE meta SET seq=%llu,off=%llu",
			      (unsigned long long)seq,
			      (unsigned long long)off - 10,
			      (unsigned long long)seq,
			      (unsigned long long)off);

	ck_assert_int_eq(sqlite3_open(p->file, &db), SQLITE_OK);
	ck_assert_int_eq(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	free(sql);
}

START_TEST(what_lies_across_two_parts_of_the_index_is_one)
{
	struct log *l = xcalloc(1, sizeof(*l));
	struct place p = place_new();
	struct reader *r;
	struct index *x;

	l->base = (3 << 20) - 1000;
	l->off = 4000000000;
	index_close(open_ok(&p, false));
	put_cursor(&p, l->base, l->off);
	add_many(l, 2000);
	x = open_ok(&p, false);
	r = reader_ok(&p);
	for (size_t i = 0; i < l->n; i += 100)
		apply(x, l, i, i + 100);
	ask_a_thousand(r, l);
	reader_close(r);
	index_close(x);
	log_free(l);
	fs_remove_tree(p.dir);
}
END_TEST

/* What the index says is the newest record, as others see it. */
static uint64_t seen(struct reader *r)
{
	struct index_cursor at;

	ck_assert_int_eq(reader_cursor(r, &at, NULL), 0);
	return at.seq;
}

START_TEST(what_is_taken_is_seen_once_it_is_committed)
{
	struct log *l = many_records(2000);
	struct place p = place_new(), q = place_new();
	struct index *x = open_ok(&p, false), *y = open_ok(&q, false);
	struct reader *r = reader_ok(&p);
	char *taken, *applied;

	ck_assert_int_eq(index_commit(x, NULL), 0);
	ck_assert_int_eq(index_take(x, l->r, 700, NULL), 0);
	ck_assert_int_eq(index_take(x, l->r + 700, 800, NULL), 0);
	ck_assert_int_eq(seen(r), 0);
	ck_assert_int_eq(index_cursor(x).seq, 0);
	ck_assert_int_eq(index_commit(x, NULL), 0);
	ck_assert_int_eq(seen(r), 1500);
	ck_assert_int_eq(index_take(x, l->r + 1500, 100, NULL), 0);
	ck_assert_int_eq(index_take(x, l->r + 1700, 100, NULL), -1);
	ck_assert_int_eq(index_cursor(x).seq, 1500);
	ck_assert_int_eq(index_take(x, l->r + 1500, 200, NULL), 0);
	apply(x, l, 1500, 1600);	/* forgets what was taken */
	ck_assert_int_eq(seen(r), 1600);
	ck_assert_int_eq(index_take(x, l->r + 1400, 600, NULL), 0);
	ck_assert_int_eq(index_commit(x, NULL), 0);
	apply(y, l, 0, 2000);
	ask_a_thousand(r, l);
	taken = all_of(&p);
	applied = all_of(&q);
	ck_assert_str_eq(taken, applied);
	free(taken);
	free(applied);
	ck_assert_int_eq(index_take(x, l->r, 10, NULL), 0);
	reader_close(r);
	index_close(x);
	index_close(y);
	log_free(l);
	fs_remove_tree(p.dir);
	fs_remove_tree(q.dir);
}
END_TEST

/* A record of some 15,000 words, one of them of this record alone. */
static void log_wordy(struct log *l, unsigned no)
{
	struct buf text = {0};

	buf_addf(&text, "unique%u", no);
	for (unsigned i = 0; i < 15000; i++)
		buf_addf(&text, " %03x", i % 1000);
	log_add(l, (struct entry){.type = "t", .data = json_pack("{s:s}",
		"detail", text.data)}, no);
	buf_fini(&text);
}

START_TEST(many_words_are_not_all_in_memory_at_once)
{
	const unsigned many = POST_MAX / 24 / 15000 + 8;
	struct log *l = xcalloc(1, sizeof(*l));
	struct place p = place_new();
	struct index *x = open_ok(&p, false);
	struct reader *r = reader_ok(&p);

	for (unsigned i = 0; i < many; i++)
		log_wordy(l, i);
	for (unsigned i = 0; i < many; i++) {
		ck_assert_int_eq(index_take(x, l->r + i, 1, NULL), 0);
		ck_assert(x->post.words.len <= POST_MAX);
	}
	ck_assert_int_eq(seen(r), 0);
	ck_assert_int_eq(index_commit(x, NULL), 0);
	for (unsigned i = 0; i < many; i += many - 1) {
		char word[32];
		struct record_filter f = {.words = word, .limit = 64};

		snprintf(word, sizeof(word), "unique%u", i);
		answer_is_right(r, l, &f, i);
	}
	reader_close(r);
	index_close(x);
	log_free(l);
	fs_remove_tree(p.dir);
}
END_TEST

START_TEST(a_time_is_a_place_in_the_journal)
{
	static const struct { int64_t ts; unsigned want; } cases[] = {
		{0, 1}, {10, 1}, {11, 2}, {20, 2}, {21, 5}, {30, 5}, {31, 0},
	};
	static const int64_t at[] = {10, 20, 20, 20, 30};
	struct log *l = xcalloc(1, sizeof(*l));
	struct place p = place_new();
	struct index *x = open_ok(&p, false);
	struct reader *r = reader_ok(&p);

	ck_assert_int_eq(reader_seq_at(r, 0), 0);
	for (size_t i = 0; i < ARRAY_LEN(at); i++)
		log_add(l, (struct entry){.type = "t"}, at[i]);
	apply(x, l, 0, l->n);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		ck_assert_int_eq(reader_seq_at(r, cases[i].ts), cases[i].want);
	reader_close(r);
	index_close(x);
	log_free(l);
	fs_remove_tree(p.dir);
}
END_TEST

TESTS("index records",
      a_thousand_questions_are_answered_as_by_reading_everything,
      what_lies_across_two_parts_of_the_index_is_one,
      what_is_taken_is_seen_once_it_is_committed,
      many_words_are_not_all_in_memory_at_once,
      a_time_is_a_place_in_the_journal)
