/* See clock.h. */
#include "common/clock.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int64_t now(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

int64_t clock_wall_us(void)
{
	return now(CLOCK_REALTIME);
}

int64_t clock_mono_us(void)
{
	return now(CLOCK_MONOTONIC);
}

int64_t clock_boot_us(void)
{
	return now(CLOCK_BOOTTIME);
}

/*
 * Written before main() and never after: what the wall clock said when the
 * other was 0, and what that one counts from.
 */
static int64_t started;
static char boot[17];

static void add_file(uint64_t *hash, const char *path)
{
	char text[128];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text));

	if (fd >= 0)
		close(fd);
	if (n <= 0)			/* nobody else's, then */
		n = snprintf(text, sizeof(text), "%d %lld", getpid(),
			     (long long)clock_wall_us());
	for (ssize_t i = 0; i < n; i++)		/* FNV-1a */
		*hash = (*hash ^ (unsigned char)text[i]) * 0x100000001b3;
}

/* The kernel's boot, and where a namespace of times begins in it. */
__attribute__((constructor)) static void start(void)
{
	uint64_t hash = 0xcbf29ce484222325;

	started = clock_wall_us() - clock_boot_us();
	add_file(&hash, "/proc/sys/kernel/random/boot_id");
	if (!access("/proc/self/timens_offsets", F_OK))
		add_file(&hash, "/proc/self/timens_offsets");
	snprintf(boot, sizeof(boot), "%016llx", (unsigned long long)hash);
}

const char *clock_boot(void)
{
	return boot;
}

int64_t clock_steady_us(void)
{
	return started + clock_boot_us();
}

void clock_text(int64_t wall_us, char out[CLOCK_TEXT])
{
	time_t s = (time_t)(wall_us / 1000000);
	struct tm tm;

	gmtime_r(&s, &tm);
	/* The remainders tell the compiler what the calendar already says. */
	snprintf(out, CLOCK_TEXT, "%04u-%02u-%02uT%02u:%02u:%02u.%06uZ",
		 (unsigned)(tm.tm_year + 1900) % 10000,
		 (unsigned)(tm.tm_mon + 1) % 100, (unsigned)tm.tm_mday % 100,
		 (unsigned)tm.tm_hour % 100, (unsigned)tm.tm_min % 100,
		 (unsigned)tm.tm_sec % 100,
		 (unsigned)(wall_us % 1000000) % 1000000);
}

/* ".123456" as microseconds; *at moves behind it. */
static int64_t fraction(const char **at)
{
	int64_t us = 0, unit = 100000;

	if (**at != '.')
		return 0;
	for ((*at)++; **at >= '0' && **at <= '9'; (*at)++, unit /= 10)
		us += (**at - '0') * unit;
	return us;
}

static bool offset(const char *at, int64_t *seconds)
{
	int h, m, n = 0;

	*seconds = 0;
	if (!strcmp(at, "Z") || !strcmp(at, "z"))
		return true;
	if ((*at != '+' && *at != '-') ||
	    sscanf(at + 1, "%2d:%2d%n", &h, &m, &n) != 2 || at[1 + n] ||
	    n != 5 || h > 23 || m > 59)
		return false;
	*seconds = (*at == '-' ? -1 : 1) * (h * 3600 + m * 60);
	return true;
}

bool clock_parse(const char *text, int64_t now_us, int64_t *wall_us)
{
	struct tm tm = {0};
	const char *at = text;
	int64_t us, off;
	int n = 0;

	if (duration_parse(text, &us)) {
		*wall_us = now_us - us;
		return true;
	}
	if (sscanf(text, "%4d-%2d-%2d%*1[Tt ]%2d:%2d:%2d%n", &tm.tm_year,
		   &tm.tm_mon, &tm.tm_mday, &tm.tm_hour, &tm.tm_min,
		   &tm.tm_sec, &n) != 6 || n != 19)
		return false;
	if (tm.tm_mon < 1 || tm.tm_mon > 12 || tm.tm_mday < 1 ||
	    tm.tm_mday > 31 || tm.tm_hour > 23 || tm.tm_min > 59 ||
	    tm.tm_sec > 60 || tm.tm_year < 1970)
		return false;
	tm.tm_year -= 1900;
	tm.tm_mon--;
	at += n;
	us = fraction(&at);
	if (!offset(at, &off))
		return false;
	*wall_us = ((int64_t)timegm(&tm) - off) * 1000000 + us;
	return true;
}

bool duration_parse(const char *text, int64_t *us)
{
	static const struct { const char *unit; int64_t us; } units[] = {
		{"ms", 1000}, {"s", 1000000}, {"m", 60000000},
		{"h", 3600000000}, {"d", 86400000000},
	};
	char *end;
	unsigned long long n;

	if (!text || *text < '0' || *text > '9')
		return false;
	n = strtoull(text, &end, 10);
	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++)
		if (!strcmp(end, units[i].unit) &&
		    n <= (unsigned long long)(INT64_MAX / 4 / units[i].us)) {
			*us = (int64_t)n * units[i].us;
			return true;
		}
	return false;
}
