/* A task's commits, newest first; and one of them as a page. */
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "console/view.h"

static bool is_open(const struct view *v, const struct model *m)
{
	return m->history.task && v->subject &&
	       !strcmp(m->history.task, v->subject);
}

static void collect(struct view *v, const struct model *m)
{
	const struct items *list = &m->history.revisions;

	for (size_t i = 0; is_open(v, m) && i < list->n; i++)
		view_add(v, m, list->at[i]);
}

static void cell_day(const struct model *m, const struct item *it,
		     struct text_cell *out)
{
	char text[CLOCK_TEXT] = "";

	(void)m;
	if (it->at_us)
		clock_text(it->at_us, text);
	snprintf(out->text, sizeof(out->text), "%.2s-%.2s %.8s", text + 5,
		 text + 8, text + 11);
	out->style = STYLE_muted;
}

static void cell_step(const struct model *m, const struct item *it,
		      struct text_cell *out)
{
	const struct revision *r = (const struct revision *)it;

	(void)m;
	snprintf(out->text, sizeof(out->text), "%s", *r->operation ?
		 r->operation : "pushed");
	if (!*r->operation)
		out->style = STYLE_attention;
}

static void head(const struct model *m, struct view *v, struct frame *f,
		 int row)
{
	const struct history *h = &m->history;
	int col = frame_printf(f, row, 0, f->cols - 12, STYLE_strong,
			       "HISTORY %s", v->subject) + 2;

	if (!is_open(v, m) || h->trouble)
		frame_text(f, row, col, f->cols - col, STYLE_danger,
			   h->trouble ? h->trouble : "open it again");
	else if (!h->loaded)
		frame_text(f, row, col, f->cols - col, STYLE_muted,
			   "loading");
	else
		frame_printf(f, row, col, f->cols - col, STYLE_muted,
			     h->more ? "[the newest %zu]" : "[%zu]",
			     v->total);
}

static bool act(struct ui *ui, struct view *v, enum action action)
{
	const struct item *it = view_selected(v);

	if (action == ACT_history)
		return true;
	if (action != ACT_open || !it)
		return false;
	ui_push(ui, VIEW_revision, it->id);
	return true;
}

static const struct column columns[] = {
	{"TIME", 14, 14, cell_day},
	{"BY", 9, 16, cell_who},
	{"STEP", 17, 18, cell_step},
	{"CHANGED", 0, 0, cell_what},
};

static const enum action keys[] = {
	ACT_help, ACT_open, ACT_chain, ACT_find, ACT_filter, ACT_copy,
	ACT_back, ACT_quit, 0,
};

const struct view_ops view_history = {
	.name = "history", .title = "HISTORY", .open = model_open_history,
	.close = model_close_history, .keys = keys,
	.collect = collect, .columns = columns, .column_count = 4,
	.detail = item_detail, .empty = "no commits yet", .head = head,
	.act = act,
};

static void text(struct view *v, const struct model *m, struct lines *out)
{
	const struct revision *r = model_revision(m, v->subject);
	const struct history *h = &m->history;

	if (!r) {
		lines_add(out, "", STYLE_muted, false,
			  "this commit was not received");
		return;
	}
	item_detail(m, &r->item, out);
	lines_add(out, "", STYLE_normal, false, "");
	if (!h->commit || strcmp(h->commit, v->subject))
		return;
	if (h->then_trouble)
		lines_add(out, "THEN", STYLE_danger, false, h->then_trouble);
	else
		lines_add(out, "THEN", STYLE_untrusted, h->then != NULL,
			  h->then ? h->then : "loading the task as it was");
}

static const enum action page_keys[] = {
	ACT_help, ACT_page_down, ACT_chain, ACT_find, ACT_copy, ACT_back,
	ACT_quit, 0,
};

const struct view_ops view_revision = {
	.name = "revision", .title = "REVISION", .open = model_open_revision,
	.close = model_close_revision, .keys = page_keys,
	.text = text,
};
