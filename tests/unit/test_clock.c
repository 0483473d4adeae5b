/* Three clocks of the machine: only one of them can be set by anybody. */
#include "tests/unit/unit.h"

#include <time.h>

#include "common/clock.h"

#define HOUR 3600LL
#define DAY (24 * HOUR)
#define US 1000000LL

/* What each clock is ahead of the machine's own, in seconds. */
static int64_t wall, boot, mono;

int __real_clock_gettime(clockid_t id, struct timespec *t);
int __wrap_clock_gettime(clockid_t id, struct timespec *t);

int __wrap_clock_gettime(clockid_t id, struct timespec *t)
{
	int rc = __real_clock_gettime(id, t);

	t->tv_sec += id == CLOCK_REALTIME ? wall :
		     id == CLOCK_BOOTTIME ? boot : mono;
	return rc;
}

static bool about(int64_t us, int64_t seconds)
{
	return us >= seconds * US && us < (seconds + UNIT_TIMEOUT) * US;
}

START_TEST(steady_time_begins_as_wall_time)
{
	int64_t steady = clock_steady_us();

	ck_assert(about(clock_wall_us() - steady + US, 0));
}
END_TEST

START_TEST(a_clock_that_is_set_moves_steady_time_neither_way)
{
	static const int64_t steps[] = {DAY, -DAY, HOUR, -HOUR, 1, -1, 0};
	int64_t began = clock_steady_us(), real = clock_wall_us();

	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		wall = steps[i];
		ck_assert(about(clock_wall_us() - real, steps[i]));
		ck_assert(about(clock_steady_us() - began, 0));
		ck_assert(clock_steady_us() >= began);
	}
}
END_TEST

START_TEST(the_time_that_the_machine_slept_has_passed)
{
	int64_t began = clock_steady_us(), lasted = clock_mono_us();

	wall = boot = HOUR;		/* asleep: not a step of the clock */
	ck_assert(about(clock_steady_us() - began, HOUR));
	ck_assert(about(clock_wall_us() - began, HOUR));
	ck_assert(about(clock_mono_us() - lasted, 0));
	wall = HOUR - DAY;		/* and set on waking */
	ck_assert(about(clock_steady_us() - began, HOUR));
}
END_TEST

TESTS("clock", steady_time_begins_as_wall_time,
      a_clock_that_is_set_moves_steady_time_neither_way,
      the_time_that_the_machine_slept_has_passed)
