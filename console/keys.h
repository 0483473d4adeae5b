/* Keys and what they do, from keys.def. */
#pragma once
#include <stdint.h>

/* Keys that are no character; a character is its code point. */
enum {
	UI_ENTER = 0x110000, UI_ESC, UI_BACKSPACE,
	UI_UP, UI_DOWN, UI_LEFT, UI_RIGHT,
	UI_PAGE_UP, UI_PAGE_DOWN, UI_HOME, UI_END,
	UI_OTHER,
};
#define UI_CTRL(letter) ((letter) & 0x1f)

enum action {
	ACT_none,
#define KEY(action, key, shown, label, help) ACT_##action,
#define ALSO(action, key)
#include "console/keys.def"
#undef KEY
#undef ALSO
	ACT_COUNT
};

struct action_row {
	const char *name;	/* "next_screen" */
	const char *shown, *label, *help;
};

const struct action_row *action_row(enum action action);
enum action action_of_key(uint32_t key);
/* By the start of a name or label; ACT_none where none or several fit. */
enum action action_of_name(const char *text);
