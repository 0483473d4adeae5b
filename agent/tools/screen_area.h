/* Rectangles and window ids as people write them. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct area {
	int x, y, w, h;		/* pixels */
};

/* "X,Y,WxH", each up to 32767, with a width and height. */
bool area_parse(const char *text, struct area *out);
/* 4194307 or 0x400003. */
bool window_parse(const char *text, uint32_t *out);
bool area_inside(const struct area *a, const struct area *outer);
/* What both have in common; false if that is nothing. */
bool area_clip(struct area *a, const struct area *outer);
