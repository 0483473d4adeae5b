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

void buf_addf(struct buf *b, const char *fmt, ...)
{
	va_list ap, again;
	int n;

	va_start(ap, fmt);
	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n >= 0) {
		vsnprintf(buf_room(b, (size_t)n), (size_t)n + 1, fmt, again);
		b->len += (size_t)n;
	}
	va_end(again);
}

char *buf_take(struct buf *b, size_t *len)
{
	char *out = b->data ? b->data : xstrdup("");

	if (len)
		*len = b->len;
	*b = (struct buf){0};
	return out;
}
