/* Which of two events is newer, and how many a minute there may be. */
#include "tests/unit/unit.h"

#include "agent/ops/webhook_seen.h"
#include "agent/ops/webhook_tally.h"
#include "agent/store/settings.h"

#define SECOND 1000000LL

static json_t *value(const char *text)
{
	json_t *v = json_loads(text, JSON_DECODE_ANY, NULL);

	ck_assert_ptr_nonnull(v);
	return v;
}

START_TEST(sequences_compare_as_what_they_are)
{
	static const struct { const char *a, *b; int order; } cases[] = {
		{"1", "2", -1}, {"2", "2", 0}, {"-1", "-2", 1},
		{"9007199254740991", "9007199254740990", 1},
		{"1.5", "1", 1}, {"1.0", "1", 0}, {"0.1", "0.2", -1},
		{"\"9\"", "\"10\"", -1}, {"\"010\"", "\"10\"", 0},
		{"\"99999999999999999999\"", "\"100000000000000000000\"", -1},
		{"\"a\"", "\"b\"", -1}, {"\"v9\"", "\"v10\"", 1},
		{"\"\"", "\"a\"", -1}, {"\"\\u00e4\"", "\"z\"", 1},
		{"\"2026-01-02T10:00:00Z\"", "\"2026-01-02T11:00:00+01:00\"",
		 0},
		{"\"2026-01-02T10:00:00-01:00\"", "\"2026-01-02T10:59:59Z\"",
		 1},
		{"\"2026-01-02T10:00:00.1Z\"", "\"2026-01-02T10:00:00.09Z\"",
		 1},
		{"\"2026-01-02T10:00:00.123456700Z\"",
		 "\"2026-01-02T10:00:00.1234569Z\"", -1},
		{"\"2026-01-02T10:00:00.1234560001+00:00\"",
		 "\"2026-01-02T10:00:00.123456Z\"", 1},
		{"\"2026-01-02T10:00:00.1000000Z\"",
		 "\"2026-01-02T10:00:00.1Z\"", 0},
		{"\"2h\"", "\"7d\"", -1},	/* no times: bytes */
		{"1", "\"1\"", 2}, {"\"a\"", "0", 2}, {"null", "1", 2},
		{"true", "false", 2},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		json_t *a = value(cases[i].a), *b = value(cases[i].b);
		int back = cases[i].order == 2 ? 2 : -cases[i].order;

		ck_assert_msg(webhook_compare(a, b) == cases[i].order,
			      "%s %s", cases[i].a, cases[i].b);
		ck_assert_int_eq(webhook_compare(b, a), back);
		json_decref(a);
		json_decref(b);
	}
}
END_TEST

START_TEST(no_minute_has_more_than_are_allowed)
{
	struct webhook_conf conf[2] = {{.max_per_minute = 3}, {0}};
	struct settings s = {.webhooks = conf, .n_webhooks = 2};
	struct webhook_tally *t = webhook_tally_new(&s);
	int64_t now = 1000 * SECOND;

	for (int i = 0; i < 3; i++)
		ck_assert_uint_eq(webhook_tally_rate(t, conf, now +
						     i * SECOND), 0);
	ck_assert_uint_eq(webhook_tally_rate(t, conf, now + 2 * SECOND), 58);
	ck_assert_uint_eq(webhook_tally_rate(t, conf, now + 60 * SECOND - 1),
			  1);
	ck_assert_uint_eq(webhook_tally_rate(t, conf, now + 60 * SECOND), 0);
	ck_assert_uint_eq(webhook_tally_rate(t, conf, now + 60 * SECOND), 1);
	ck_assert_uint_eq(webhook_tally_rate(t, conf, now + 61 * SECOND), 0);
	for (int i = 0; i < 1000; i++)
		ck_assert_uint_eq(webhook_tally_rate(t, conf + 1, now), 0);
	webhook_tally_free(t);
}
END_TEST

START_TEST(what_became_of_them_is_counted_for_each_source)
{
	struct webhook_conf conf[2] = {{0}, {0}};
	struct settings s = {.webhooks = conf, .n_webhooks = 2};
	struct webhook_tally *t = webhook_tally_new(&s);
	struct webhook_sums sums;

	webhook_tally_add(t, conf + 1, WEBHOOK_REPEATED);
	ck_assert_int_eq(webhook_tally_of(t, 1).last_us, 0);
	webhook_tally_add(t, conf + 1, WEBHOOK_ACCEPTED);
	webhook_tally_add(t, conf + 1, WEBHOOK_REFUSED);
	webhook_tally_add(t, conf + 1, WEBHOOK_REFUSED);
	sums = webhook_tally_of(t, 1);
	ck_assert_uint_eq(sums.accepted, 1);
	ck_assert_uint_eq(sums.repeated, 1);
	ck_assert_uint_eq(sums.refused, 2);
	ck_assert_int_ne(sums.last_us, 0);
	ck_assert_uint_eq(webhook_tally_of(t, 0).refused, 0);
	webhook_tally_free(t);
}
END_TEST

TESTS("webhooks", sequences_compare_as_what_they_are,
      no_minute_has_more_than_are_allowed,
      what_became_of_them_is_counted_for_each_source)
