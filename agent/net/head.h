/* The head of an HTTP answer. */
#pragma once
#include <stdbool.h>

struct buf;
struct call;

/* Status line and headers with the empty line after them, added to out. */
void head_write(struct buf *out, const struct call *c, bool closes);
