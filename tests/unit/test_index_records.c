/* Questions on records are answered as by reading all of them. */
#include "tests/unit/indexes.h"

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
	       r->seq > f->after_seq;
}

static void answer_is_right(struct reader *r, const struct log *l,
			    const struct record_filter *f, unsigned no)
{
	struct record_place got[64];
	struct err err = {0};
	size_t n, want = 0;

	ck_assert_msg(!reader_records(r, f, got, &n, &err), "%u: %s", no,
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

START_TEST(a_thousand_questions_are_answered_as_by_reading_everything)
{
	static const char *const lists[] = {NULL, NULL, "*", "request", "heartbeat",
		"policy_denied,heartbeat", "request,task_state", "no,task_state",
		"no", "heartbeat,policy_denied,task_state,request"};
	static const size_t limits[] = {0, 1, 7, 64};
	struct log *l = many_records(2000);
	struct place p = place_new();
	struct index *x = open_ok(&p, false);
	struct reader *r = reader_ok(&p);
	unsigned s = 7, *seed = &s;

	for (size_t i = 0; i < l->n; i += 100)
		apply(x, l, i, i + 100);
	for (unsigned i = 0; i < 1000; i++) {
		struct record_filter f = {.types = PICK(lists),
					  .limit = PICK(limits)};

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
			f.after_seq = next(seed) % 2100;
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
      a_time_is_a_place_in_the_journal)
