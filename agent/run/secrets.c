/*
 * See secrets.h. A secret is looked for as it is and as JSON writes it, since
 * a tool's log often quotes its own request.
 */
#include "agent/run/secrets.h"

#include <stdlib.h>
#include <string.h>

#include "agent/run/tool.h"
#include "common/buf.h"
#include "common/json.h"
#include "common/mem.h"

#define REDACTED "[redacted]"

struct secrets {
	char **words;		/* longest first: one may contain another */
	size_t n;
};

static int by_length(const void *a, const void *b)
{
	size_t x = strlen(*(char *const *)a), y = strlen(*(char *const *)b);

	return (x < y) - (x > y);
}

static void add(struct secrets *s, const char *text, size_t len)
{
	if (len < SECRET_LEAST)
		return;
	s->words = xrealloc(s->words, (s->n + 1) * sizeof(*s->words));
	s->words[s->n++] = xstrndup(text, len);
}

static void add_value(struct secrets *s, const json_t *v)
{
	size_t len, plain = json_string_length(v);
	char *text = json_line(v, &len);

	if (json_is_number(v))
		add(s, text, len);
	else if (json_is_string(v) && len != plain + 2)	/* has escapes */
		add(s, text + 1, len - 2);
	add(s, json_string_value(v), plain);
	mem_wipe(text, len);
	free(text);
}

struct secrets *secrets_new(const struct tool *tool, const json_t *args)
{
	struct secrets *s = xcalloc(1, sizeof(*s));

	for (size_t i = 0; i < tool->n_args; i++) {
		json_t *v = json_object_get(args, tool->args[i].name);

		if (tool->args[i].secret && v)
			add_value(s, v);
	}
	if (s->n)
		qsort(s->words, s->n, sizeof(*s->words), by_length);
	return s;
}

void secrets_free(struct secrets *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->n; i++) {
		mem_wipe(s->words[i], strlen(s->words[i]));
		free(s->words[i]);
	}
	free(s->words);
	free(s);
}

size_t secrets_longest(const struct secrets *s)
{
	return s->n ? strlen(s->words[0]) : 0;
}

/* Takes text over; gives it back without the word. */
static char *cut_word(char *text, size_t *len, const char *word)
{
	const char *from = text, *at;
	size_t left = *len, n = strlen(word);
	struct buf out = {0};

	if (!memmem(text, left, word, n))
		return text;
	while ((at = memmem(from, left, word, n))) {
		buf_add(&out, from, (size_t)(at - from));
		buf_adds(&out, REDACTED);
		left -= (size_t)(at - from) + n;
		from = at + n;
	}
	buf_add(&out, from, left);
	mem_wipe(text, *len);
	free(text);
	return buf_take(&out, len);
}

char *secrets_cut(const struct secrets *s, const char *text, size_t len,
		  size_t *out_len)
{
	char *out = xmalloc(len + 1);

	if (len)
		memcpy(out, text, len);
	out[len] = 0;
	for (size_t i = 0; i < s->n; i++)
		out = cut_word(out, &len, s->words[i]);
	if (out_len)
		*out_len = len;
	return out;
}

void secrets_copy(const struct secrets *s, const char *text, size_t len,
		  char *out, size_t size)
{
	char *clean = secrets_cut(s, text, len, &len);

	if (len >= size)
		for (len = size - 1; len && (clean[len] & 0xc0) == 0x80;)
			len--;
	memcpy(out, clean, len);
	out[len] = 0;
	free(clean);
}

static json_t *cut_object(const struct secrets *s, const json_t *value)
{
	json_t *out = json_object(), *each;
	const char *key;

	json_object_foreach ((json_t *)value, key, each) {
		char *clean = secrets_cut(s, key, strlen(key), NULL);

		json_object_set_new(out, clean, secrets_cut_json(s, each));
		free(clean);
	}
	return out;
}

static json_t *cut_array(const struct secrets *s, const json_t *value)
{
	json_t *out = json_array(), *each;
	size_t i;

	json_array_foreach (value, i, each)
		json_array_append_new(out, secrets_cut_json(s, each));
	return out;
}

json_t *secrets_cut_json(const struct secrets *s, const json_t *value)
{
	char *text, *clean;
	size_t len;
	json_t *out;

	if (json_is_object(value))
		return cut_object(s, value);
	if (json_is_array(value))
		return cut_array(s, value);
	if (json_is_string(value)) {
		clean = secrets_cut(s, json_string_value(value),
				    json_string_length(value), &len);
		out = json_stringn(clean, len);
		free(clean);
		return out ? out : json_string(REDACTED);
	}
	text = json_line(value, &len);		/* a number may be the secret */
	clean = secrets_cut(s, text, len, NULL);
	out = strcmp(text, clean) ? json_string(REDACTED) :
				    json_deep_copy(value);
	free(text);
	free(clean);
	return out;
}
