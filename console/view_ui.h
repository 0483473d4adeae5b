/*
 * The console around the views: a stack of them, one line of typing, what the
 * loop is asked to do. Pure: keys go in, cells and wishes come out.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "console/model.h"
#include "console/picture.h"
#include "console/view.h"

#define UI_DEPTH 8

enum ui_prompt {
	PROMPT_NONE, PROMPT_FIND, PROMPT_FILTER, PROMPT_REASON,
	PROMPT_COMMAND, PROMPT_STOP, PROMPT_LEAVE,
};

struct ui {
	struct model *m;
	struct view *stack[UI_DEPTH];
	int depth;
	enum ui_prompt prompt;
	struct buf typed;
	char *note;		/* gone with the next key */
	bool frozen;
	bool confirming;	/* the number was being typed */
	char *closed;		/* why that ended by itself: keys wait */

	/* What the loop has to do; it clears what it did. */
	bool quit, suspend, redraw, reconnect, flush, ring;
	char *copy;		/* to the clipboard */
	char *fetch;		/* sha256 to preview */
	char *verify;		/* sha256 to hash here */
	struct picture *picture;
	bool open_review;	/* at the start, once there is one */
};

bool ui_knows(const char *screen);	/* is it one to start with? */
/* screen: a name that ui_knows, or NULL. */
struct ui *ui_new(struct model *m, const char *screen);
void ui_free(struct ui *ui);

/* A key, or a code point; pasted: it came between paste brackets. */
void ui_key(struct ui *ui, uint32_t key, bool pasted);
void ui_paste_began(struct ui *ui);
void ui_draw(struct ui *ui, struct frame *f);
/* The confirm step does not survive being out of sight. */
void ui_hidden(struct ui *ui);
/* The model changed: a start on "review" opens the first that waits. */
void ui_arrived(struct ui *ui);
struct view *ui_top(const struct ui *ui);
