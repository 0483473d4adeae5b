/* A wait on record is as long as it was, whoever sets the clock meanwhile. */
#include "tests/unit/unit.h"

#include <string.h>
#include <time.h>

#include "agent/ops/wait.h"
#include "common/clock.h"

#define HOUR 3600LL
#define DAY (24 * HOUR)
#define US 1000000LL

/* What each clock is ahead of the machine's own, in seconds. */
static int64_t wall, boot;

int __real_clock_gettime(clockid_t id, struct timespec *t);
int __wrap_clock_gettime(clockid_t id, struct timespec *t);

int __wrap_clock_gettime(clockid_t id, struct timespec *t)
{
	int rc = __real_clock_gettime(id, t);

	t->tv_sec += id == CLOCK_REALTIME ? wall :
		     id == CLOCK_BOOTTIME ? boot : 0;
	return rc;
}

static bool has_left(const json_t *doc, int64_t seconds)
{
	int64_t left = wait_left(doc, "expires_at");

	return left <= seconds * US && left > (seconds - UNIT_TIMEOUT) * US;
}

static json_t *an_hour(void)
{
	json_t *doc = json_object();

	wall = boot = 0;
	wait_set(doc, "expires_at", HOUR * US);
	return doc;
}

START_TEST(a_clock_that_is_set_makes_it_neither_shorter_nor_longer)
{
	static const int64_t steps[] = {0, DAY, -DAY, HOUR, -HOUR};

	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		json_t *doc = an_hour();

		wall = steps[i];
		ck_assert(has_left(doc, HOUR));
		boot = HOUR / 2;
		ck_assert(has_left(doc, HOUR / 2));
		boot = 2 * HOUR;
		ck_assert(has_left(doc, -HOUR));
		json_decref(doc);
	}
}
END_TEST

static void other_boot(json_t *doc)
{
	json_t *wait = json_object_get(json_object_get(doc, "waits"),
				       "expires_at");

	json_array_set_new(wait, 0, json_string("0123456789abcdef"));
}

START_TEST(after_a_boot_the_wall_clock_may_end_it_and_not_lengthen_it)
{
	static const struct { int64_t wall, left; } cases[] = {
		{0, HOUR}, {HOUR / 2, HOUR / 2}, {DAY, HOUR - DAY},
		{-DAY, HOUR}, {-60, HOUR},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		json_t *doc = an_hour();

		other_boot(doc);
		boot = -DAY;			/* counts from elsewhere */
		wall = cases[i].wall;
		ck_assert_msg(has_left(doc, cases[i].left), "case %zu", i);
		json_decref(doc);
	}
}
END_TEST

START_TEST(what_people_read_is_wall_time)
{
	json_t *doc = json_object();
	int64_t at;

	wall = -DAY;
	boot = 0;
	wait_set(doc, "expires_at", HOUR * US);
	ck_assert(clock_parse(json_str(doc, "expires_at"), 0, &at));
	at -= clock_wall_us();
	ck_assert(at <= HOUR * US && at > (HOUR - UNIT_TIMEOUT) * US);
	wait_hide(doc);
	ck_assert_uint_eq(json_object_size(doc), 1);
	json_decref(doc);
}
END_TEST

START_TEST(a_copy_has_waits_of_its_own)
{
	json_t *doc = an_hour(), *next = json_copy(doc);

	wait_set(next, "approved_at", 0);
	ck_assert_uint_eq(json_object_size(json_object_get(doc, "waits")), 1);
	ck_assert(has_left(next, HOUR));
	ck_assert(wait_left(next, "approved_at") <= 0);
	ck_assert_int_eq(wait_left(doc, "approved_at"), 0);
	json_decref(next);
	json_decref(doc);
}
END_TEST

START_TEST(what_is_no_wait_is_over)
{
	static const char *const odd[] = {
		"{}", "{\"expires_at\":1}", "{\"expires_at\":\"soon\"}",
		"{\"waits\":[]}", "{\"waits\":{\"expires_at\":[1,2]}}",
	};

	for (size_t i = 0; i < ARRAY_LEN(odd); i++) {
		json_t *doc = json_loads(odd[i], 0, NULL);

		ck_assert(wait_left(doc, "expires_at") <= 0);
		json_decref(doc);
	}
}
END_TEST

TESTS("wait", a_clock_that_is_set_makes_it_neither_shorter_nor_longer,
      after_a_boot_the_wall_clock_may_end_it_and_not_lengthen_it,
      what_people_read_is_wall_time, a_copy_has_waits_of_its_own,
      what_is_no_wait_is_over)
