/* A record's time: RFC 3339, UTC, microseconds, always RECORD_TIME bytes. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#define RECORD_TIME 27			/* 2026-01-02T03:04:05.678901Z */
#define RECORD_TIME_MAX 253402300799999999	/* the end of the year 9999 */

/* Writes RECORD_TIME bytes; us within 0..RECORD_TIME_MAX. */
void record_time_write(char *out, int64_t us);
/* Reads RECORD_TIME bytes; false if they are no time since 1970. */
bool record_time_read(const char *text, int64_t *us);
