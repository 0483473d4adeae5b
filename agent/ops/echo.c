/* See echo.h. */
#include "agent/ops/echo.h"

#include <stdio.h>
#include <string.h>

#include "common/err.h"
#include "common/json.h"
#include "common/utf8.h"

struct echo {
	json_t *missing, *unexpected, *differing;
};

static const json_t *find_id(const json_t *list, size_t until,
			     const char *id)
{
	for (size_t i = 0; i < until; i++) {
		const json_t *each = json_array_get(list, i);
		const char *own = json_str(each, "id");

		if (id && own && !strcmp(own, id))
			return each;
	}
	return NULL;
}

static json_t *point_at(const char *text, size_t at, size_t len)
{
	uint32_t point;

	if (at == len)
		return json_null();
	utf8_decode(text + at, len - at, &point);
	return json_sprintf("U+%04X", point);
}

/* Of two texts that are not the same; null: one is no text, or both are. */
static json_t *first_difference(const json_t *want, const json_t *got)
{
	const char *a = json_string_value(want), *b = json_string_value(got);
	size_t an = json_string_length(want), bn = json_string_length(got);
	size_t at = 0, characters = 0;

	if (!a || !b || json_equal((json_t *)want, (json_t *)got))
		return json_null();
	while (at < an && at < bn) {
		uint32_t x, y;
		size_t n = utf8_decode(a + at, an - at, &x);

		if (utf8_decode(b + at, bn - at, &y) != n || x != y)
			break;
		at += n;
		characters++;
	}
	return json_pack("{s:I,s:I,s:o,s:o}", "byte", (json_int_t)at,
			 "character", (json_int_t)characters, "expected",
			 point_at(a, at, an), "got", point_at(b, at, bn));
}

static void add_differing(struct echo *e, const json_t *want,
			  const json_t *got)
{
	const json_t *texts[] = {json_object_get(want, "text"),
				 json_object_get(got, "text")};

	json_array_append_new(e->differing, json_pack("{s:O,s:O,s:o,s:o}",
		"id", json_object_get(want, "id"), "expected", texts[0],
		"got", texts[1] ? json_incref((json_t *)texts[1]) :
		json_null(), "at", first_difference(texts[0], texts[1])));
}

static void compare(struct echo *e, const json_t *want, const json_t *got)
{
	json_t *each;
	size_t i;

	json_array_foreach (want, i, each) {
		const json_t *other = find_id(got, json_array_size(got),
					      json_str(each, "id"));

		if (!other)
			json_array_append(e->missing, each);
		else if (!json_equal(each, (json_t *)other))
			add_differing(e, each, other);
	}
	json_array_foreach (got, i, each) {
		const char *id = json_str(each, "id");

		if (!find_id(want, json_array_size(want), id) ||
		    find_id(got, i, id))
			json_array_append(e->unexpected, each);
	}
}

/* Of the same ids, each once: where the first is that comes too early. */
static json_t *order_of(const json_t *want, const json_t *got)
{
	json_t *each;
	size_t i;

	json_array_foreach (want, i, each) {
		const json_t *id = json_object_get(each, "id");
		const json_t *other = json_object_get(json_array_get(got, i),
						      "id");

		if (!json_equal((json_t *)id, (json_t *)other))
			return json_pack("{s:I,s:O,s:O}", "at", (json_int_t)i,
					 "expected", id, "got", other);
	}
	return NULL;
}

static void say(const struct echo *e, const json_t *order, struct err *err)
{
	const json_t *first = json_array_get(e->differing, 0);
	const json_t *at = json_object_get(first, "at");
	const char *want = json_str(at, "expected"), *got = json_str(at, "got");

	if (json_is_object(at))
		err_set(err, ERR_ack_mismatch, "%.80s: %s at character %lld, "
			"where the task has %s", json_str(first, "id"),
			got ? got : "it ends", (long long)json_int(at,
			"character", 0), want ? want : "nothing more");
	else if (order)
		err_set(err, ERR_ack_mismatch, "the order is another: %.80s "
			"comes before %.80s", json_str(order, "got"),
			json_str(order, "expected"));
	else
		err_set(err, ERR_ack_mismatch,
			"the echo differs from the criteria");
}

int echo_differs(const json_t *want, const json_t *got, struct err *err)
{
	struct echo e = {json_array(), json_array(), json_array()};
	json_t *order;

	compare(&e, want, got);
	order = json_array_size(e.missing) || json_array_size(e.unexpected) ?
		NULL : order_of(want, got);
	say(&e, order, err);
	err_member(err, "missing", e.missing);
	err_member(err, "unexpected", e.unexpected);
	err_member(err, "differing", e.differing);
	if (order)
		err_member(err, "order", order);
	return -1;
}
