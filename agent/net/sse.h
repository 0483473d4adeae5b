/* Server-sent events (WHATWG HTML, section 9.2) on a peer. */
#pragma once
#include <stdint.h>

struct call;
struct peer;

void sse_begin(struct peer *p, const struct call *c);	/* the head is out */
int sse_writeable(struct peer *p);
void sse_tick(struct peer *p, int64_t now);
