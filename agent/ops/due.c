/*
 * See due.h: a binary heap in an array, and the time that counts for each
 * document. An entry that an earlier one replaced goes when it is popped.
 */
#include "agent/ops/due.h"

#include <jansson.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/json.h"
#include "common/mem.h"

struct due {
	struct due_item *items;
	size_t n, cap;
	json_t *counts;			/* "kind:id": at_us */
};

struct due *due_new(void)
{
	struct due *d = xcalloc(1, sizeof(*d));

	d->counts = json_object();
	return d;
}

void due_free(struct due *d)
{
	if (!d)
		return;
	json_decref(d->counts);
	free(d->items);
	free(d);
}

static void key_of(char key[200], const char *kind, const char *id)
{
	snprintf(key, 200, "%s:%s", kind, id);
}

static void swap(struct due_item *a, struct due_item *b)
{
	struct due_item t = *a;

	*a = *b;
	*b = t;
}

void due_add(struct due *d, int64_t at_us, const char *kind, const char *id)
{
	size_t i = d->n;
	char key[200];

	key_of(key, kind, id);
	if (json_int(d->counts, key, INT64_MAX) <= at_us)
		return;
	json_set_int(d->counts, key, at_us);
	if (d->n == d->cap) {
		d->cap = d->cap ? d->cap * 2 : 64;
		d->items = xrealloc(d->items, d->cap * sizeof(*d->items));
	}
	d->items[i] = (struct due_item){.at_us = at_us, .kind = kind};
	snprintf(d->items[i].id, sizeof(d->items[i].id), "%s", id);
	d->n++;
	for (; i && d->items[i].at_us < d->items[(i - 1) / 2].at_us;
	     i = (i - 1) / 2)
		swap(&d->items[i], &d->items[(i - 1) / 2]);
}

void due_in(struct due *d, int64_t us, const char *kind, const char *id)
{
	due_add(d, clock_steady_us() + us, kind, id);
}

int64_t due_next(const struct due *d)
{
	return d->n ? d->items[0].at_us : INT64_MAX;
}

static void take_first(struct due *d, struct due_item *out)
{
	size_t i = 0, least;

	*out = d->items[0];
	d->items[0] = d->items[--d->n];
	for (;; i = least) {
		least = i;
		for (size_t k = 2 * i + 1; k <= 2 * i + 2 && k < d->n; k++)
			if (d->items[k].at_us < d->items[least].at_us)
				least = k;
		if (least == i)
			return;
		swap(&d->items[i], &d->items[least]);
	}
}

bool due_pop(struct due *d, int64_t now_us, struct due_item *out)
{
	char key[200];

	while (due_next(d) <= now_us) {
		take_first(d, out);
		key_of(key, out->kind, out->id);
		if (json_int(d->counts, key, INT64_MAX) == out->at_us) {
			json_object_del(d->counts, key);
			return true;
		}
	}
	return false;
}
