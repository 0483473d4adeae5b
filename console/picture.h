/*
 * A picture as cells, from the program that decodes it. What it prints is not
 * trusted: the shape has to be exact and only plain glyphs get through.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* "KP1 " then columns, rows and 1 or 0 for colours as text, LF, then cells */
#define PICTURE_MAGIC "KP1"
#define PICTURE_CELL 6		/* bytes: code point (4, big-endian), fg, bg */
#define PICTURE_MAX 512		/* columns or rows */

struct dot {
	uint32_t ch;
	uint8_t fg, bg;		/* of 256 */
};

struct picture {
	char *sha256;
	int cols, rows;
	bool colours;
	struct dot *cells;	/* NULL until it is there */
	char *trouble;		/* why there is none; safe text */
};

struct picture *picture_new(const char *sha256);
void picture_free(struct picture *p);
/* Take the decoder's output; anything out of shape becomes trouble. */
void picture_take(struct picture *p, const void *data, size_t len);
