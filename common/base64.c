/* See base64.h. */
#include "common/base64.h"

#include <stdint.h>
#include <string.h>

#include "common/buf.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
			     "abcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_text(const void *raw, size_t len, char *out)
{
	const uint8_t *in = raw;

	for (size_t i = 0; i < len; i += 3) {
		const size_t left = len - i;
		const uint32_t three = (uint32_t)in[i] << 16 |
			(left > 1 ? (uint32_t)in[i + 1] << 8 : 0) |
			(left > 2 ? in[i + 2] : 0u);

		*out++ = digits[three >> 18];
		*out++ = digits[three >> 12 & 63];
		*out++ = left > 1 ? digits[three >> 6 & 63] : '=';
		*out++ = left > 2 ? digits[three & 63] : '=';
	}
	*out = 0;
}

void base64_add(struct buf *b, const void *raw, size_t len)
{
	base64_text(raw, len, buf_room(b, BASE64_LEN(len) + 1));
	b->len += BASE64_LEN(len);
}

/* The value of four digits, the last `pad` of them being '='; -1: none. */
static int32_t four(const char *text, size_t pad)
{
	int32_t value = 0;

	for (size_t i = 0; i < 4; i++) {
		const char *d = text[i] && i < 4 - pad ?
					strchr(digits, text[i]) : NULL;

		if (i < 4 - pad ? !d : text[i] != '=')
			return -1;
		value = value << 6 | (d ? (int32_t)(d - digits) : 0);
	}
	return value & ((1 << 8 * (int)pad) - 1) ? -1 : value;
}

ssize_t base64_raw(const char *text, size_t len, void *out, size_t max)
{
	const size_t pad = !len || len % 4 || text[len - 1] != '=' ? 0 :
			   text[len - 2] == '=' ? 2 : 1;
	const size_t n = len / 4 * 3 - pad;
	uint8_t *at = out;

	if (len % 4 || n > max)
		return -1;
	for (size_t i = 0; i < len; i += 4) {
		const size_t here = i + 4 == len ? pad : 0;
		const int32_t value = four(text + i, here);

		if (value < 0)
			return -1;
		for (size_t k = 0; k < 3 - here; k++)
			*at++ = (uint8_t)(value >> (16 - 8 * k));
	}
	return (ssize_t)n;
}
