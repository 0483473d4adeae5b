/* Evidence, newest first: all of it, or one task's; and a picture's preview. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "console/picture.h"
#include "console/view.h"

static int by_time(const void *a, const void *b)
{
	const struct item *x = *(const struct item *const *)a;
	const struct item *y = *(const struct item *const *)b;

	if (x->at_us != y->at_us)
		return x->at_us < y->at_us ? 1 : -1;
	return strcmp(x->id, y->id);
}

static void collect(struct view *v, const struct model *m)
{
	for (size_t i = 0; i < m->artifacts.n; i++) {
		const struct artifact *a = (const void *)m->artifacts.at[i];

		if (!v->subject || !strcmp(a->task_id, v->subject))
			view_add(v, m, &a->item);
	}
	if (v->n)
		qsort(v->rows, v->n, sizeof(*v->rows), by_time);
}

static void cell_hash(const struct model *m, const struct item *it,
		      struct text_cell *out)
{
	(void)m;
	snprintf(out->text, sizeof(out->text), "%.16s",
		 ((const struct artifact *)it)->sha256);
	out->style = STYLE_digest;
}

static void cell_size(const struct model *m, const struct item *it,
		      struct text_cell *out)
{
	(void)m;
	size_text(((const struct artifact *)it)->size, out->text);
	out->style = STYLE_muted;
}

static void cell_task(const struct model *m, const struct item *it,
		      struct text_cell *out)
{
	(void)m;
	short_id(((const struct artifact *)it)->task_id, out->text,
		 sizeof(out->text));
	out->style = STYLE_muted;
}

static bool act(struct ui *ui, struct view *v, enum action action)
{
	const struct item *it = view_selected(v);
	const struct artifact *a = (const struct artifact *)it;

	if (!it)
		return false;
	if (action == ACT_verify)
		ui_want_verify(ui, a->sha256);
	else if (action == ACT_preview || action == ACT_open)
		ui_want_picture(ui, a->sha256, a->name);
	else
		return false;
	return true;
}

static const struct column columns[] = {
	{"SHA256", 16, 16, cell_hash},
	{"SIZE", 8, 8, cell_size},
	{"TASK", 9, 9, cell_task},
	{"AGE", 4, 4, cell_age},
	{"NAME", 0, 0, cell_what},
};

static const enum action keys[] = {
	ACT_help, ACT_preview, ACT_verify, ACT_chain, ACT_find, ACT_palette,
	ACT_filter, ACT_copy, ACT_back, ACT_quit, 0,
};

const struct view_ops view_evidence = {
	.name = "evidence", .title = "EVIDENCE", .digit = '6', .keys = keys,
	.collect = collect, .columns = columns, .column_count = 5,
	.detail = item_detail, .empty = "no evidence yet", .act = act,
};

static void draw(struct ui *ui, struct view *v, struct frame *f, int top,
		 int bottom)
{
	const struct picture *p = ui_picture(ui);

	(void)v;
	if (!p || p->trouble || !p->cells) {
		frame_text(f, top, 0, f->cols, p && p->trouble ? STYLE_danger :
			   STYLE_muted, p && p->trouble ? p->trouble :
			   "fetching; the bytes are hashed here before they "
			   "are shown");
		return;
	}
	for (int r = 0; r < p->rows && top + r < bottom; r++)
		for (int c = 0; c < p->cols && c < f->cols - 1; c++) {
			const struct dot *d = &p->cells[r * p->cols + c];
			struct cell *to = frame_at(f, top + r, c);

			*to = (struct cell){.ch = {d->ch}, .dyed = p->colours,
					    .fg = d->fg, .bg = d->bg};
		}
}

static void preview_head(const struct model *m, struct view *v,
			 struct frame *f, int row)
{
	(void)m;
	frame_printf(f, row, 0, f->cols, STYLE_strong, "PREVIEW %s",
		     v->subject);
}

static const enum action preview_keys[] = {ACT_help, ACT_back, ACT_quit, 0};

const struct view_ops view_preview = {
	.name = "preview", .title = "PREVIEW", .keys = preview_keys,
	.draw = draw, .head = preview_head,
};
