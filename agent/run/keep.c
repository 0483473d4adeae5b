/* See keep.h. */
#include "agent/run/keep.h"

#include <string.h>

void keep_fini(struct keep *k)
{
	buf_fini(&k->head);
	buf_fini(&k->tail);
	*k = (struct keep){0};
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

void keep_add(struct keep *k, const void *data, size_t len)
{
	const char *from = data;
	size_t n = least(len, KEEP_HALF - k->head.len);

	buf_add(&k->head, from, n);
	from += n;
	len -= n;
	n = least(len, KEEP_HALF - k->tail.len);
	if (n)
		buf_add(&k->tail, from, n);
	from += n;
	len -= n;
	k->lost += len;
	while (len) {			/* the ring is full and goes round */
		n = least(len, KEEP_HALF - k->at);
		memcpy(k->tail.data + k->at, from, n);
		k->at = (k->at + n) % KEEP_HALF;
		from += n;
		len -= n;
	}
}

void keep_tail(const struct keep *k, struct buf *out)
{
	if (!k->tail.len)
		return;
	buf_add(out, k->tail.data + k->at, k->tail.len - k->at);
	buf_add(out, k->tail.data, k->at);
}
