/* See webhook_template.h. */
#include "agent/store/webhook_template.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/json.h"
#include "common/mem.h"
#include "common/utf8.h"

#define POINTER_MAX 512u
#define ELLIPSIS "\xe2\x80\xa6"
#define REPLACEMENT "\xef\xbf\xbd"

const char *pointer_wrong(const char *pointer)
{
	if (*pointer != '/')
		return "is no JSON pointer: one begins with /";
	if (strlen(pointer) > POINTER_MAX)
		return "is no JSON pointer of at most 512 bytes";
	if (!utf8_valid(pointer, strlen(pointer)))
		return "is not UTF-8";
	for (const char *at = strchr(pointer, '~'); at; at = strchr(at + 1, '~'))
		if (at[1] != '0' && at[1] != '1')
			return "is no JSON pointer: ~ is written as ~0, / in "
			       "a name as ~1";
	return NULL;
}

/* One reference token of n bytes, unescaped. */
static void unescape(const char *from, size_t n, char *to)
{
	for (size_t i = 0; i < n; i++) {
		if (from[i] == '~' && i + 1 < n)
			*to++ = from[++i] == '1' ? '/' : '~';
		else
			*to++ = from[i];
	}
	*to = 0;
}

/* RFC 6901 section 4: digits without a leading zero. */
static json_t *element(const json_t *array, const char *token)
{
	size_t n = strlen(token);

	if (!n || n > 9 || strspn(token, "0123456789") != n ||
	    (*token == '0' && n > 1))
		return NULL;
	return json_array_get(array, strtoul(token, NULL, 10));
}

static json_t *step(const json_t *in, const char *from, size_t n)
{
	char token[POINTER_MAX + 1];

	if (n > POINTER_MAX)
		return NULL;
	unescape(from, n, token);
	return json_is_array(in) ? element(in, token) :
	       json_object_get(in, token);
}

/* The pointer is len bytes from at on. */
static json_t *get(const json_t *in, const char *at, size_t len)
{
	const char *end = at + len;
	size_t n;

	while (in && at < end) {
		at++;			/* the slash */
		for (n = 0; at + n < end && at[n] != '/'; n++)
			;
		in = step(in, at, n);
		at += n;
	}
	return (json_t *)in;
}

json_t *pointer_get(const json_t *in, const char *pointer)
{
	return get(in, pointer, strlen(pointer));
}

const char *template_wrong(const char *text)
{
	char pointer[POINTER_MAX + 1];
	const char *wrong;
	size_t n;

	if (!utf8_valid(text, strlen(text)))
		return "is not UTF-8";
	for (; *text; text++) {
		if (*text != '{' && *text != '}')
			continue;
		if (text[1] == *text) {
			text++;
			continue;
		}
		if (*text == '}')
			return "has a } alone: write }}";
		n = strcspn(++text, "{}");
		if (text[n] != '}')
			return "has a { without its }: for { alone write {{";
		if (n > POINTER_MAX)
			return "is no JSON pointer of at most 512 bytes";
		memcpy(pointer, text, n);
		pointer[n] = 0;
		wrong = pointer_wrong(pointer);
		if (wrong)
			return wrong;
		text += n;
	}
	return NULL;
}

struct filling {
	struct buf out;
	enum template_kind kind;
	size_t max;
	bool full;
};

/* One character; false where there was no room for it. */
static bool put(struct filling *f, const char *at, size_t n)
{
	f->full |= f->out.len + n > f->max;
	if (!f->full)
		buf_add(&f->out, at, n);
	return !f->full;
}

static void put_text(struct filling *f, const char *at, size_t len)
{
	uint32_t point;
	size_t n;

	for (size_t i = 0; i < len && !f->full; i += n) {
		n = utf8_decode(at + i, len - i, &point);
		if (point == '\r' && i + 1 < len && at[i + 1] == '\n')
			continue;
		if (point == '\r' || point == '\n')
			put(f, f->kind == TEMPLATE_LINE ? " " : "\n", 1);
		else if (point == '\t')
			put(f, f->kind == TEMPLATE_LINE ? " " : "\t", 1);
		else if (point < ' ' || (point >= 0x7f && point < 0xa0))
			put(f, REPLACEMENT, 3);
		else
			put(f, at + i, n);
	}
}

static void put_value(struct filling *f, const json_t *v)
{
	char *line;
	size_t len;

	if (json_is_string(v)) {
		put_text(f, json_string_value(v), json_string_length(v));
		return;
	}
	line = json_line(v, &len);
	put_text(f, line, len);
	free(line);
}

static void note_missing(json_t *missing, const char *at, size_t len)
{
	json_t *each;
	size_t i;

	json_array_foreach (missing, i, each)
		if (json_string_length(each) == len &&
		    !memcmp(json_string_value(each), at, len))
			return;
	if (missing)
		json_array_append_new(missing, json_stringn(at, len));
}

/* Behind the brace; returns the bytes up to and with the closing one. */
static size_t put_pointer(struct filling *f, const char *at,
			  const json_t *body, json_t *missing)
{
	size_t n = strcspn(at, "}");
	const json_t *v = get(body, at, n);

	if (!v)
		note_missing(missing, at, n);
	else if (!json_is_null(v))
		put_value(f, v);
	return n + (at[n] == '}');
}

/* Take characters away until the ellipsis fits. */
static void cut(struct filling *f)
{
	size_t len = f->out.len;

	while (len && len + strlen(ELLIPSIS) > f->max)
		do
			len--;
		while (len && ((unsigned char)f->out.data[len] & 0xc0) == 0x80);
	f->out.len = len;
	buf_adds(&f->out, ELLIPSIS);
}

static char *filled(struct filling *f)
{
	if (f->full)
		cut(f);
	return buf_take(&f->out, NULL);
}

char *template_value(const json_t *v, enum template_kind kind, size_t max)
{
	struct filling f = {.kind = kind, .max = max};

	if (v && !json_is_null(v))
		put_value(&f, v);
	return filled(&f);
}

char *template_fill(const char *text, const json_t *body,
		    enum template_kind kind, size_t max, json_t *missing)
{
	struct filling f = {.kind = kind, .max = max};
	size_t n;

	for (; *text; text += n) {
		n = strcspn(text, "{}");
		if (n)
			put_text(&f, text, n);
		else if (text[1] == *text)
			put_text(&f, text, (n = 2) - 1);
		else
			n = 1 + put_pointer(&f, text + 1, body, missing);
	}
	return filled(&f);
}
