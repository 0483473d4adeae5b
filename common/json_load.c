/*
 * json_span_load: values out of what most of the world writes, in a quarter
 * of jansson's time. What is rare is refused like what is wrong: the caller
 * asks jansson then, whose word on it is the one that counts.
 */
#include <stdlib.h>
#include <string.h>

#include "common/json_span.h"
#include "common/mem.h"

#define DEPTH_MAX 256
#define DIGITS_MAX 18		/* certainly within 64 bits */
#define TEXT 512		/* a text with escapes, on the stack */

struct load { const char *at, *end; };

static json_t *load(struct load *l, int depth);

static void skip_space(struct load *l)
{
	while (l->at < l->end && (*l->at == ' ' || *l->at == '\n' ||
				  *l->at == '\t' || *l->at == '\r'))
		l->at++;
}

/* The string at l as its bytes, without quotes; NULL if it is none. */
static bool take_string(struct load *l, struct span *s)
{
	const size_t n = json_span_string((struct span){l->at,
					  (size_t)(l->end - l->at)});

	*s = (struct span){l->at, n};
	l->at += n;
	return n > 0;
}

static json_t *load_string(struct load *l)
{
	char some[TEXT], *text = some;
	struct span s;
	json_t *v;

	if (!take_string(l, &s))
		return NULL;
	if (!memchr(s.at, '\\', s.len))
		return json_stringn_nocheck(s.at + 1, s.len - 2);
	if (s.len > sizeof(some))
		text = xmalloc(s.len);
	v = json_span_read(s, text) ? json_string_nocheck(text) : NULL;
	if (text != some)
		free(text);
	return v;
}

static json_t *load_number(struct load *l)
{
	const bool minus = *l->at == '-';
	const char *start = l->at += minus;
	json_int_t n = 0;

	while (l->at < l->end && *l->at >= '0' && *l->at <= '9' &&
	       l->at - start < DIGITS_MAX)
		n = n * 10 + (*l->at++ - '0');
	if (l->at == start || (*start == '0' && l->at - start > 1) ||
	    (l->at < l->end && memchr(".eE0123456789", *l->at, 13)))
		return NULL;
	if (minus && !n)
		return NULL;		/* jansson says what -0 is */
	return json_integer(minus ? -n : n);
}

static json_t *load_word(struct load *l, const char *word, json_t *v)
{
	const size_t n = strlen(word);

	if ((size_t)(l->end - l->at) < n || memcmp(l->at, word, n))
		return NULL;
	l->at += n;
	return v;
}

static bool take(struct load *l, char c)
{
	skip_space(l);
	if (l->at == l->end || *l->at != c)
		return false;
	l->at++;
	return true;
}

/* A key twice leaves the object as small as it was. */
static bool load_member(struct load *l, json_t *object, int depth)
{
	const size_t before = json_object_size(object);
	struct span key;
	json_t *v;

	skip_space(l);
	if (!take_string(l, &key) || memchr(key.at, '\\', key.len) ||
	    !take(l, ':'))
		return false;
	v = load(l, depth);
	return v && !json_object_setn_new_nocheck(object, key.at + 1,
						  key.len - 2, v) &&
	       json_object_size(object) > before;
}

static bool load_item(struct load *l, json_t *array, int depth)
{
	json_t *v = load(l, depth);

	return v && !json_array_append_new(array, v);
}

static json_t *load_many(struct load *l, json_t *v, char close, int depth)
{
	l->at++;
	if (take(l, close))
		return v;
	do {
		if (close == '}' ? !load_member(l, v, depth + 1) :
				   !load_item(l, v, depth + 1))
			goto bad;
	} while (take(l, ','));
	if (take(l, close))
		return v;
bad:
	json_decref(v);
	return NULL;
}

static json_t *load(struct load *l, int depth)
{
	skip_space(l);
	if (l->at == l->end || depth > DEPTH_MAX)
		return NULL;
	switch (*l->at) {
	case '{':
		return load_many(l, json_object(), '}', depth);
	case '[':
		return load_many(l, json_array(), ']', depth);
	case '"':
		return load_string(l);
	case 't':
		return load_word(l, "true", json_true());
	case 'f':
		return load_word(l, "false", json_false());
	case 'n':
		return load_word(l, "null", json_null());
	default:
		return load_number(l);
	}
}

json_t *json_span_load(struct span value)
{
	struct load l = {value.at, value.at + value.len};
	json_t *v = load(&l, 1);

	skip_space(&l);
	if (v && l.at == l.end)
		return v;
	json_decref(v);
	return NULL;
}
