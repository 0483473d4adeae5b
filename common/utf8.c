/* See utf8.h. */
#include "common/utf8.h"

#include <stdio.h>
#include <string.h>
#include <wchar.h>

size_t utf8_decode(const char *text, size_t len, uint32_t *point)
{
	const unsigned char *c = (const unsigned char *)text;
	static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
	size_t more = c[0] >= 0xf0 ? 3 : c[0] >= 0xe0 ? 2 : c[0] >= 0xc0 ? 1 : 0;
	uint32_t p = c[0];

	*point = p;
	if (p < 0x80)
		return 1;
	*point = 0xfffd;
	if (!more || p > 0xf4 || more >= len)
		return 1;
	p &= 0x3fu >> more;
	for (size_t i = 1; i <= more; i++) {
		if ((c[i] & 0xc0) != 0x80)
			return 1;
		p = p << 6 | (c[i] & 0x3f);
	}
	if (p < least[more] || p > 0x10ffff || (p >= 0xd800 && p < 0xe000))
		return 1;
	*point = p;
	return more + 1;
}

bool utf8_valid(const char *text, size_t len)
{
	uint32_t p;

	for (size_t i = 0; i < len;) {
		size_t n = utf8_decode(text + i, len - i, &p);

		if (p == 0xfffd && n == 1)
			return false;
		i += n;
	}
	return true;
}

bool utf8_shows(uint32_t p)
{
	static const struct { uint32_t from, to; } hidden[] = {
		{0, 0x1f}, {0x7f, 0x9f},	/* C0, DEL, C1 */
		{0xad, 0xad},			/* soft hyphen */
		{0x34f, 0x34f},			/* grapheme joiner */
		{0x61c, 0x61c},			/* Arabic letter mark */
		{0x115f, 0x1160}, {0x17b4, 0x17b5}, {0x180b, 0x180f},
		{0x200b, 0x200f},		/* zero width, LRM, RLM */
		{0x2028, 0x202e},		/* separators, bidi */
		{0x2060, 0x206f},		/* joiner, isolates */
		{0x3164, 0x3164},		/* Hangul filler */
		{0xd800, 0xf8ff},		/* surrogates, private use */
		{0xfe00, 0xfe0f},		/* variation selectors */
		{0xfeff, 0xfeff}, {0xffa0, 0xffa0}, {0xfff0, 0xfffb},
		{0xfffe, 0xffff},
		{0x1bca0, 0x1bca3}, {0x1d173, 0x1d17a},
		{0xe0000, 0x10ffff},		/* tags, more selectors, private */
	};

	for (size_t i = 0; i < sizeof(hidden) / sizeof(*hidden); i++)
		if (p >= hidden[i].from && p <= hidden[i].to)
			return false;
	return true;
}

/* How much of it is ASCII that shows: most of what is ever asked for. */
static size_t plain(const char *text)
{
	size_t n = 0;

	while (text[n] >= ' ' && text[n] <= '~')
		n++;
	return n;
}

size_t utf8_visible(const char *text, char *out, size_t size)
{
	size_t len = strlen(text), total = 0, used = 0;
	bool full = size == 0;

	for (size_t i = 0, n, m; i < len; i += n) {
		char esc[16];
		const char *from = text + i;
		uint32_t p;

		n = plain(from);
		if (n) {
			m = full ? 0 : size - 1 - used;
			m = n < m ? n : m;
			if (m)
				memcpy(out + used, from, m);
			used += m;
			total += n;
			full |= m < n;
			continue;
		}
		m = n = utf8_decode(from, len - i, &p);
		if (p == 0xfffd && n == 1) {
			m = (size_t)snprintf(esc, sizeof(esc), "<%02X>",
					     (unsigned char)*from);
			from = esc;
		} else if (!utf8_shows(p)) {
			m = (size_t)snprintf(esc, sizeof(esc), "<U+%04X>", p);
			from = esc;
		}
		total += m;
		full |= used + m >= size;
		if (!full) {
			memcpy(out + used, from, m);
			used += m;
		}
	}
	if (size)
		out[used] = 0;
	return total;
}

int utf8_width(uint32_t point)
{
	int n = wcwidth((wchar_t)point);

	return n < 0 ? 1 : n;
}
