/* The sorted list of model_item.h. New ids sort last, so adding is cheap. */
#include "console/model_item.h"

#include <stdlib.h>
#include <string.h>

#include "common/mem.h"

/* Where id is, or would go. */
static size_t place(const struct items *list, const char *id)
{
	size_t from = 0, to = list->n;

	if (to && strcmp(list->at[to - 1]->id, id) < 0)
		return to;
	while (from < to) {
		size_t mid = from + (to - from) / 2;

		if (strcmp(list->at[mid]->id, id) < 0)
			from = mid + 1;
		else
			to = mid;
	}
	return from;
}

struct item *items_find(const struct items *list, const char *id)
{
	size_t i = id ? place(list, id) : list->n;

	return i < list->n && !strcmp(list->at[i]->id, id) ? list->at[i] :
							     NULL;
}

static void make_room(struct items *list)
{
	if (list->n < list->cap)
		return;
	list->cap = list->cap ? list->cap * 2 : 64;
	list->at = xrealloc(list->at, list->cap * sizeof(*list->at));
}

void items_add(struct items *list, struct item *item)
{
	make_room(list);
	list->at[list->n++] = item;
}

void items_put(struct items *list, struct item *item)
{
	size_t i = place(list, item->id);

	if (i < list->n && !strcmp(list->at[i]->id, item->id)) {
		item_free(list->at[i]);
		list->at[i] = item;
		return;
	}
	make_room(list);
	memmove(&list->at[i + 1], &list->at[i],
		(list->n - i) * sizeof(*list->at));
	list->at[i] = item;
	list->n++;
}

void items_drop_first(struct items *list, size_t n)
{
	n = n < list->n ? n : list->n;
	for (size_t i = 0; i < n; i++)
		item_free(list->at[i]);
	list->n -= n;
	if (list->n)
		memmove(list->at, &list->at[n], list->n * sizeof(*list->at));
}

void items_fini(struct items *list)
{
	items_drop_first(list, list->n);
	free(list->at);
	*list = (struct items){0};
}
