/*
 * A picture made of cells, before any terminal: what views draw into and what
 * tests compare. Text put here must be safe already (safe.h); a character
 * that takes no cell of its own joins the one before it, two at most.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "console/style.h"

struct cell {
	uint32_t ch[3];		/* base and what combines with it; 0 ends */
	uint8_t style;		/* enum style */
	uint8_t half;		/* 1: right half of the wide one before */
	uint8_t dyed;		/* 1: colours are fg and bg, not the style's */
	uint8_t fg, bg;		/* of 256 */
	uint8_t none[3];	/* 0: cells are compared as bytes */
};

struct frame {
	int rows, cols;
	bool ascii;		/* the terminal shows nothing else */
	bool faded;		/* normal and muted become stale */
	struct cell *cells;	/* rows * cols */
	int cursor_row, cursor_col;
	int64_t until_us;	/* when it changes by itself; 0: never */
};

void frame_init(struct frame *f, int rows, int cols, bool ascii);
void frame_fini(struct frame *f);
void frame_clear(struct frame *f);
struct cell *frame_at(const struct frame *f, int row, int col);

/*
 * Put text at row and col, in at most width cells; what does not fit is cut
 * and the last cell says so with '~'. Returns the cells used.
 */
int frame_text(struct frame *f, int row, int col, int width, enum style style,
	       const char *text);
int frame_printf(struct frame *f, int row, int col, int width,
		 enum style style, const char *fmt, ...)
	__attribute__((format(printf, 6, 7)));
void frame_fill(struct frame *f, int row, int col, int width,
		enum style style, uint32_t ch);
void frame_rule(struct frame *f, int row);
/* Remember that the picture changes by itself at this time; 0 is ignored. */
void frame_until(struct frame *f, int64_t us);

/* Cells that text needs, as frame_text would put it. */
int text_cells(const char *text, bool ascii);
/*
 * The first character of text: its bytes, returned, and its cells in *width.
 * *joined is -1 at the start of a text and belongs to this function after.
 */
size_t text_piece(const char *text, bool ascii, int *joined, int *width);
