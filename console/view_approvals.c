/* Approvals: those that wait first, then the decided ones, newest first. */
#include <stdio.h>

#include "console/span.h"
#include "console/view.h"

static bool waits(const struct model *m, const struct item *it)
{
	const struct approval *a = (const struct approval *)it;

	return !it->state->rank && a->until_us > m->now_us;
}

static void collect(struct view *v, const struct model *m)
{
	for (size_t i = 0; i < m->approvals.n; i++)
		if (waits(m, m->approvals.at[i]))
			view_add(v, m, m->approvals.at[i]);
	for (size_t i = m->approvals.n; i-- > 0;)
		if (!waits(m, m->approvals.at[i]))
			view_add(v, m, m->approvals.at[i]);
}

static void cell_left(const struct model *m, const struct item *it,
		      struct text_cell *out)
{
	const struct approval *a = (const struct approval *)it;

	*out->text = 0;
	out->style = STYLE_attention;
	if (waits(m, it))
		span_left(a->until_us - m->now_us, out->text);
}

static void head(const struct model *m, struct view *v, struct frame *f,
		 int row)
{
	int64_t until;
	size_t n = model_pending(m, &until);
	char left[SPAN_TEXT];

	(void)v;
	if (n)
		frame_until(f, m->now_us + span_left(until - m->now_us, left));
	if (n)
		frame_printf(f, row, 0, f->cols, STYLE_attention,
			     "3 APPROVALS  %zu pending, first expires in %s",
			     n, left);
	else
		frame_text(f, row, 0, f->cols, STYLE_ok,
			   "3 APPROVALS  none is pending");
}

static bool act(struct ui *ui, struct view *v, enum action action)
{
	const struct item *it = view_selected(v);

	if (action != ACT_open || !it)
		return false;
	ui_push(ui, VIEW_review, it->id);
	return true;
}

static const struct column columns[] = {
	{"ID", 9, 18, cell_id, true},
	{"STATE", 7, 7, cell_state},
	{"LEFT", 4, 4, cell_left},
	{"AGE", 4, 4, cell_age},
	{"WHO", 11, 16, cell_who},
	{"WHAT", 0, 0, cell_what},
};

static const enum action keys[] = {
	ACT_help, ACT_open, ACT_chain, ACT_find, ACT_palette, ACT_filter,
	ACT_clear, ACT_evidence, ACT_back, ACT_quit, 0,
};

const struct view_ops view_approvals = {
	.name = "approvals", .title = "APPROVALS", .digit = '3', .keys = keys,
	.collect = collect, .columns = columns, .column_count = 6,
	.detail = item_detail, .empty = "no approval was ever asked for",
	.head = head, .act = act,
};
