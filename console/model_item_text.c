/* See model_item_text.h. */
#include "console/model_item_text.h"

#include <float.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/json.h"
#include "common/mem.h"
#include "console/safe.h"

#define SUMMARY_MAX 400

void item_add(struct buf *b, const char *text)
{
	char *safe = safe_line(text);

	buf_adds(b, safe);
	free(safe);
}

char *item_list(const json_t *list, const char *between, item_part *part)
{
	struct buf b = {0};
	const json_t *each;
	size_t i;

	buf_adds(&b, "");
	json_array_foreach ((json_t *)list, i, each) {
		const size_t len = b.len;

		buf_adds(&b, len ? between : "");
		if (part(&b, each))
			continue;
		b.len = len;
		b.data[len] = 0;
	}
	return buf_take(&b, NULL);
}

static bool add_said(struct buf *b, const json_t *each)
{
	const char *id = json_str(each, "id"), *text = json_str(each, "text");

	if (!id)
		id = json_str(each, "criterion_ref");
	item_add(b, id ? id : "-");
	buf_adds(b, ": ");
	item_add(b, text ? text : "");
	return true;
}

char *item_said(const json_t *list)
{
	return item_list(list, "\n", add_said);
}

char *item_labels(const json_t *labels)
{
	struct buf b = {0};
	const char *key;
	json_t *v;

	buf_adds(&b, "");
	json_object_foreach ((json_t *)labels, key, v) {
		buf_adds(&b, b.len ? ", " : "");
		item_add(&b, key);
		buf_adds(&b, "=");
		item_add(&b, json_is_string(v) ? json_string_value(v) : "?");
	}
	return buf_take(&b, NULL);
}

static void add_value(struct buf *b, const json_t *v)
{
	char *text = !v ? xstrdup("nothing") : json_is_string(v) ?
		     xasprintf("\"%s\"", json_string_value(v)) :
		     json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT |
				JSON_SORT_KEYS | JSON_REAL_PRECISION(DBL_DIG));

	item_add(b, text ? text : "?");
	free(text);
}

static bool add_change(struct buf *b, const json_t *each)
{
	const char *path = json_str(each, "path");
	const json_t *from = json_object_get(each, "from");

	if (path && !strcmp(path, "/updated_at"))
		return false;		/* its row has the time */
	item_add(b, path ? path : "?");
	buf_adds(b, ": ");
	if (from) {
		add_value(b, from);
		buf_adds(b, " -> ");
	}
	add_value(b, json_object_get(each, "to"));
	return true;
}

char *item_changes(const json_t *list)
{
	return item_list(list, "\n", add_change);
}

static bool add_name(struct buf *b, const json_t *each)
{
	const char *name = json_str(each, "document");

	item_add(b, name ? name : "?");
	return true;
}

char *item_names(const json_t *list)
{
	return item_list(list, ", ", add_name);
}

static void add_scalar(struct buf *b, const char *key, const json_t *v)
{
	char *name = safe_line(key), *text = NULL;

	if (json_is_string(v))
		text = safe_line(json_string_value(v));
	else if (json_is_integer(v))
		text = xasprintf("%lld", (long long)json_integer_value(v));
	else if (json_is_real(v))
		text = xasprintf("%.15g", json_real_value(v));
	else if (json_is_boolean(v))
		text = xstrdup(json_is_true(v) ? "yes" : "no");
	if (text && *text && b->len < SUMMARY_MAX)
		buf_addf(b, "%s%s=%s", b->len ? "  " : "", name, text);
	free(name);
	free(text);
}

char *item_summary(const json_t *data)
{
	static const char *const first[] = {"reason", "tool", "from", "to",
					    "state", "name", "detail"};
	json_t *rest = json_copy((json_t *)data);
	struct buf b = {0};
	const char *key;
	json_t *v;

	add_scalar(&b, "times",
		   json_object_get(json_object_get(data, "folded"), "count"));
	for (size_t i = 0; i < ARRAY_LEN(first); i++) {
		add_scalar(&b, first[i], json_object_get(rest, first[i]));
		json_object_del(rest, first[i]);
	}
	json_object_foreach (rest, key, v)
		add_scalar(&b, key, v);
	json_decref(rest);
	buf_adds(&b, "");
	return buf_take(&b, NULL);
}

