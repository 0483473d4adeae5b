/* Who fails too often has to wait, and nobody else does. */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>

#include "agent/ops/failures.h"

#define SECOND 1000000LL
#define BEGIN (1000 * SECOND)

/* How many in a row are taken before the first is refused. */
static unsigned taken(struct failures *f, const char *who, int64_t now)
{
	for (unsigned n = 0; n < 10000; n++)
		if (failures_add(f, who, now))
			return n;
	return 10000;
}

START_TEST(a_minutes_worth_is_taken_at_once_and_then_an_even_pace)
{
	static const int64_t rates[] = {1, 7, 60, 600};

	for (size_t i = 0; i < ARRAY_LEN(rates); i++) {
		struct failures *f = failures_new(rates[i]);
		int64_t each = 60 * SECOND / rates[i], now = BEGIN;

		ck_assert_uint_eq(taken(f, "127.0.0.1", now), rates[i]);
		ck_assert_uint_eq(taken(f, "127.0.0.1", now), 0);
		now += each;
		ck_assert_uint_eq(taken(f, "127.0.0.1", now), 1);
		now += 60 * SECOND;
		ck_assert_uint_eq(taken(f, "127.0.0.1", now), rates[i]);
		failures_free(f);
	}
}
END_TEST

START_TEST(the_seconds_to_wait_are_enough_and_no_second_too_many)
{
	struct failures *f = failures_new(6);	/* one in 10 s */
	unsigned wait;

	ck_assert_uint_eq(taken(f, "a", BEGIN), 6);
	wait = failures_add(f, "a", BEGIN);
	ck_assert_uint_eq(wait, 10);
	ck_assert_uint_eq(failures_add(f, "a", BEGIN + 9 * SECOND), 1);
	ck_assert_uint_eq(failures_add(f, "a", BEGIN + wait * SECOND), 0);
	failures_free(f);
}
END_TEST

START_TEST(who_is_refused_again_and_again_does_not_wait_longer_for_it)
{
	struct failures *f = failures_new(60);

	ck_assert_uint_eq(taken(f, "a", BEGIN), 60);
	for (int i = 0; i < 1000; i++)
		ck_assert_uint_eq(failures_add(f, "a", BEGIN), 1);
	ck_assert_uint_eq(failures_add(f, "a", BEGIN + SECOND), 0);
	failures_free(f);
}
END_TEST

START_TEST(each_is_counted_by_itself)
{
	static const char *const names[] = {
		"127.0.0.1", "127.0.0.2", "uid:1000", "k-1m82e8abn7ssr0je",
		"k-1m82e8abn7ssr0jf", "",
	};
	struct failures *f = failures_new(5);

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		ck_assert_uint_eq(taken(f, names[i], BEGIN), 5);
	failures_free(f);
}
END_TEST

/* However many addresses there are, who fails most is not forgotten. */
START_TEST(many_who_fail_once_do_not_hide_one_who_fails_often)
{
	struct failures *f = failures_new(60);
	char who[32];

	ck_assert_uint_eq(taken(f, "10.9.9.9", BEGIN), 60);
	for (int i = 0; i < 100000; i++) {
		snprintf(who, sizeof(who), "10.%d.%d.%d", i / 65536,
			 i / 256 % 256, i % 256);
		failures_add(f, who, BEGIN);
	}
	ck_assert_uint_eq(taken(f, "10.9.9.9", BEGIN), 0);
	failures_free(f);
}
END_TEST

START_TEST(a_refusal_is_told_for_a_minute)
{
	struct failures *f = failures_new(60);
	uint64_t n;

	ck_assert(!failures_refused(f, BEGIN, &n));
	for (int i = 0; i < 60; i++)
		failures_add(f, "a", BEGIN);
	ck_assert(!failures_refused(f, BEGIN, &n));
	for (int i = 0; i < 3; i++)
		failures_add(f, "a", BEGIN);
	ck_assert(failures_refused(f, BEGIN + 60 * SECOND, &n));
	ck_assert_uint_eq(n, 3);
	ck_assert(!failures_refused(f, BEGIN + 61 * SECOND, &n));
	for (int i = 0; i < 300; i++)
		failures_add(f, "a", BEGIN + 200 * SECOND);
	ck_assert(failures_refused(f, BEGIN + 200 * SECOND, &n));
	ck_assert_uint_eq(n, 240);
	failures_free(f);
}
END_TEST

TESTS("failures",
      a_minutes_worth_is_taken_at_once_and_then_an_even_pace,
      the_seconds_to_wait_are_enough_and_no_second_too_many,
      who_is_refused_again_and_again_does_not_wait_longer_for_it,
      each_is_counted_by_itself,
      many_who_fail_once_do_not_hide_one_who_fails_often,
      a_refusal_is_told_for_a_minute)
