/* See log.h. At most 50 lines a second leave; the rest are counted. */
#include "common/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>

#include "common/clock.h"
#include "common/utf8.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static enum log_level limit = LOG_INFO;
static int64_t second;
static unsigned in_second, dropped;

void log_setup(enum log_level most)
{
	limit = most;
}

static bool may_say(void)
{
	int64_t now = clock_mono_us() / 1000000;

	if (now != second) {
		if (dropped)
			fprintf(stderr, "warn  %u log lines left out\n",
				dropped);
		second = now;
		in_second = dropped = 0;
	}
	if (in_second++ < 50)
		return true;
	dropped++;
	return false;
}

void log_at(enum log_level level, const char *fmt, ...)
{
	static const char *const names[] = {"error", "warn", "info", "debug"};
	char text[1024], shown[2048], at[CLOCK_TEXT];
	va_list ap;

	if (level > limit)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	utf8_visible(text, shown, sizeof(shown));
	clock_text(clock_wall_us(), at);
	pthread_mutex_lock(&lock);
	if (may_say())
		fprintf(stderr, "%s %-5s %s\n", at, names[level], shown);
	pthread_mutex_unlock(&lock);
}
