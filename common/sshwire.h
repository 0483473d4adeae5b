/*
 * Reading SSH's binary encoding (RFC 4251, section 5) out of bytes that
 * somebody else wrote: nothing is read beyond them, nothing is copied.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct wire {			/* what is left to read; borrowed */
	const uint8_t *at;
	size_t left;
};

/* Each takes its value off the front; false, and nothing taken: too short. */
bool wire_byte(struct wire *w, uint8_t *out);
bool wire_u32(struct wire *w, uint32_t *out);
bool wire_string(struct wire *w, struct wire *out);
/* An mpint above zero in its one shortest form; out without a leading 0. */
bool wire_positive(struct wire *w, struct wire *out);

bool wire_is(const struct wire *w, const char *text);
bool wire_same(const struct wire *a, const struct wire *b);
