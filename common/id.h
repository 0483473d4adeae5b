/* Names of things: made ids sort by the time they were made. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#define ID_MAX 128
#define ID_MADE 19		/* "t-" + 16 digits + NUL */

/* "t-01jd3k9x7m2q5r8s": kind, dash, 45 bits of ms and 35 random bits. */
void id_make(char kind, char out[ID_MADE]);
/* 1..128 of A-Za-z0-9._- with an alphanumeric first. */
bool id_valid(const char *text);
/* X-Correlation-Id: 1..128 of A-Za-z0-9._:- */
bool correlation_valid(const char *text);

void random_bytes(void *out, size_t len);	/* aborts without entropy */
void random_base62(char *out, size_t digits);	/* and NUL */
