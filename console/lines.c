/* See lines.h. */
#include "console/lines.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "console/frame.h"

void lines_init(struct lines *l, int width, int label, bool ascii)
{
	*l = (struct lines){.width = width > 12 ? width : 12, .label = label,
			    .ascii = ascii};
	if (l->label > l->width / 2)
		l->label = 0;
}

void lines_fini(struct lines *l)
{
	for (size_t i = 0; i < l->n; i++) {
		free(l->at[i].label);
		free(l->at[i].text);
	}
	free(l->at);
	*l = (struct lines){0};
}

/* Bytes of text that fit into width cells, broken at a space if possible. */
static size_t fitting(const char *text, int width, bool ascii)
{
	size_t n = 0, space = 0;
	int cells = 0, joined = -1, wide;

	while (text[n]) {
		size_t took = text_piece(text + n, ascii, &joined, &wide);

		cells += wide;
		if (cells > width)
			return space ? space : n ? n : took;
		if (text[n] == ' ')
			space = n + took;
		n += took;
	}
	return n;
}

static void add_line(struct lines *l, const char *label, enum style style,
		     const char *gutter, const char *text, size_t len)
{
	l->at = xrealloc(l->at, (l->n + 1) * sizeof(*l->at));
	l->at[l->n++] = (struct line){
		.label = xstrdup(label), .style = style,
		.text = xasprintf("%s%.*s", gutter, (int)len, text),
	};
}

void lines_add(struct lines *l, const char *label, enum style style,
	       bool quoted, const char *text)
{
	const char *gutter = quoted ? "| " : "";
	int width = l->width - l->label - (quoted ? 2 : 0);
	char *copy = xstrdup(text), *at = copy, *end;

	do {
		end = strchr(at, '\n');
		if (end)
			*end = 0;
		do {
			size_t n = fitting(at, width, l->ascii);

			add_line(l, label, style, gutter, at, n);
			label = NULL;
			at += n;
		} while (*at);
		at = end ? end + 1 : at;
	} while (end);
	free(copy);
}

void lines_addf(struct lines *l, const char *label, enum style style,
		const char *fmt, ...)
{
	va_list ap;
	char *text;

	va_start(ap, fmt);
	text = xvasprintf(fmt, ap);
	va_end(ap);
	lines_add(l, label, style, false, text);
	free(text);
}

void lines_draw(const struct lines *l, struct frame *f, int row, int col,
		int count, size_t first)
{
	for (int i = 0; i < count && first + (size_t)i < l->n; i++) {
		const struct line *line = &l->at[first + (size_t)i];

		if (line->label)
			frame_text(f, row + i, col, l->label, STYLE_label,
				   line->label);
		frame_text(f, row + i, col + l->label, l->width - l->label,
			   line->style, line->text);
	}
}
