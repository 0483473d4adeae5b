/* What has to go: by age and by size, the oldest first, and no more. */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

#include "agent/store/retention.h"
#include "agent/store/settings.h"
#include "common/clock.h"

#define DAY 86400000000LL
#define NOW (20000 * DAY)

static struct retention rules[] = {
	{"video/mp4", 0, 0}, {"video/*", 30 * DAY, 1000}, {"text/*", 0, 100},
	{"image/*", DAY, 0}, {"*", 0, 0},
};

/* Files by the last digit of their hash, days old, bytes. */
static void add(struct retained_list *l, int file, const char *type,
		int days, int size)
{
	char sha[SHA256_HEX], at[CLOCK_TEXT];
	json_t *doc;

	snprintf(sha, sizeof(sha), "%064d", file);
	clock_text(NOW - days * DAY, at);
	doc = json_pack("{s:s,s:s,s:s,s:i}", "sha256", sha, "media_type",
			type, "created_at", at, "size", size);
	retained_add(l, rules, ARRAY_LEN(rules), doc);
	json_decref(doc);
}

/* "3o 1m": files that go, in order, too old or too much. */
static void check(struct retained_list *l, const char *want)
{
	char got[256] = "", *at = got;

	retained_decide(l, rules, ARRAY_LEN(rules), NOW);
	for (size_t i = 0; i < l->n; i++)
		at += sprintf(at, "%s%d%c", i ? " " : "",
			      atoi(l->items[i].sha256 + 60),
			      l->items[i].fate == TOO_OLD ? 'o' : 'm');
	ck_assert_str_eq(got, want);
	retained_fini(l);
}

static const struct { const char *type; int rule; } types[] = {
	{"video/mp4", 0}, {"video/webm", 1}, {"text/plain", 2},
	{"image/png", 3}, {"application/zip", 4}, {"", 4}, {NULL, -1},
};

START_TEST(the_first_pattern_that_fits_counts)
{
	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		ck_assert_int_eq(retention_rule(rules, ARRAY_LEN(rules),
						types[i].type),
				 types[i].rule);
	ck_assert_int_eq(retention_rule(rules, 2, "text/plain"), -1);
	ck_assert_int_eq(retention_rule(NULL, 0, "text/plain"), -1);
}
END_TEST

START_TEST(what_is_as_old_as_the_limit_goes)
{
	struct retained_list l = {0};

	add(&l, 1, "video/webm", 29, 1);
	add(&l, 2, "video/webm", 30, 1);
	add(&l, 3, "video/webm", 31, 1);
	add(&l, 4, "image/png", 1, 1);
	add(&l, 5, "image/png", 0, 1);
	add(&l, 6, "video/mp4", 999, 1);	/* its rule has no limit */
	check(&l, "3o 2o 4o");
}
END_TEST

START_TEST(the_oldest_go_until_the_rest_fits)
{
	struct retained_list l = {0};

	add(&l, 1, "video/webm", 1, 400);
	add(&l, 2, "video/webm", 2, 600);
	add(&l, 3, "video/webm", 3, 1);
	add(&l, 4, "text/plain", 4, 100);
	check(&l, "3m");
}
END_TEST

START_TEST(what_is_older_than_what_does_not_fit_goes_too)
{
	struct retained_list l = {0};

	add(&l, 1, "video/webm", 1, 400);
	add(&l, 2, "video/webm", 2, 700);
	add(&l, 3, "video/webm", 3, 1);
	check(&l, "3m 2m");
}
END_TEST

START_TEST(one_file_over_the_limit_goes)
{
	struct retained_list l = {0};

	add(&l, 1, "text/plain", 0, 101);
	check(&l, "1m");
}
END_TEST

START_TEST(what_is_too_old_takes_no_room)
{
	struct retained_list l = {0};

	add(&l, 1, "video/webm", 40, 900);
	add(&l, 2, "video/webm", 3, 900);
	add(&l, 3, "video/webm", 1, 100);
	check(&l, "1o");
}
END_TEST

START_TEST(a_file_stored_again_is_as_old_as_the_last_time_and_counts_once)
{
	struct retained_list l = {0};

	add(&l, 1, "video/webm", 40, 600);
	add(&l, 1, "video/webm", 2, 600);
	add(&l, 2, "video/webm", 3, 400);
	add(&l, 1, "video/webm", 35, 600);
	check(&l, "");
}
END_TEST

START_TEST(what_is_no_document_of_a_file_is_left_alone)
{
	static const char *const docs[] = {
		"{}", "{\"sha256\":\"x\",\"media_type\":\"text/plain\"}",
		"{\"sha256\":\"x\",\"media_type\":\"text/plain\","
		"\"created_at\":\"2000-01-01T00:00:00Z\",\"size\":1000}",
	};
	struct retained_list l = {0};

	for (size_t i = 0; i < ARRAY_LEN(docs); i++) {
		json_t *doc = json_loads(docs[i], 0, NULL);

		retained_add(&l, rules, ARRAY_LEN(rules), doc);
		json_decref(doc);
	}
	check(&l, "");
}
END_TEST

START_TEST(the_reason_names_the_rule)
{
	static const struct { int64_t age; const char *why; } ages[] = {
		{30 * DAY, "retention: video/* is kept for 30d"},
		{DAY / 2, "retention: video/* is kept for 12h"},
		{DAY / 24 / 4, "retention: video/* is kept for 900s"},
		{1000, "retention: video/* is kept for 1ms"},
	};
	struct retained r = {.rule = 1, .fate = TOO_OLD};
	char *why;

	for (size_t i = 0; i < ARRAY_LEN(ages); i++) {
		struct retention rule[2] = {{0}, {"video/*", ages[i].age, 5}};

		why = retained_why(&r, rule);
		ck_assert_str_eq(why, ages[i].why);
		free(why);
	}
	r.fate = TOO_MUCH;
	why = retained_why(&r, rules);
	ck_assert_str_eq(why, "retention: all video/* are over 1000 bytes, "
			 "and this was the oldest");
	free(why);
}
END_TEST

TESTS("retention", the_first_pattern_that_fits_counts,
      what_is_as_old_as_the_limit_goes, the_oldest_go_until_the_rest_fits,
      what_is_older_than_what_does_not_fit_goes_too,
      one_file_over_the_limit_goes, what_is_too_old_takes_no_room,
      a_file_stored_again_is_as_old_as_the_last_time_and_counts_once,
      what_is_no_document_of_a_file_is_left_alone, the_reason_names_the_rule)
