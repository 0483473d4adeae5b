/* Time. Wall time goes on the record only; every wait is monotonic. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CLOCK_TEXT 28			/* "2026-01-02T03:04:05.678901Z" + NUL */

int64_t clock_wall_us(void);		/* since 1970, UTC */
int64_t clock_mono_us(void);
int64_t clock_boot_us(void);		/* monotonic, and goes on in sleep */
/*
 * What that counts from, 16 hex digits: where another process says the same,
 * its times and ours can be compared. That is so until the next boot.
 */
const char *clock_boot(void);
/*
 * The wall time of when this process started, and what has passed since, in
 * sleep too: who sets the clock moves it neither way. For waits that last.
 */
int64_t clock_steady_us(void);

void clock_text(int64_t wall_us, char out[CLOCK_TEXT]);	/* RFC 3339, us */
/* RFC 3339 with any offset, or "2h" / "7d" meaning that long before now. */
bool clock_parse(const char *text, int64_t now_us, int64_t *wall_us);

/* "500ms", "10s", "15m", "2h", "30d" in microseconds; false if it is none. */
bool duration_parse(const char *text, int64_t *us);
