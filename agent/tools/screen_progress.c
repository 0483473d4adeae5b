/* See screen_progress.h. */
#include "agent/tools/screen_progress.h"

#include <stdlib.h>
#include <string.h>

static bool take_line(struct progress *p)
{
	const struct { const char *key; int64_t *into; } known[] = {
		{"out_time_us=", &p->out_us},
		{"frame=", &p->frames},
		{"total_size=", &p->bytes},
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
		size_t n = strlen(known[i].key);
		char *end;
		long long v;

		if (strncmp(p->line, known[i].key, n))
			continue;
		v = strtoll(p->line + n, &end, 10);
		if (end != p->line + n && v >= 0)	/* not "N/A" */
			*known[i].into = v;
	}
	return !strncmp(p->line, "progress=", 9);
}

bool progress_feed(struct progress *p, const char *data, size_t len)
{
	bool block = false;

	for (size_t i = 0; i < len; i++) {
		if (data[i] != '\n') {
			if (p->len + 1 < sizeof(p->line))
				p->line[p->len++] = data[i];
			else
				p->overlong = true;
			continue;
		}
		p->line[p->len] = 0;
		if (!p->overlong && take_line(p))
			block = true;
		p->len = 0;
		p->overlong = false;
	}
	return block;
}
