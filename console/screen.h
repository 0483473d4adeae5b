/*
 * The terminal, through ncurses: shows frames, reads keys, notices pastes.
 * There is one. It never shows a byte that is not a cell of a frame.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "console/frame.h"
#include "console/theme.h"

struct err;
struct screen;

struct input {
	uint32_t key;		/* code point, or one of keys.h */
	bool pasted;		/* came between the brackets of a paste */
	bool paste_began;	/* no key: the paste starts here */
};

/*
 * mono: no colours, whatever the terminal can do. *remark gets a line to
 * tell the operator (another terminal type was assumed), or NULL; owned.
 */
struct screen *screen_open(const struct theme *theme, bool mono,
			   char **remark, struct err *err);
void screen_close(struct screen *s);
void screen_size(const struct screen *s, int *rows, int *cols);
bool screen_ascii(const struct screen *s);
bool screen_mono(const struct screen *s);
void screen_show(struct screen *s, const struct frame *f);
bool screen_read(struct screen *s, struct input *in);	/* false: no more */
void screen_flush(struct screen *s);	/* forget what was typed ahead */
void screen_resized(struct screen *s);
void screen_redraw(struct screen *s);	/* the next frame is painted whole */
void screen_bell(struct screen *s);
/* Put text, which is safe, on the operator's clipboard (OSC 52). */
void screen_copy(struct screen *s, const char *text);
/* Give the terminal back and stop this process; returns when continued. */
void screen_suspend(struct screen *s);
