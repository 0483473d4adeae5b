/* See due.h: a binary heap in an array. */
#include "agent/ops/due.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/mem.h"

struct due {
	struct due_item *items;
	size_t n, cap;
};

struct due *due_new(void)
{
	return xcalloc(1, sizeof(struct due));
}

void due_free(struct due *d)
{
	if (d)
		free(d->items);
	free(d);
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

int64_t due_next(const struct due *d)
{
	return d->n ? d->items[0].at_us : INT64_MAX;
}

bool due_pop(struct due *d, int64_t now_us, struct due_item *out)
{
	size_t i = 0, least;

	if (due_next(d) > now_us)
		return false;
	*out = d->items[0];
	d->items[0] = d->items[--d->n];
	for (;; i = least) {
		least = i;
		for (size_t k = 2 * i + 1; k <= 2 * i + 2 && k < d->n; k++)
			if (d->items[k].at_us < d->items[least].at_us)
				least = k;
		if (least == i)
			return true;
		swap(&d->items[i], &d->items[least]);
	}
}
