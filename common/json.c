/* See json.h: what is refused is refused here, once, for every transport. */
#include "common/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "common/json_span.h"
#include "common/mem.h"

void json_setup(void)
{
	json_set_alloc_funcs(xmalloc, free);
	json_object_seed(0);
}

static int number_ok(const json_t *v)
{
	if (json_is_integer(v))
		return json_integer_value(v) <= JSON_SAFE_INT &&
		       json_integer_value(v) >= -JSON_SAFE_INT;
	return !json_is_real(v) || fabs(json_real_value(v)) <= JSON_SAFE_INT;
}

static int check(const json_t *v, int depth, struct err *err)
{
	const char *key;
	json_t *each;
	size_t i;

	if (depth > JSON_DEPTH_MAX)
		return err_set(err, ERR_invalid_json, "nesting over %d",
			       JSON_DEPTH_MAX);
	if (!number_ok(v))
		return err_set(err, ERR_invalid_json, "a number beyond 2^53");
	json_object_foreach ((json_t *)v, key, each)
		if (check(each, depth + 1, err))
			return -1;
	json_array_foreach (v, i, each)
		if (check(each, depth + 1, err))
			return -1;
	return 0;
}

/*
 * jansson takes some 70 bytes for "{}," and parses 2048 levels deep, so the
 * shape is measured on the bytes first: depth, and how many values there are.
 */
static int shape_ok(const char *text, size_t len, struct err *err)
{
	size_t depth = 0, values = 0;
	bool in_string = false;

	for (size_t i = 0; i < len; i++) {
		char c = text[i];

		if (in_string) {
			if (c == '\\')
				i++;
			else if (c == '"')
				in_string = false;
			continue;
		}
		if (c == '"')
			in_string = true;
		else if (c == '{' || c == '[')
			depth++, values++;
		else if ((c == '}' || c == ']') && depth)
			depth--;
		else if (c == ',')
			values++;
		if (depth > JSON_DEPTH_MAX)
			return err_set(err, ERR_invalid_json, "nesting over %d",
				       JSON_DEPTH_MAX);
	}
	if (values > 100000)
		return err_set(err, ERR_invalid_json,
			       "over 100000 values in one body");
	return 0;
}

/* jansson quotes what it cannot read, which may be somebody's password. */
static int unquoted(const char *why)
{
	const char *near = strstr(why, " near ");

	return (int)(near ? (size_t)(near - why) : strlen(why));
}

json_t *json_parse(const char *text, size_t len, struct err *err)
{
	json_error_t why;
	json_t *v;

	if (shape_ok(text, len, err))
		return NULL;
	v = json_span_load((struct span){text, len});
	if (!v)
		v = json_loadb(text, len, JSON_REJECT_DUPLICATES, &why);
	if (!v) {
		err_set(err, ERR_invalid_json, "line %d column %d: %.*s",
			why.line, why.column, unquoted(why.text), why.text);
		return NULL;
	}
	if (!json_is_object(v))
		err_set(err, ERR_invalid_json, "not an object");
	else if (!check(v, 1, err))
		return v;
	json_decref(v);
	return NULL;
}

json_t *json_lossy(const char *text)
{
	json_t *v = json_string(text);
	char *copy;

	if (v || !text)
		return v ? v : json_null();
	copy = xstrdup(text);
	for (char *c = copy; *c; c++)
		if (*c & 0x80)
			*c = '?';
	v = json_string(copy);
	free(copy);
	return v;
}

json_t *json_merge_patch(const json_t *target, const json_t *patch)
{
	const char *key;
	json_t *each, *out;

	if (!json_is_object(patch))
		return json_deep_copy(patch);
	out = json_is_object(target) ? json_copy((json_t *)target) :
				       json_object();
	json_object_foreach ((json_t *)patch, key, each) {
		if (json_is_null(each))
			json_object_del(out, key);
		else
			json_object_set_new(out, key, json_merge_patch(
				json_object_get(out, key), each));
	}
	return out;
}

const char *json_str(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

json_int_t json_int(const json_t *object, const char *key,
		    json_int_t fallback)
{
	const json_t *v = json_object_get(object, key);

	return json_is_integer(v) ? json_integer_value(v) : fallback;
}

bool json_is_set(const json_t *object, const char *key)
{
	return json_is_true(json_object_get(object, key));
}

void json_set_str(json_t *object, const char *key, const char *text)
{
	json_object_set_new(object, key, json_lossy(text));
}

void json_set_int(json_t *object, const char *key, json_int_t value)
{
	json_object_set_new(object, key, json_integer(value));
}
