/* See span.h. */
#include "console/span.h"

#include <stdio.h>

void span_age(int64_t us, char out[SPAN_TEXT])
{
	static const struct { int64_t below, unit; char name; } steps[] = {
		{60, 1, 's'}, {3600, 60, 'm'}, {86400, 3600, 'h'},
		{INT64_MAX, 86400, 'd'},
	};
	int64_t s = us / SPAN_S;
	int i = 0;

	if (s < 1) {
		snprintf(out, SPAN_TEXT, "now");
		return;
	}
	while (s >= steps[i].below)
		i++;
	s /= steps[i].unit;
	snprintf(out, SPAN_TEXT, "%d%c", (int)(s > 99999 ? 99999 : s),
		 steps[i].name);
}

int64_t span_left(int64_t us, char out[SPAN_TEXT])
{
	static const struct { int64_t from, step; } steps[] = {
		{120, 60}, {30, 10}, {0, 1},
	};
	int64_t s = us / SPAN_S, step, shown;
	int i = 0;

	if (us <= 0) {
		snprintf(out, SPAN_TEXT, "over");
		return 0;
	}
	while (s < steps[i].from)
		i++;
	step = steps[i].step;
	shown = s / step * step;
	if (step == 60)
		snprintf(out, SPAN_TEXT, "%dm", (int)(shown / 60 > 99999 ?
						      99999 : shown / 60));
	else
		snprintf(out, SPAN_TEXT, "%ds", (int)shown);
	return us - shown * SPAN_S + 1;
}
