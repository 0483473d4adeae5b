/*
 * See constraint.h. What is not there, is not known or is of a type that
 * cannot be compared keeps no constraint.
 */
#include "agent/gate/constraint.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/run/tool.h"
#include "common/json.h"
#include "common/words.h"

static bool is_word(const char *words, const char *text)
{
	return *text && words_index(words, ' ', text) >= 0;
}

static bool number_fits(const char *words, const json_t *v)
{
	double want = json_number_value(v), one;
	char *end;

	for (const char *at = words; *at; at += *at == ' ') {
		one = strtod(at, &end);
		if (end > at && (!*end || *end == ' ') && one == want)
			return true;
		at += strcspn(at, " ");
	}
	return false;
}

/* Is path one of the folders or files that the words name, or below? */
static bool path_fits(const char *words, const char *path)
{
	size_t n;

	for (const char *at = words; *at; at += n + (at[n] == ' ')) {
		size_t len = n = strcspn(at, " ");

		while (len > 1 && at[len - 1] == '/')
			len--;
		if (*at == '/' && !strncmp(at, path, len) &&
		    (len == 1 || !path[len] || path[len] == '/'))
			return true;
	}
	return false;
}

static const json_t *file_of(const json_t *files, const char *arg)
{
	const json_t *each;
	size_t i;

	json_array_foreach (files, i, each)
		if (!strcmp(json_str(each, "arg"), arg))
			return each;
	return NULL;
}

/* Where its bytes were found counts, not what it was called. */
static bool file_fits(const char *words, const json_t *v, const json_t *file)
{
	const char *given = json_string_value(v);
	const char *path = json_str(file, "path");

	if (!given || !file)
		return false;
	if (*given != '/')
		return is_word(words, "evidence");
	return path && path_fits(words, path);
}

static bool fits(const struct policy_arg *a, const struct tool_arg *arg,
		 const json_t *v, const json_t *files)
{
	char text[32];

	if (!v || arg->secret)
		return false;
	switch (arg->type) {
	case TOOL_FILE:
		return file_fits(a->words, v, file_of(files, arg->name));
	case TOOL_INTEGER:
		snprintf(text, sizeof(text), "%" JSON_INTEGER_FORMAT,
			 json_integer_value(v));
		return json_is_integer(v) && is_word(a->words, text);
	case TOOL_NUMBER:
		return json_is_number(v) && number_fits(a->words, v);
	case TOOL_BOOLEAN:
		return json_is_boolean(v) &&
		       is_word(a->words, json_is_true(v) ? "true" : "false");
	default:
		return json_is_string(v) &&
		       is_word(a->words, json_string_value(v));
	}
}

/* It keeps it: there is such an argument, and each that is meant fits. */
static bool kept(const struct policy *p, const struct policy_arg *a,
		 const struct weight *w)
{
	bool any = false;

	for (size_t i = 0; w->manifest && i < w->manifest->n_args; i++) {
		const struct tool_arg *arg = &w->manifest->args[i];

		if (policy_arg_for(p, arg->name) != a)
			continue;
		any = true;
		if (!fits(a, arg, json_object_get(w->args, arg->name),
			  w->files))
			return false;
	}
	return any;
}

const struct policy_arg *constraint_broken(const struct policy *p,
					   const struct weight *w)
{
	for (size_t i = 0; i < p->n_args; i++)
		if (!kept(p, &p->args[i], w))
			return &p->args[i];
	return NULL;
}

bool constraint_too_large(const json_t *files, int64_t max)
{
	const json_t *each;
	size_t i;

	json_array_foreach (files, i, each)
		if (json_int(each, "size", INT64_MAX) > max)
			return true;
	return false;
}
