/* See picture.h. */
#include "console/picture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"

struct picture *picture_new(const char *sha256)
{
	struct picture *p = xcalloc(1, sizeof(*p));

	p->sha256 = xstrdup(sha256);
	return p;
}

void picture_free(struct picture *p)
{
	if (!p)
		return;
	free(p->sha256);
	free(p->cells);
	free(p->trouble);
	free(p);
}

static bool read_head(const char *text, int *cols, int *rows, int *colours)
{
	int end = 0;

	return sscanf(text, PICTURE_MAGIC " %4d %4d %1d%n", cols, rows,
		      colours, &end) == 3 && !text[end] &&
	       *cols > 0 && *rows > 0 && *cols <= PICTURE_MAX &&
	       *rows <= PICTURE_MAX;
}

static struct dot read_dot(const unsigned char *c)
{
	uint32_t ch = (uint32_t)c[0] << 24 | (uint32_t)c[1] << 16 |
		      (uint32_t)c[2] << 8 | c[3];
	/* ASCII, and the block elements that pictures are made of */
	bool plain = (ch >= 0x20 && ch < 0x7f) ||
		     (ch >= 0x2580 && ch <= 0x259f);

	return (struct dot){plain ? ch : '?', c[4], c[5]};
}

void picture_take(struct picture *p, const void *data, size_t len)
{
	const char *lf = len ? memchr(data, '\n', len < 64 ? len : 64) : NULL;
	size_t head = lf ? (size_t)(lf - (const char *)data) : 0, n;
	const unsigned char *at = (const unsigned char *)data + head + 1;
	int cols = 0, rows = 0, colours = 0;
	char *text = xstrndup(lf ? data : "", head);
	bool good = read_head(text, &cols, &rows, &colours);

	free(text);
	n = (size_t)cols * (size_t)rows;
	if (!good || len - head - 1 != n * PICTURE_CELL) {
		free(p->trouble);
		p->trouble = xstrdup("this is no picture that can be shown");
		return;
	}
	free(p->cells);
	p->cells = xcalloc(n, sizeof(*p->cells));
	p->cols = cols;
	p->rows = rows;
	p->colours = colours;
	for (size_t i = 0; i < n; i++)
		p->cells[i] = read_dot(at + i * PICTURE_CELL);
}
