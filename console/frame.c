/* See frame.h. */
#include "console/frame.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "common/utf8.h"

void frame_init(struct frame *f, int rows, int cols, bool ascii)
{
	*f = (struct frame){.rows = rows, .cols = cols, .ascii = ascii};
	f->cells = xcalloc((size_t)rows * (size_t)cols, sizeof(*f->cells));
	frame_clear(f);
}

void frame_fini(struct frame *f)
{
	free(f->cells);
	*f = (struct frame){0};
}

void frame_clear(struct frame *f)
{
	int n = f->rows * f->cols;

	memset(f->cells, 0, (size_t)n * sizeof(*f->cells));
	for (int i = 0; i < n; i++)
		f->cells[i].ch[0] = ' ';
	f->cursor_row = f->cursor_col = 0;
	f->until_us = 0;
	f->faded = false;
}

struct cell *frame_at(const struct frame *f, int row, int col)
{
	if (row < 0 || col < 0 || row >= f->rows || col >= f->cols)
		return NULL;
	return &f->cells[row * f->cols + col];
}

static enum style shade(const struct frame *f, enum style style)
{
	bool plain = style == STYLE_normal || style == STYLE_muted;

	return f->faded && plain ? STYLE_stale : style;
}

static void put(struct frame *f, int row, int col, enum style style,
		uint32_t ch, int width)
{
	struct cell *c = frame_at(f, row, col);

	if (!c)
		return;
	*c = (struct cell){.ch = {ch}, .style = (uint8_t)shade(f, style)};
	c = width == 2 ? frame_at(f, row, col + 1) : NULL;
	if (c)
		*c = (struct cell){.ch = {' '}, .half = 1,
				   .style = (uint8_t)shade(f, style)};
}

/* What a code point is shown as: itself, or <U+0301> where it cannot be. */
struct glyph {
	uint32_t point;
	int width;		/* cells; 0 joins the one before */
	char spelled[12];	/* not empty: shown instead */
};

/* *joined: how many have joined the cell before; -1 where there is none. */
static size_t next_glyph(const char *text, bool ascii, int *joined,
			 struct glyph *g)
{
	size_t n = utf8_decode(text, strlen(text), &g->point);
	bool may_join = *joined >= 0 && *joined < 2;

	g->width = utf8_width(g->point);
	*g->spelled = 0;
	if (!utf8_shows(g->point) || (ascii && g->point > 126) ||
	    (!g->width && !may_join)) {
		snprintf(g->spelled, sizeof(g->spelled), "<U+%04X>",
			 g->point);
		g->width = (int)strlen(g->spelled);
	}
	*joined = g->width ? 0 : *joined + 1;
	return n;
}

size_t text_piece(const char *text, bool ascii, int *joined, int *width)
{
	struct glyph g;
	size_t n = next_glyph(text, ascii, joined, &g);

	*width = g.width;
	return n;
}

static void join(struct frame *f, int row, int col, uint32_t point)
{
	struct cell *c = frame_at(f, row, col - 1);

	if (c && c->half)
		c = frame_at(f, row, col - 2);
	if (c)
		c->ch[c->ch[1] ? 2 : 1] = point;
}

static void put_glyph(struct frame *f, int row, int col, enum style style,
		      const struct glyph *g)
{
	if (!*g->spelled) {
		put(f, row, col, style, g->point, g->width);
		return;
	}
	for (int i = 0; g->spelled[i]; i++)
		put(f, row, col + i, style, (unsigned char)g->spelled[i], 1);
}

int frame_text(struct frame *f, int row, int col, int width, enum style style,
	       const char *text)
{
	int used = 0, joined = -1;

	if (width > f->cols - col)
		width = f->cols - col;
	while (*text && width > 0) {
		struct glyph g;

		text += next_glyph(text, f->ascii, &joined, &g);
		if (used + g.width > width) {
			put(f, row, col + width - 1, style, '~', 1);
			return width;
		}
		if (g.width)
			put_glyph(f, row, col + used, style, &g);
		else
			join(f, row, col + used, g.point);
		used += g.width;
	}
	return used;
}

int text_cells(const char *text, bool ascii)
{
	int used = 0, joined = -1, width;

	while (*text) {
		text += text_piece(text, ascii, &joined, &width);
		used += width;
	}
	return used;
}

int frame_printf(struct frame *f, int row, int col, int width,
		 enum style style, const char *fmt, ...)
{
	va_list ap;
	char *text;
	int used;

	va_start(ap, fmt);
	text = xvasprintf(fmt, ap);
	va_end(ap);
	used = frame_text(f, row, col, width, style, text);
	free(text);
	return used;
}

void frame_fill(struct frame *f, int row, int col, int width,
		enum style style, uint32_t ch)
{
	for (int i = 0; i < width; i++)
		put(f, row, col + i, style, ch, 1);
}

void frame_rule(struct frame *f, int row)
{
	frame_fill(f, row, 0, f->cols - 1, STYLE_rule, '-');
}

void frame_until(struct frame *f, int64_t us)
{
	if (us && (!f->until_us || us < f->until_us))
		f->until_us = us;
}
