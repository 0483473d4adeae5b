/* What note.c and note_sign.c share. Not for others. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"

#define ED25519_LEN 64			/* of a signature */

static inline uint32_t big_endian(const uint8_t *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 |
	       (uint32_t)at[2] << 8 | at[3];
}

/* UTF-8 without control characters but LF, which it ends in. */
bool note_text_valid(const char *text, size_t len);
/* What a witness says before the text. */
static inline void note_cosigned(struct buf *b, uint64_t time)
{
	buf_addf(b, "cosignature/v1\ntime %llu\n", (unsigned long long)time);
}
