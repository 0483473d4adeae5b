/*
 * A theme: for each role how it looks with 256 colours, with 16, and with
 * none. Plain data files in git-config syntax, NAME.theme:
 *   [style "danger"]
 *	color = 203 on default bold
 *	color16 = brightred bold
 *	mono = bold underline
 * Colours are ANSI names, 0 to 255 or "#rrggbb" (quoted: # begins a comment).
 */
#pragma once
#include <stdint.h>

#include "console/style.h"

struct err;

enum { LOOK_BOLD = 1, LOOK_DIM = 2, LOOK_UNDERLINE = 4, LOOK_REVERSE = 8 };

struct look {
	int16_t fg, bg;		/* of 256 or 16; -1: the terminal's own */
	unsigned marks;		/* LOOK_ */
};

enum depth { DEPTH_FULL, DEPTH_FEW, DEPTH_MONO, DEPTHS };

struct theme {
	struct look looks[DEPTHS][STYLE_count];
};

/* Bold where a person is wanted, underlined where something is wrong. */
void theme_plain(struct theme *t);
/* ERR_bad_config with file and line. What the file leaves out is plain. */
int theme_read(struct theme *t, const char *path, struct err *err);
/*
 * The file of a theme: in the user's folder, beside the installation or the
 * build that this program is part of, or the name itself where it has a
 * slash. Caller frees; NULL with bad_config naming the folders.
 */
char *theme_path(const char *name, struct err *err);
