/* See said.h; the lines are those of "Tools of your own" in API.md. */
#include "agent/run/said.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "common/mem.h"
#include "common/utf8.h"

#define MEDIA_TYPE_MAX 64

void said_fini(struct said *s)
{
	buf_fini(&s->line);
	keep_fini(&s->rest);
	keep_fini(&s->noise);
	json_decref(s->artifacts);
	json_decref(s->result);
	json_decref(s->error);
	json_decref(s->message);
	*s = (struct said){0};
}

void said_wrong(struct said *s, const char *fmt, ...)
{
	va_list ap;

	if (*s->wrong)
		return;
	va_start(ap, fmt);
	vsnprintf(s->wrong, sizeof(s->wrong), fmt, ap);
	va_end(ap);
}

static void on_progress(struct said *s, const json_t *line)
{
	const json_t *part = json_object_get(line, "progress");
	const json_t *text = json_object_get(line, "message");
	double n = json_is_number(part) ? json_number_value(part) : -1;

	s->progress = n > 1 ? 1 : n < 0 ? -1 : n;
	json_decref(s->message);
	s->message = json_is_string(text) ? json_incref((json_t *)text) : NULL;
	s->news = true;
}

/* A plain name in the folder that can be shown as it is. */
static bool name_ok(const char *name)
{
	char shown[SAID_NAME_MAX + 1];
	size_t len = name ? strlen(name) : 0;

	return len && len <= SAID_NAME_MAX && *name != '.' &&
	       !strchr(name, '/') &&
	       utf8_visible(name, shown, sizeof(shown)) == len &&
	       !strcmp(name, shown);
}

static bool media_type_ok(const char *type)
{
	size_t len = type ? strlen(type) : 0, slashes = 0;

	for (size_t i = 0; i < len; i++) {
		slashes += type[i] == '/';
		if (!isalnum((unsigned char)type[i]) &&
		    !strchr("/.+-", type[i]))
			return false;
	}
	return slashes == 1 && len <= MEDIA_TYPE_MAX && type[0] != '/' &&
	       type[len - 1] != '/';
}

static bool is_declared(const json_t *artifacts, const char *name)
{
	json_t *each;
	size_t i;

	json_array_foreach (artifacts, i, each)
		if (!strcmp(json_str(each, "name"), name))
			return true;
	return false;
}

static void on_artifact(struct said *s, const json_t *line)
{
	const json_t *a = json_object_get(line, "artifact");
	const char *name = json_str(a, "name"), *type = json_str(a, "media_type");
	json_t *entry;

	if (!name_ok(name)) {
		said_wrong(s, "an artifact's name is a plain file name of at most %d bytes",
			   SAID_NAME_MAX);
		return;
	}
	if (is_declared(s->artifacts, name))
		return;
	if (!s->artifacts)
		s->artifacts = json_array();
	if (json_array_size(s->artifacts) == SAID_ARTIFACTS_MAX) {
		said_wrong(s, "more than %d artifacts", SAID_ARTIFACTS_MAX);
		return;
	}
	entry = json_object();
	json_set_str(entry, "name", name);
	if (media_type_ok(type))
		json_set_str(entry, "media_type", type);
	json_array_append_new(s->artifacts, entry);
}

static void on_last(struct said *s, const json_t *line)
{
	json_t *result = json_object_get(line, "result");
	json_t *error = json_object_get(line, "error");
	size_t len;

	if (s->result || s->error || (result && error)) {
		said_wrong(s, "more than one result or error");
		return;
	}
	if (!json_is_object(result ? result : error)) {
		said_wrong(s, "%s is not an object",
			   result ? "result" : "error");
		return;
	}
	free(json_line(result ? result : error, &len));
	if (len > SAID_RESULT_MAX) {
		said_wrong(s, "%s of %zu bytes, the limit is %u",
			   result ? "a result" : "an error", len,
			   SAID_RESULT_MAX);
		return;
	}
	*(result ? &s->result : &s->error) =
		json_incref(result ? result : error);
}

static const struct {
	const char *key;
	void (*hear)(struct said *s, const json_t *line);
} kinds[] = {
	{"result", on_last},
	{"error", on_last},
	{"artifact", on_artifact},
	{"progress", on_progress},
	{"message", on_progress},
};

static bool understood(struct said *s, const char *text, size_t len)
{
	json_t *line;
	bool found = false;

	if (!len || text[strspn(text, " \t\r")] != '{')
		return false;
	line = json_parse(text, len, NULL);
	for (size_t i = 0; line && !found && i < ARRAY_LEN(kinds); i++)
		if (json_object_get(line, kinds[i].key)) {
			kinds[i].hear(s, line);
			found = true;
		}
	json_decref(line);
	return found;
}

/* The line is as long as it will get: understand it or keep it. */
static void end_line(struct said *s, const char *end, size_t len)
{
	if (s->overlong || !understood(s, s->line.data, s->line.len)) {
		keep_add(&s->rest, s->line.data, s->line.len);
		keep_add(&s->rest, end, len);
	}
	buf_reset(&s->line);
	s->overlong = false;
}

static void add_part(struct said *s, const char *data, size_t len)
{
	if (s->overlong || s->line.len + len > SAID_LINE_MAX) {
		s->overlong = true;
		keep_add(&s->rest, s->line.data, s->line.len);
		keep_add(&s->rest, data, len);
		buf_reset(&s->line);
	} else {
		buf_add(&s->line, data, len);
	}
}

void said_hear(struct said *s, const char *data, size_t len)
{
	while (len) {
		const char *lf = memchr(data, '\n', len);
		size_t n = lf ? (size_t)(lf - data) : len;

		add_part(s, data, n);
		if (lf)
			end_line(s, "\n", 1);
		n += lf != NULL;
		data += n;
		len -= n;
	}
}

void said_end(struct said *s)
{
	if (s->line.len || s->overlong)
		end_line(s, "", 0);
}
