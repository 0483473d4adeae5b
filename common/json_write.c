/*
 * The exact forms of json.h, byte for byte as jansson would give them but
 * for a fraction on one line, and in a fraction of its time: nothing here can
 * be part of itself, and every string of jansson's is valid UTF-8 already.
 */
#include "common/json.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/json_span.h"
#include "common/mem.h"

#define KEYS 64			/* of an object, sorted on the stack */
#define ESCAPE 6		/* bytes that one takes at most */
#define USUAL 2000		/* bytes of a document */

struct member { const char *key; const json_t *value; };

static char *put_escape(char *o, unsigned char c)
{
	static const char digit[] = "0123456789ABCDEF";
	static const char stands_for[] = "\"\\\b\f\n\r\t";
	const char *at = memchr(stands_for, c, sizeof(stands_for) - 1);

	*o++ = '\\';
	if (at) {
		*o++ = "\"\\bfnrt"[at - stands_for];
		return o;
	}
	o = mempcpy(o, "u00", 3);
	*o++ = digit[c >> 4];
	*o++ = digit[c & 15];
	return o;
}

/* Room for what is left as it is; an escape takes some more. */
static void put_string(struct buf *b, const char *text, size_t len)
{
	char *o = buf_room(b, len + ESCAPE + 2);

	*o++ = '"';
	for (size_t i = 0; i < len;) {
		const size_t n = json_plain(text + i, len - i);
		unsigned char c;

		o = mempcpy(o, text + i, n);
		i += n;
		if (i == len)
			break;
		c = (unsigned char)text[i++];
		if (c & 0x80) {
			*o++ = (char)c;
			continue;
		}
		o = put_escape(o, c);
		b->len = (size_t)(o - b->data);
		o = buf_room(b, len - i + ESCAPE + 1);
	}
	*o++ = '"';
	b->len = (size_t)(o - b->data);
}

static void put_integer(struct buf *b, json_int_t n)
{
	unsigned long long left = n < 0 ? -(unsigned long long)n :
					  (unsigned long long)n;
	char text[24], *at = text + sizeof(text);

	do {
		*--at = (char)('0' + left % 10);
		left /= 10;
	} while (left);
	if (n < 0)
		*--at = '-';
	buf_add(b, at, (size_t)(text + sizeof(text) - at));
}

/*
 * How many digits it takes to read the same number again. What fifteen do
 * not tell apart is not told apart by fewer, unless it is next to nothing.
 */
static size_t digits_of(double d)
{
	size_t n = fabs(d) < DBL_MIN ? 1 : DBL_DIG;
	char text[40];			/* %.17g takes 25 */

	for (; n < DBL_DECIMAL_DIG; n++) {
		snprintf(text, sizeof(text), "%.*g", (int)n, d);
		if (strtod(text, NULL) == d)
			break;
	}
	return n;
}

/* A document has all its digits: its sha is of bytes that are written. */
static void put_real(struct buf *b, const json_t *v, int indent)
{
	const size_t most = 40, n = indent < 0 ?
		digits_of(json_real_value(v)) : DBL_DECIMAL_DIG;

	b->len += json_dumpb(v, buf_room(b, most), most,
			     JSON_ENCODE_ANY | JSON_REAL_PRECISION(n));
}

/* indent < 0: on one line, in the order of setting; else sorted. */
static void put(struct buf *b, const json_t *v, int indent);

static void new_line(struct buf *b, int indent)
{
	char *at;

	if (indent < 0)
		return;
	at = buf_room(b, 1 + 2 * (size_t)indent);
	*at = '\n';
	memset(at + 1, ' ', 2 * (size_t)indent);
	b->len += 1 + 2 * (size_t)indent;
}

static int by_key(const void *a, const void *b)
{
	return strcmp(((const struct member *)a)->key,
		      ((const struct member *)b)->key);
}

static void put_members(struct buf *b, const struct member *m, size_t n,
			int indent)
{
	const int inner = indent < 0 ? indent : indent + 1;

	for (size_t i = 0; i < n; i++) {
		if (i)
			buf_add(b, ",", 1);
		new_line(b, inner);
		put_string(b, m[i].key, strlen(m[i].key));
		buf_add(b, ": ", indent < 0 ? 1 : 2);
		put(b, m[i].value, inner);
	}
	new_line(b, indent);
}

static void put_object(struct buf *b, const json_t *object, int indent)
{
	const size_t n = json_object_size(object);
	struct member some[KEYS], *m = n > KEYS ?
		xcalloc(n, sizeof(*m)) : some;
	void *it = json_object_iter((json_t *)object);

	buf_add(b, "{", 1);
	for (size_t i = 0; i < n; i++) {
		m[i] = (struct member){json_object_iter_key(it),
				       json_object_iter_value(it)};
		it = json_object_iter_next((json_t *)object, it);
	}
	if (indent >= 0)
		qsort(m, n, sizeof(*m), by_key);
	if (n)
		put_members(b, m, n, indent);
	buf_add(b, "}", 1);
	if (m != some)
		free(m);
}

static void put_array(struct buf *b, const json_t *array, int indent)
{
	const int inner = indent < 0 ? indent : indent + 1;
	const size_t n = json_array_size(array);

	buf_add(b, "[", 1);
	for (size_t i = 0; i < n; i++) {
		if (i)
			buf_add(b, ",", 1);
		new_line(b, inner);
		put(b, json_array_get(array, i), inner);
	}
	if (n)
		new_line(b, indent);
	buf_add(b, "]", 1);
}

static void put(struct buf *b, const json_t *v, int indent)
{
	switch (json_typeof(v)) {
	case JSON_OBJECT:
		put_object(b, v, indent);
		break;
	case JSON_ARRAY:
		put_array(b, v, indent);
		break;
	case JSON_STRING:
		put_string(b, json_string_value(v), json_string_length(v));
		break;
	case JSON_INTEGER:
		put_integer(b, json_integer_value(v));
		break;
	case JSON_REAL:
		put_real(b, v, indent);
		break;
	case JSON_TRUE:
		buf_add(b, "true", 4);
		break;
	case JSON_FALSE:
		buf_add(b, "false", 5);
		break;
	case JSON_NULL:
		buf_add(b, "null", 4);
		break;
	}
}

/* A string or a number alone ends without a NUL of its own. */
void json_add_line(struct buf *b, const json_t *value)
{
	buf_room(b, USUAL);
	put(b, value, -1);
	buf_add(b, "", 0);
}

void json_add_pretty(struct buf *b, const json_t *value)
{
	buf_room(b, USUAL);
	put(b, value, 0);
	buf_add(b, "\n", 1);
}

char *json_line(const json_t *value, size_t *len)
{
	struct buf b = {0};

	json_add_line(&b, value);
	return buf_take(&b, len);
}

char *json_hashed(const json_t *value, size_t *len)
{
	char *text = json_dumps(value, JSON_COMPACT);

	if (len)
		*len = strlen(text);
	return text;
}

char *json_pretty(const json_t *value, size_t *len)
{
	struct buf b = {0};

	json_add_pretty(&b, value);
	return buf_take(&b, len);
}
