/* See screen_area.h. */
#include "agent/tools/screen_area.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SIDE_MAX 32767		/* X11 has 15 bits for a place */

bool area_parse(const char *text, struct area *out)
{
	struct area a;
	int n = 0;

	if (text[strspn(text, "0123456789,x")])
		return false;
	if (sscanf(text, "%5d,%5d,%5dx%5d%n", &a.x, &a.y, &a.w, &a.h, &n) != 4)
		return false;
	if (text[n] || a.x > SIDE_MAX || a.y > SIDE_MAX || a.w > SIDE_MAX ||
	    a.h > SIDE_MAX || !a.w || !a.h)
		return false;
	*out = a;
	return true;
}

bool window_parse(const char *text, uint32_t *out)
{
	bool hex = !strncmp(text, "0x", 2);
	const char *digits = hex ? text + 2 : text;
	size_t n = strspn(digits, hex ? "0123456789abcdefABCDEF" :
					"0123456789");
	unsigned long long id;

	if (!n || digits[n] || n > 10)
		return false;
	id = strtoull(digits, NULL, hex ? 16 : 10);
	*out = (uint32_t)id;
	return id && id <= UINT32_MAX;
}

bool area_inside(const struct area *a, const struct area *o)
{
	return a->x >= o->x && a->y >= o->y && a->x + a->w <= o->x + o->w &&
	       a->y + a->h <= o->y + o->h;
}

bool area_clip(struct area *a, const struct area *o)
{
	int right = a->x + a->w < o->x + o->w ? a->x + a->w : o->x + o->w;
	int bottom = a->y + a->h < o->y + o->h ? a->y + a->h : o->y + o->h;

	a->x = a->x > o->x ? a->x : o->x;
	a->y = a->y > o->y ? a->y : o->y;
	a->w = right - a->x;
	a->h = bottom - a->y;
	return a->w > 0 && a->h > 0;
}
