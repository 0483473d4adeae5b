/* Text broken to a width: what reviews, help and details are made of. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "console/style.h"

struct frame;

struct line {
	char *label;		/* in the left column, or NULL */
	char *text;
	enum style style;
};

struct lines {
	int width;		/* cells, the label column included */
	int label;		/* cells of the label column */
	bool ascii;
	struct line *at;
	size_t n;
};

void lines_init(struct lines *l, int width, int label, bool ascii);
void lines_fini(struct lines *l);
/*
 * Add safe text; line feeds break, and so does the width, at a space where
 * there is one. Nothing is ever cut off. Quoted: behind "| ".
 */
void lines_add(struct lines *l, const char *label, enum style style,
	       bool quoted, const char *text);
void lines_addf(struct lines *l, const char *label, enum style style,
		const char *fmt, ...) __attribute__((format(printf, 4, 5)));
/* Draw lines from first into rows row .. row + count - 1. */
void lines_draw(const struct lines *l, struct frame *f, int row, int col,
		int count, size_t first);
