/* See json_span.h. Both directions of escaping stand here, side by side. */
#include "common/json_span.h"

#include <stdint.h>
#include <string.h>

#include "common/utf8.h"

#define DEPTH_MAX 256		/* what we write has some 40 */

/* Bytes that stand for themselves in a string. */
static const bool plain[256] = {
	[0x20 ... 0x21] = true, [0x23 ... 0x5b] = true, [0x5d ... 0x7f] = true,
};

static const char short_escape[] = "\"\\bfnrt", stands_for[] = "\"\\\b\f\n\r\t";

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Bytes of the escape at text, and what it stands for; 0 if not ours. */
static size_t escape(const char *text, size_t len, char *out)
{
	const char *at;

	if (len < 2)
		return 0;
	at = memchr(short_escape, text[1], sizeof(short_escape) - 1);
	if (at) {
		*out = stands_for[at - short_escape];
		return 2;
	}
	if (len < 6 || memcmp(text, "\\u00", 4) ||
	    (text[4] != '0' && text[4] != '1') || hex_digit(text[5]) < 0)
		return 0;
	*out = (char)((text[4] - '0') * 16 + hex_digit(text[5]));
	return 6;
}

/* Bytes of the character that is not plain at text; 0 if not ours. */
static size_t special(const char *text, size_t len)
{
	uint32_t point;
	size_t n;
	char c;

	if (*text == '\\')
		return escape(text, len, &c);
	if (!(*text & 0x80))
		return 0;
	n = utf8_decode(text, len, &point);
	return n > 1 ? n : 0;
}

#define EACH(byte) (0x0101010101010101u * (byte))

/* Some byte of w is below limit, which is at most 0x80; or none is. */
static uint64_t below(uint64_t w, uint64_t limit)
{
	return (w - EACH(limit)) & ~w & EACH(0x80);
}

/* Eight at a time; what may not be plain is looked at by itself. */
size_t json_plain(const char *text, size_t len)
{
	size_t i = 0;
	uint64_t w;

	for (; i + sizeof(w) <= len; i += sizeof(w)) {
		memcpy(&w, text + i, sizeof(w));
		if ((w & EACH(0x80)) | below(w, 0x20) |
		    below(w ^ EACH('"'), 1) | below(w ^ EACH('\\'), 1))
			break;
	}
	while (i < len && plain[(unsigned char)text[i]])
		i++;
	return i;
}

size_t json_span_string(struct span s)
{
	size_t i = 1, n;

	if (s.len < 2 || *s.at != '"')
		return 0;
	for (;;) {
		i += json_plain(s.at + i, s.len - i);
		if (i == s.len)
			return 0;
		if (s.at[i] == '"')
			return i + 1;
		n = special(s.at + i, s.len - i);
		if (!n)
			return 0;
		i += n;
	}
}

/* Write what is not plain at text; *n gets the bytes that it took. */
static char *write_special(char *o, const char *text, size_t len, size_t *n)
{
	static const char digit[] = "0123456789abcdef";
	const unsigned char c = (unsigned char)*text;
	const char *at;
	uint32_t point;

	*n = 1;
	if (c >= 0x80) {
		*n = utf8_decode(text, len, &point);
		if (*n > 1)
			return mempcpy(o, text, *n);
		return mempcpy(o, "\xef\xbf\xbd", 3);
	}
	at = memchr(stands_for, c, sizeof(stands_for) - 1);
	if (at) {
		*o++ = '\\';
		*o++ = short_escape[at - stands_for];
		return o;
	}
	o = mempcpy(o, "\\u00", 4);
	*o++ = digit[c >> 4];
	*o++ = digit[c & 15];
	return o;
}

char *json_span_write(char *o, const char *text, size_t len)
{
	*o++ = '"';
	for (size_t i = 0, n; i < len;) {
		n = json_plain(text + i, len - i);
		o = mempcpy(o, text + i, n);
		i += n;
		if (i < len) {
			o = write_special(o, text + i, len - i, &n);
			i += n;
		}
	}
	*o++ = '"';
	return o;
}

bool json_span_read(struct span s, char *o)
{
	bool whole = true;

	for (size_t i = 1; i + 1 < s.len; o++) {
		*o = s.at[i];
		i += *o == '\\' ? escape(s.at + i, s.len - i, o) : 1;
		whole &= *o != 0;
	}
	*o = 0;
	return whole;
}

static size_t digits(const char *at, const char *end)
{
	size_t n = 0;

	while (at + n < end && at[n] >= '0' && at[n] <= '9')
		n++;
	return n;
}

/* Each of these returns what lies behind the value, or NULL. */
static const char *number(const char *at, const char *end)
{
	size_t n;

	at += *at == '-';
	n = digits(at, end);
	if (!n || (n > 1 && *at == '0'))
		return NULL;
	at += n;
	if (at < end && *at == '.') {
		n = digits(at + 1, end);
		if (!n)
			return NULL;
		at += 1 + n;
	}
	if (at < end && (*at | 0x20) == 'e') {
		at++;
		at += at < end && (*at == '+' || *at == '-');
		n = digits(at, end);
		at = n ? at + n : NULL;
	}
	return at;
}

static const char *word(const char *at, const char *end)
{
	static const char *const words[] = {"true", "false", "null"};

	for (size_t i = 0; i < 3; i++) {
		size_t n = strlen(words[i]);

		if ((size_t)(end - at) >= n && !memcmp(at, words[i], n))
			return at + n;
	}
	return NULL;
}

static const char *string(const char *at, const char *end)
{
	size_t n = json_span_string((struct span){at, (size_t)(end - at)});

	return n ? at + n : NULL;
}

static const char *value(const char *at, const char *end, int depth);

static const char *container(const char *at, const char *end, int depth)
{
	char close = *at == '{' ? '}' : ']';

	if (++at < end && *at == close)
		return at + 1;
	while (at && at < end) {
		if (close == '}') {
			at = string(at, end);
			if (!at || at == end || *at++ != ':')
				return NULL;
		}
		at = value(at, end, depth + 1);
		if (!at || at == end || (*at != ',' && *at != close))
			return NULL;
		if (*at++ == close)
			return at;
	}
	return NULL;
}

static const char *value(const char *at, const char *end, int depth)
{
	if (at >= end || depth > DEPTH_MAX)
		return NULL;
	switch (*at) {
	case '{': case '[':
		return container(at, end, depth);
	case '"':
		return string(at, end);
	case 't': case 'f': case 'n':
		return word(at, end);
	default:
		return number(at, end);
	}
}

bool json_span_ok(struct span v)
{
	return value(v.at, v.at + v.len, 1) == v.at + v.len;
}

bool json_span_member(struct span object, const char *key, struct span *out)
{
	const char *at = object.at + 1, *end = object.at + object.len, *name;
	size_t len = strlen(key);

	while (at < end && *at == '"') {
		name = at + 1;
		at = string(at, end);
		if (!at || at >= end)
			return false;
		out->at = at + 1;
		at = value(at + 1, end, 1);
		if (!at)
			return false;
		out->len = (size_t)(at - out->at);
		if ((size_t)(out->at - name) == len + 2 &&
		    !memcmp(name, key, len))
			return true;
		at++;
	}
	return false;
}
