/* What is repacked next: a table of repositories and of what is chosen. */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

#include "agent/core/upkeep_plan.h"

#define MOST 8
#define LATE 1000

static const struct {
	const char *what;
	/* objects; bytes are ten times as many. 0 ends it. Negative: whole */
	int packs[MOST];
	size_t loose;
	enum plan plan;
	size_t chosen;
} cases[] = {
	{"nothing is there", {0}, 0, PLAN_NOTHING, 0},
	{"a few new ones wait for more", {-10, -10, -10}, 0, PLAN_NOTHING, 0},
	{"new ones of a size are taken", {-50, -60}, 0, PLAN_NEW, 2},
	{"a large new one alone waits", {-150}, 0, PLAN_NOTHING, 0},
	{"repacked ones are no new ones", {-10, 200, 900}, 0, PLAN_NOTHING, 0},
	{"as many as memory allows", {-900, -900, -900}, 0, PLAN_NOTHING, 0},
	{"a row that doubles stays", {1, 2, 6, 18}, 0, PLAN_NOTHING, 0},
	{"equal ones are rolled", {5, 5}, 0, PLAN_ROLL, 2},
	{"and what they outgrow", {5, 5, 19, 100}, 0, PLAN_ROLL, 3},
	{"not what is large enough", {5, 5, 20, 100}, 0, PLAN_ROLL, 2},
	{"nothing above the limit", {600, 600, 700}, 0, PLAN_NOTHING, 0},
	{"but all below it", {300, 400, 700}, 0, PLAN_ROLL, 2},
	{"loose objects alone", {0}, PLAN_LOOSE, PLAN_NEW, 0},
	{"loose objects with new ones", {-1, 7, 70}, 2000, PLAN_NEW, 1},
};

static size_t fill(struct pack_facts *list, const int *packs)
{
	size_t n = 0;

	for (; n < MOST && packs[n]; n++) {
		list[n] = (struct pack_facts){
			.objects = (uint64_t)abs(packs[n]),
			.bytes = 10 * (uint64_t)abs(packs[n]),
			.changed_ns = (int64_t)n + 1, .whole = packs[n] < 0,
		};
		snprintf(list[n].name, PACK_NAME, "pack-%zu", n);
	}
	return n;
}

START_TEST(the_next_repack_is_the_one_that_is_worth_it)
{
	const struct plan_limits limits = {.new_bytes = 1000, .objects = 1000,
					   .before_ns = LATE};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct pack_facts list[MOST];
		size_t chosen = 99, n = fill(list, cases[i].packs);
		enum plan plan = plan_repack(list, n, cases[i].loose, &limits,
					     &chosen);

		ck_assert_msg(plan == cases[i].plan, "%s", cases[i].what);
		if (plan == PLAN_NOTHING)
			continue;
		ck_assert_msg(chosen == cases[i].chosen, "%s: %zu",
			      cases[i].what, chosen);
		for (size_t k = 0; k < chosen; k++)
			ck_assert(list[k].whole == (plan == PLAN_NEW));
	}
}
END_TEST

START_TEST(what_is_kept_or_too_new_is_nobodys_business)
{
	const struct plan_limits limits = {.new_bytes = 1, .objects = 1000,
					   .before_ns = LATE};
	struct pack_facts list[MOST];
	size_t chosen;

	fill(list, (int[MOST]){-50, -50, -50, 50, 50});
	list[0].kept = list[3].kept = true;
	list[1].changed_ns = LATE + 1;
	ck_assert_int_eq(plan_repack(list, 5, 0, &limits, &chosen),
			 PLAN_NOTHING);
	list[1].changed_ns = LATE;
	ck_assert_int_eq(plan_repack(list, 5, 0, &limits, &chosen), PLAN_NEW);
	ck_assert_uint_eq(chosen, 2);
	ck_assert(!list[0].kept && !list[1].kept);
}
END_TEST

START_TEST(every_object_is_rewritten_a_few_times_however_long_it_goes_on)
{
	enum { MANY = 64 };
	const struct plan_limits limits = {.new_bytes = 1000, .objects = 100000,
					   .before_ns = INT64_MAX};
	struct pack_facts list[MANY];
	uint64_t written = 0, total = 0;
	size_t n = 0, most = 0, chosen;
	enum plan plan;

	for (int i = 0; i < 10000; i++) {
		list[n++] = (struct pack_facts){.objects = 100, .bytes = 1000,
						.whole = true,
						.changed_ns = i};
		total += 100;
		while ((plan = plan_repack(list, n, 0, &limits, &chosen)) !=
		       PLAN_NOTHING) {
			struct pack_facts one = {.changed_ns = i};

			for (size_t k = 0; k < chosen; k++) {
				one.objects += list[k].objects;
				one.bytes += list[k].bytes;
			}
			memmove(list, list + chosen,
				(n - chosen) * sizeof(*list));
			n -= chosen;
			list[n++] = one;
			written += one.objects;
		}
		most = n > most ? n : most;
		ck_assert_uint_lt(n, MANY);
	}
	ck_assert_uint_lt(written, 12 * total);
	ck_assert_uint_lt(most, 35);
}
END_TEST

TESTS("upkeep_plan", the_next_repack_is_the_one_that_is_worth_it,
      what_is_kept_or_too_new_is_nobodys_business,
      every_object_is_rewritten_a_few_times_however_long_it_goes_on)
