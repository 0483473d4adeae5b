/*
 * Arguments against the manifest: every member is known, of its type and
 * within its bounds before anything is approved, recorded or started. Values
 * are never quoted back: they may be secret.
 */
#include "agent/run/tool_args.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "common/mem.h"
#include "common/sha256.h"

#define STRING_MAX 8192		/* bytes, where the manifest says nothing */
#define PATH_LENGTH_MAX 4096
#define SEPARATORS ", |\t"

static bool number_fits(const struct tool_arg *a, double n)
{
	return (!a->has_min || n >= (double)a->min) &&
	       (!a->has_max || n <= (double)a->max);
}

static int check_number(const struct tool_arg *a, const json_t *v,
			struct err *err)
{
	char least[32] = "", most[32] = "";

	if (number_fits(a, json_number_value(v)))
		return 0;
	if (a->has_min)
		snprintf(least, sizeof(least), " at least %lld",
			 (long long)a->min);
	if (a->has_max)
		snprintf(most, sizeof(most), "%s at most %lld",
			 a->has_min ? " and" : "", (long long)a->max);
	return err_set(err, ERR_invalid_args, "%s has to be%s%s", a->name,
		       least, most);
}

static int check_string(const struct tool_arg *a, const json_t *v,
			struct err *err)
{
	size_t most = a->max_length ? (size_t)a->max_length : STRING_MAX;

	if (json_string_length(v) <= most)
		return 0;
	return err_set(err, ERR_invalid_args, "%s is longer than %zu bytes",
		       a->name, most);
}

static int check_sha256(const struct tool_arg *a, const json_t *v,
			struct err *err)
{
	if (is_hex(json_string_value(v), 64))
		return 0;
	return err_set(err, ERR_invalid_args,
		       "%s has to be 64 lower-case hex digits", a->name);
}

static int check_file(const struct tool_arg *a, const json_t *v,
		      struct err *err)
{
	const char *text = json_string_value(v);

	if (is_hex(text, 64) ||
	    (*text == '/' && strlen(text) < PATH_LENGTH_MAX))
		return 0;
	return err_set(err, ERR_invalid_args,
		       "%s has to be an absolute path or the sha256 of stored evidence",
		       a->name);
}

static int check_enum(const struct tool_arg *a, const json_t *v,
		      struct err *err)
{
	json_t *values = arg_values(a), *each;
	bool found = false;
	size_t i;

	json_array_foreach (values, i, each)
		found |= json_equal(each, v);
	json_decref(values);
	if (found)
		return 0;
	return err_set(err, ERR_invalid_args, "%s has to be one of: %s",
		       a->name, a->values);
}

typedef int check_fn(const struct tool_arg *a, const json_t *v,
		     struct err *err);

static const struct {
	const char *name;
	unsigned json;			/* bits of json_type that it takes */
	check_fn *check;
} types[] = {
#define IS(type) (1u << JSON_##type)
	[TOOL_STRING] = {"string", IS(STRING), check_string},
	[TOOL_INTEGER] = {"integer", IS(INTEGER), check_number},
	[TOOL_NUMBER] = {"number", IS(INTEGER) | IS(REAL), check_number},
	[TOOL_BOOLEAN] = {"boolean", IS(TRUE) | IS(FALSE), NULL},
	[TOOL_FILE] = {"file", IS(STRING), check_file},
	[TOOL_SHA256] = {"sha256", IS(STRING), check_sha256},
	[TOOL_ENUM] = {"enum", IS(STRING), check_enum},
#undef IS
};

const char *arg_type_name(int type)
{
	return types[type].name;
}

int arg_check(const struct tool_arg *a, const json_t *v, struct err *err)
{
	if (!(types[a->type].json & 1u << json_typeof(v)))
		return err_set(err, ERR_invalid_args, "%s has to be of type %s",
			       a->name, types[a->type].name);
	return types[a->type].check ? types[a->type].check(a, v, err) : 0;
}

json_t *arg_values(const struct tool_arg *a)
{
	char *copy = xstrdup(a->values ? a->values : ""), *at = NULL;
	json_t *out = json_array();

	for (char *w = strtok_r(copy, SEPARATORS, &at); w;
	     w = strtok_r(NULL, SEPARATORS, &at))
		json_array_append_new(out, json_string(w));
	free(copy);
	return out;
}

json_t *arg_fallback(const struct tool_arg *a)
{
	const char *text = a->fallback;
	char *end;
	long long n;
	double d;

	if (!text)
		return NULL;
	if (a->type == TOOL_BOOLEAN)
		return !strcmp(text, "true") ? json_true() :
		       !strcmp(text, "false") ? json_false() : NULL;
	if (a->type != TOOL_INTEGER && a->type != TOOL_NUMBER)
		return json_string(text);
	errno = 0;
	n = strtoll(text, &end, 10);
	if (*text && !*end && !errno)
		return json_integer(n);
	d = strtod(text, &end);
	return a->type == TOOL_NUMBER && *text && !*end ? json_real(d) : NULL;
}

static const struct tool_arg *find(const struct tool *t, const char *name)
{
	for (size_t i = 0; i < t->n_args; i++)
		if (!strcmp(t->args[i].name, name))
			return &t->args[i];
	return NULL;
}

static int check_known(const struct tool *t, const json_t *args,
		       struct err *err)
{
	const char *key;
	json_t *value;

	json_object_foreach ((json_t *)args, key, value) {
		const struct tool_arg *a = find(t, key);

		if (!a)
			return err_set(err, ERR_invalid_args,
				       "%s has no argument \"%.64s\"", t->name,
				       key);
		if (arg_check(a, value, err))
			return -1;
	}
	return 0;
}

int tool_args_check(const struct tool *t, const json_t *args, json_t **out,
		    struct err *err)
{
	json_t *full = json_object();

	*out = NULL;
	if (args && !json_is_object(args)) {
		err_set(err, ERR_invalid_args, "args has to be an object");
		goto refused;
	}
	if (check_known(t, args, err))
		goto refused;
	for (size_t i = 0; i < t->n_args; i++) {
		const struct tool_arg *a = &t->args[i];
		json_t *given = json_object_get(args, a->name);

		if (given) {
			json_object_set(full, a->name, given);
		} else if (a->fallback) {
			json_object_set_new(full, a->name, arg_fallback(a));
		} else if (a->required) {
			err_set(err, ERR_invalid_args, "%s is required",
				a->name);
			goto refused;
		}
	}
	*out = full;
	return 0;
refused:
	json_decref(full);
	return -1;
}

json_t *tool_args_redacted(const struct tool *t, const json_t *args)
{
	json_t *out = json_copy((json_t *)args);

	for (size_t i = 0; i < t->n_args; i++)
		if (t->args[i].secret && json_object_get(out, t->args[i].name))
			json_object_set_new(out, t->args[i].name,
					    json_string("[redacted]"));
	return out;
}

bool tool_has_secret(const struct tool *t, const json_t *args)
{
	for (size_t i = 0; i < t->n_args; i++)
		if (t->args[i].secret && json_object_get(args, t->args[i].name))
			return true;
	return false;
}
