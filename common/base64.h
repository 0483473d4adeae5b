/* Base64 of RFC 4648, section 4: one way to write each run of bytes. */
#pragma once
#include <stddef.h>
#include <sys/types.h>

struct buf;

#define BASE64_LEN(raw) (((raw) + 2) / 3 * 4)	/* without NUL */

void base64_text(const void *raw, size_t len, char *out);	/* and NUL */
void base64_add(struct buf *b, const void *raw, size_t len);
/*
 * The bytes that text stands for, at most max of them; how many. -1: too
 * many, or not exactly as base64_text would have written them.
 */
ssize_t base64_raw(const char *text, size_t len, void *out, size_t max);
