/* See upkeep_plan.h. */
#include "agent/core/upkeep_plan.h"

#include <stdlib.h>

#define FACTOR 2

static bool is_free(const struct pack_facts *f, const struct plan_limits *l)
{
	return !f->kept && f->changed_ns <= l->before_ns;
}

/* Ours to choose from to the front, in the order they had. */
static size_t gather(struct pack_facts *list, size_t n, bool whole,
		     const struct plan_limits *l)
{
	size_t got = 0;

	for (size_t i = 0; i < n; i++) {
		struct pack_facts f = list[i];

		if (!is_free(&f, l) || f.whole != whole)
			continue;
		list[i] = list[got];
		list[got++] = f;
	}
	return got;
}

static int by_age(const void *a, const void *b)
{
	const struct pack_facts *x = a, *y = b;

	return (x->changed_ns > y->changed_ns) -
	       (x->changed_ns < y->changed_ns);
}

static int by_objects(const void *a, const void *b)
{
	const struct pack_facts *x = a, *y = b;

	return (x->objects > y->objects) - (x->objects < y->objects);
}

/* The oldest of them first, as many as may be handled at once. */
static size_t choose_new(struct pack_facts *list, size_t n,
			 const struct plan_limits *l)
{
	uint64_t objects = 0;
	size_t got = 0;

	if (n)
		qsort(list, n, sizeof(*list), by_age);
	while (got < n && got < PLAN_PACKS &&
	       (!got || objects + list[got].objects <= l->objects))
		objects += list[got++].objects;
	return got;
}

/* Up to the last one that is not yet twice what lies before it. */
static size_t choose_roll(struct pack_facts *list, size_t n,
			  const struct plan_limits *l)
{
	uint64_t sum = 0;
	size_t got = 0;

	if (n)
		qsort(list, n, sizeof(*list), by_objects);
	for (size_t i = 0; i < n && i < PLAN_PACKS; i++) {
		if (sum + list[i].objects > l->objects)
			break;
		if (list[i].objects < FACTOR * sum)
			got = i + 1;
		sum += list[i].objects;
	}
	return got;
}

enum plan plan_repack(struct pack_facts *list, size_t n, size_t loose,
		      const struct plan_limits *l, size_t *chosen)
{
	size_t whole = gather(list, n, true, l);
	uint64_t bytes = 0;

	for (size_t i = 0; i < whole; i++)
		bytes += list[i].bytes;
	*chosen = choose_new(list, whole, l);
	if (loose >= PLAN_LOOSE ||
	    (*chosen > 1 && (bytes >= l->new_bytes || whole >= PLAN_WHOLE)))
		return PLAN_NEW;
	*chosen = choose_roll(list, gather(list, n, false, l), l);
	return *chosen > 1 ? PLAN_ROLL : PLAN_NOTHING;
}
