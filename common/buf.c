/* See buf.h. Keeps a NUL after the bytes so that text needs no copy. */
#include "common/buf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"

void buf_fini(struct buf *b)
{
	free(b->data);
	*b = (struct buf){0};
}

void buf_reset(struct buf *b)
{
	b->len = 0;
	if (b->data)
		b->data[0] = 0;
}

char *buf_room(struct buf *b, size_t len)
{
	size_t need = b->len + len + 1;

	if (need > b->cap) {
		b->cap = need > b->cap * 2 ? need + 64 : b->cap * 2;
		b->data = xrealloc(b->data, b->cap);
	}
	return b->data + b->len;
}

void buf_add(struct buf *b, const void *data, size_t len)
{
	char *at = buf_room(b, len);

	if (len)
		memcpy(at, data, len);
	b->len += len;
	b->data[b->len] = 0;
}

void buf_adds(struct buf *b, const char *text)
{
	buf_add(b, text, strlen(text));
}

/* Most fit into what is there; the others are measured by the first try. */
void buf_addf(struct buf *b, const char *fmt, ...)
{
	size_t room;
	va_list ap;
	char *at;
	int n;

	at = buf_room(b, 80);
	room = b->cap - b->len;
	va_start(ap, fmt);
	n = vsnprintf(at, room, fmt, ap);
	va_end(ap);
	if (n >= 0 && (size_t)n >= room) {
		at = buf_room(b, (size_t)n);
		va_start(ap, fmt);
		n = vsnprintf(at, (size_t)n + 1, fmt, ap);
		va_end(ap);
	}
	if (n >= 0)
		b->len += (size_t)n;
	b->data[b->len] = 0;
}

char *buf_take(struct buf *b, size_t *len)
{
	char *out = b->data ? b->data : xstrdup("");

	if (len)
		*len = b->len;
	*b = (struct buf){0};
	return out;
}
