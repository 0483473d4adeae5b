/* The keys of every screen; / searches them. */
#include <stdio.h>

#include "console/view.h"

static void text(struct view *v, const struct model *m, struct lines *out)
{
	char head[32];

	(void)v, (void)m;
	for (int i = 1; i < ACT_COUNT; i++) {
		const struct action_row *a = action_row((enum action)i);

		snprintf(head, sizeof(head), "%s", a->shown);
		lines_add(out, head, STYLE_normal, false, a->help);
	}
	lines_add(out, "", STYLE_normal, false, "");
	lines_add(out, ":", STYLE_normal, false,
		  "any of these by name, for instance :next_screen or :chain");
	lines_add(out, "marks", STYLE_normal, false,
		  "! needs you   x failed   > runs   ~ waits   + done   "
		  "? stale or unknown   - over");
	lines_add(out, "paste", STYLE_normal, false,
		  "is taken in text fields only and never decides anything");
}

static const enum action keys[] = {
	ACT_page_down, ACT_page_up, ACT_find, ACT_back, ACT_quit, 0,
};

const struct view_ops view_help = {
	.name = "help", .title = "HELP", .keys = keys, .text = text,
};
