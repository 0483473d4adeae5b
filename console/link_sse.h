/* Server-sent events out of a stream of bytes (WHATWG HTML, 9.2.6). */
#pragma once
#include "console/link_http.h"

struct sse;

/* *last: the id to resume from, replaced as events come. */
struct sse *sse_new(http_event *fn, void *data, char **last);
void sse_free(struct sse *s);
/* Non-zero once fn wanted no more, or a line was beyond all bounds. */
int sse_feed(struct sse *s, const char *data, size_t len);
int sse_result(const struct sse *s);	/* what fn returned last */
