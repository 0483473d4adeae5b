/* See json_span.h. Both directions of escaping stand here, side by side. */
#include "agent/store/json_span.h"

#include <string.h>

#include "common/buf.h"
#include "common/utf8.h"

#define DEPTH_MAX 256		/* what we write has some 40 */

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

size_t json_span_string(struct span s)
{
	size_t i = 1, n;
	uint32_t point;
	char c;

	if (s.len < 2 || *s.at != '"')
		return 0;
	while (i < s.len) {
		c = s.at[i];
		if (c == '"')
			return i + 1;
		if ((unsigned char)c < 0x20)
			return 0;
		if (c == '\\') {
			n = escape(s.at + i, s.len - i, &c);
		} else if (c & 0x80) {
			n = utf8_decode(s.at + i, s.len - i, &point);
			n = n == 1 ? 0 : n;
		} else {
			n = 1;
		}
		if (!n)
			return 0;
		i += n;
	}
	return 0;
}

void json_span_put(struct buf *b, const char *text)
{
	size_t len = strlen(text), n;
	char *o = buf_room(b, 6 * len + 2), *start = o;
	static const char digit[] = "0123456789abcdef";
	const char *at;
	uint32_t point;

	*o++ = '"';
	for (size_t i = 0; i < len; i += n) {
		unsigned char c = (unsigned char)text[i];

		n = 1;
		if (c >= 0x80) {
			n = utf8_decode(text + i, len - i, &point);
			memcpy(o, n > 1 ? text + i : "\xef\xbf\xbd",
			       n > 1 ? n : 3);
			o += n > 1 ? n : 3;
		} else if (c >= 0x20 && c != '"' && c != '\\') {
			*o++ = (char)c;
		} else if ((at = memchr(stands_for, c,
					sizeof(stands_for) - 1))) {
			*o++ = '\\';
			*o++ = short_escape[at - stands_for];
		} else {
			memcpy(o, "\\u00", 4);
			o[4] = digit[c >> 4];
			o[5] = digit[c & 15];
			o += 6;
		}
	}
	*o++ = '"';
	b->len += (size_t)(o - start);
}

bool json_span_text(struct span s, struct buf *b)
{
	char *o = buf_room(b, s.len), *start = o;
	bool whole = true;

	for (size_t i = 1; i + 1 < s.len; o++) {
		*o = s.at[i];
		i += *o == '\\' ? escape(s.at + i, s.len - i, o) : 1;
		whole &= *o != 0;
	}
	*o++ = 0;
	b->len += (size_t)(o - start);
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
