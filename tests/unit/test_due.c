/* The clock keeps one time for each document, however often it is told. */
#include "tests/unit/unit.h"

#include <stdio.h>

#include "agent/ops/due.h"

START_TEST(what_is_due_comes_in_order_of_time)
{
	static const int64_t times[] = {50, 10, 40, 20, 30};
	struct due *d = due_new();
	struct due_item item;
	char id[8];

	ck_assert(due_next(d) == INT64_MAX);
	for (size_t i = 0; i < 5; i++) {
		snprintf(id, sizeof(id), "t%zu", i);
		due_add(d, times[i], "task", id);
	}
	for (int64_t at = 10; at <= 50; at += 10) {
		ck_assert(due_next(d) == at);
		ck_assert(!due_pop(d, at - 1, &item));
		ck_assert(due_pop(d, at, &item));
		ck_assert(item.at_us == at);
	}
	ck_assert(!due_pop(d, INT64_MAX - 1, &item));
	due_free(d);
}
END_TEST

START_TEST(only_the_earliest_time_of_a_document_counts)
{
	struct due *d = due_new();
	struct due_item item;

	for (int64_t at = 100; at < 10000; at++)
		due_add(d, at, "task", "t");	/* later: not needed */
	due_add(d, 100, "run", "t");		/* another document */
	ck_assert(due_pop(d, 100, &item));
	ck_assert(due_pop(d, 100, &item));
	ck_assert(due_next(d) == INT64_MAX);
	due_add(d, 90, "task", "t");
	due_add(d, 80, "task", "t");		/* earlier: counts from now */
	ck_assert(due_pop(d, 85, &item));
	ck_assert(item.at_us == 80);
	due_add(d, 95, "task", "t");		/* not time yet: again */
	ck_assert(!due_pop(d, 94, &item));
	ck_assert(due_pop(d, 95, &item));
	ck_assert(item.at_us == 95);
	ck_assert(!due_pop(d, 1000, &item));
	due_free(d);
}
END_TEST

TESTS("due", what_is_due_comes_in_order_of_time,
      only_the_earliest_time_of_a_document_counts)
