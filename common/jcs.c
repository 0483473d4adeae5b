/* See jcs.h. Keys are ordered by UTF-16 code units, as section 3.2.3 asks. */
#include "common/jcs.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/json.h"
#include "common/mem.h"

/* The next code point of valid UTF-8. */
static uint32_t next_point(const unsigned char **at)
{
	const unsigned char *c = *at;
	uint32_t p = *c++;
	int more = p >= 0xf0 ? 3 : p >= 0xe0 ? 2 : p >= 0xc0 ? 1 : 0;

	if (more)
		p &= 0x3fu >> more;
	while (more--)
		p = p << 6 | (*c++ & 0x3f);
	*at = c;
	return p;
}

/* First UTF-16 unit decides between a surrogate pair and U+E000..U+FFFF. */
static uint32_t utf16_rank(uint32_t p)
{
	return p > 0xffff ? 0xd800u << 16 | (p - 0x10000) : p << 16;
}

static int by_utf16(const void *a, const void *b)
{
	const unsigned char *x = *(const unsigned char *const *)a;
	const unsigned char *y = *(const unsigned char *const *)b;

	while (*x && *y) {
		uint32_t p = next_point(&x), q = next_point(&y);

		if (p != q)
			return utf16_rank(p) < utf16_rank(q) ? -1 : 1;
	}
	return *x ? 1 : *y ? -1 : 0;
}

static void put_string(struct buf *b, const char *s, size_t len)
{
	static const char short_of[] = "btn\0fr";	/* 8..13 */

	buf_adds(b, "\"");
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)s[i];

		if (c == '"' || c == '\\')
			buf_addf(b, "\\%c", c);
		else if (c >= 8 && c <= 13 && c != 11)
			buf_addf(b, "\\%c", short_of[c - 8]);
		else if (c < 0x20)
			buf_addf(b, "\\u%04x", c);
		else
			buf_add(b, &s[i], 1);
	}
	buf_adds(b, "\"");
}

static int put(struct buf *b, const json_t *v, struct err *err);

static int put_object(struct buf *b, const json_t *v, struct err *err)
{
	size_t n = json_object_size(v), i = 0;
	const char **keys = xcalloc(n, sizeof(*keys)), *key;
	json_t *each;
	int rc = 0;

	json_object_foreach ((json_t *)v, key, each)
		keys[i++] = key;
	qsort(keys, n, sizeof(*keys), by_utf16);
	buf_adds(b, "{");
	for (i = 0; i < n && !rc; i++) {
		if (i)
			buf_adds(b, ",");
		put_string(b, keys[i], strlen(keys[i]));
		buf_adds(b, ":");
		rc = put(b, json_object_get(v, keys[i]), err);
	}
	buf_adds(b, "}");
	free(keys);
	return rc;
}

static int put_array(struct buf *b, const json_t *v, struct err *err)
{
	json_t *each;
	size_t i;

	buf_adds(b, "[");
	json_array_foreach (v, i, each) {
		if (i)
			buf_adds(b, ",");
		if (put(b, each, err))
			return -1;
	}
	buf_adds(b, "]");
	return 0;
}

static int put_integer(struct buf *b, json_int_t n, struct err *err)
{
	if (llabs(n) > JSON_SAFE_INT)
		return err_set(err, ERR_invalid_json,
			       "an integer beyond 2^53 cannot be signed");
	buf_addf(b, "%lld", (long long)n);
	return 0;
}

static int put(struct buf *b, const json_t *v, struct err *err)
{
	switch (json_typeof(v)) {
	case JSON_OBJECT:
		return put_object(b, v, err);
	case JSON_ARRAY:
		return put_array(b, v, err);
	case JSON_STRING:
		put_string(b, json_string_value(v), json_string_length(v));
		return 0;
	case JSON_INTEGER:
		return put_integer(b, json_integer_value(v), err);
	case JSON_REAL:
		return err_set(err, ERR_invalid_json,
			       "a fractional number cannot be signed; use an "
			       "integer or a string");
	case JSON_TRUE:
		buf_adds(b, "true");
		return 0;
	case JSON_FALSE:
		buf_adds(b, "false");
		return 0;
	case JSON_NULL:
		buf_adds(b, "null");
		return 0;
	}
	return -1;
}

char *jcs_text(const json_t *value, size_t *len, struct err *err)
{
	struct buf b = {0};

	if (put(&b, value, err)) {
		buf_fini(&b);
		return NULL;
	}
	return buf_take(&b, len);
}
