/* See ssot_docs.h. */
#include "agent/store/ssot_docs.h"

#include <stdlib.h>
#include <string.h>

#include "common/mem.h"

struct docs {
	struct doc *list;
	size_t n, room;
	uint32_t *table;	/* of index + 1 in list, by path; 0: free */
	size_t slots;		/* a power of two */
};

struct docs *docs_new(void)
{
	struct docs *d = xcalloc(1, sizeof(*d));

	d->slots = 1024;
	d->table = xcalloc(d->slots, sizeof(*d->table));
	return d;
}

void docs_free(struct docs *d)
{
	if (!d)
		return;
	for (size_t i = 0; i < d->n; i++)
		free(d->list[i].path);
	free(d->list);
	free(d->table);
	free(d);
}

/* FNV-1a */
static size_t hash(const char *path)
{
	uint64_t h = 14695981039346656037ull;

	for (; *path; path++)
		h = (h ^ (uint8_t)*path) * 1099511628211ull;
	return (size_t)h;
}

static uint32_t *slot_of(struct docs *d, const char *path)
{
	size_t at = hash(path) & (d->slots - 1);

	while (d->table[at] && strcmp(d->list[d->table[at] - 1].path, path))
		at = (at + 1) & (d->slots - 1);
	return &d->table[at];
}

static void grow(struct docs *d)
{
	if (d->n == d->room) {
		d->room = d->room ? 2 * d->room : 256;
		d->list = xrealloc(d->list, d->room * sizeof(*d->list));
	}
	if (2 * d->n < d->slots)
		return;
	d->slots *= 2;
	free(d->table);
	d->table = xcalloc(d->slots, sizeof(*d->table));
	for (size_t i = 0; i < d->n; i++)
		*slot_of(d, d->list[i].path) = (uint32_t)i + 1;
}

struct doc *docs_find(struct docs *d, const char *path)
{
	uint32_t at = *slot_of(d, path);

	return at ? &d->list[at - 1] : NULL;
}

struct doc *docs_at(struct docs *d, const char *path)
{
	struct doc *doc = docs_find(d, path);

	if (doc)
		return doc;
	grow(d);
	doc = &d->list[d->n];
	*doc = (struct doc){.path = xstrdup(path)};
	*slot_of(d, path) = (uint32_t)++d->n;
	return doc;
}

struct doc *docs_list(struct docs *d, size_t *n)
{
	*n = d->n;
	return d->list;
}
