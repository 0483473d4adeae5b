/*
 * See changes.h. What a stranger wrote decides how much there is to say, so
 * each of the three measures has its end.
 */
#include "agent/store/changes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/json.h"
#include "common/sha256.h"

struct changes {
	json_t *out;
	int more;
	struct buf path;
};

static json_t *shown(const json_t *v)
{
	size_t flags = JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY, len;
	char *text = json_dumps(v, flags), hex[SHA256_HEX];
	json_t *out;

	len = strlen(text);
	if (len > CHANGES_VALUE) {
		sha256_hex(text, len, hex);
		out = json_pack("{s:s,s:I}", "sha256", hex, "bytes",
				(json_int_t)len);
	} else {
		out = json_incref((json_t *)v);
	}
	free(text);
	return out;
}

static void add(struct changes *c, const json_t *from, const json_t *to)
{
	json_t *one;

	if (json_array_size(c->out) == CHANGES_MAX) {
		c->more++;
		return;
	}
	one = json_object();
	json_set_str(one, "path", c->path.len ? c->path.data : "");
	if (from)
		json_object_set_new(one, "from", shown(from));
	if (to)
		json_object_set_new(one, "to", shown(to));
	json_array_append_new(c->out, one);
}

/* RFC 6901 section 3: ~ and / are written as ~0 and ~1. */
static void add_name(struct buf *path, const char *name)
{
	buf_adds(path, "/");
	for (; *name; name++)
		if (*name == '~')
			buf_adds(path, "~0");
		else if (*name == '/')
			buf_adds(path, "~1");
		else
			buf_add(path, name, 1);
}

static void walk(struct changes *c, const json_t *from, const json_t *to);

static void step(struct changes *c, const char *name, const json_t *from,
		 const json_t *to)
{
	size_t len = c->path.len;

	add_name(&c->path, name);
	walk(c, from, to);
	c->path.len = len;
	c->path.data[len] = 0;
}

static void walk_objects(struct changes *c, const json_t *from,
			 const json_t *to)
{
	const char *key;
	json_t *v;

	json_object_foreach ((json_t *)from, key, v)
		step(c, key, v, json_object_get(to, key));
	json_object_foreach ((json_t *)to, key, v)
		if (!json_object_get(from, key))
			step(c, key, NULL, v);
}

static void walk_arrays(struct changes *c, const json_t *from,
			const json_t *to)
{
	size_t n = json_array_size(from), m = json_array_size(to);
	char name[24];

	for (size_t i = 0; i < n || i < m; i++) {
		snprintf(name, sizeof(name), "%zu", i);
		step(c, name, json_array_get(from, i), json_array_get(to, i));
	}
}

/* Would every name in it still fit behind the path? */
static bool has_room(const struct changes *c, const json_t *v)
{
	const char *key;
	json_t *each;

	if (!json_is_object(v))
		return c->path.len + 24 <= CHANGES_PATH;
	json_object_foreach ((json_t *)v, key, each)
		if (c->path.len + 2 * strlen(key) + 1 > CHANGES_PATH)
			return false;
	return true;
}

/* Only what is the same on both sides, or the document itself, is opened. */
static void walk(struct changes *c, const json_t *from, const json_t *to)
{
	if (from && to && json_equal(from, to))
		return;
	if (!from || !to || json_typeof(from) != json_typeof(to) ||
	    !has_room(c, from) || !has_room(c, to))
		add(c, from, to);
	else if (json_is_object(from))
		walk_objects(c, from, to);
	else if (json_is_array(from))
		walk_arrays(c, from, to);
	else
		add(c, from, to);
}

json_t *changes_between(const json_t *from, const json_t *to, int *more)
{
	struct changes c = {.out = json_array()};
	json_t *none = json_object();

	walk(&c, from ? from : none, to ? to : none);
	json_decref(none);
	buf_fini(&c.path);
	*more = c.more;
	return c.out;
}
