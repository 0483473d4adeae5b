/* A growable run of bytes. Zeroed memory is a valid empty buffer. */
#pragma once
#include <stdarg.h>
#include <stddef.h>

struct buf {
	char *data;	/* owned; NUL after the last byte once not NULL */
	size_t len;
	size_t cap;
};

void buf_fini(struct buf *b);
void buf_reset(struct buf *b);			/* empty, memory kept */
char *buf_room(struct buf *b, size_t len);	/* at least len free at end */
void buf_add(struct buf *b, const void *data, size_t len);
void buf_adds(struct buf *b, const char *text);
void buf_addf(struct buf *b, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* Hands the bytes over to the caller, who frees them; b is empty after. */
char *buf_take(struct buf *b, size_t *len);
