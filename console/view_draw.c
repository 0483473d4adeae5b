/* Lists and pages as cells. Only rows that are visible are made. */
#include <stdlib.h>
#include <string.h>

#include "console/view.h"

#define WIDE 100		/* columns from which full ids fit */
#define PHONE 60		/* below: two lines an item */
#define SPLIT 160		/* detail beside the list */

struct area { int top, bottom, left, width; };

static int column_width(const struct column *c, const struct frame *f)
{
	return f->cols >= WIDE ? c->wide : c->narrow;
}

static void draw_titles(const struct view *v, struct frame *f,
			const struct area *a, int row)
{
	int col = a->left + 1;

	for (size_t i = 0; i < v->ops->column_count; i++) {
		const struct column *c = &v->ops->columns[i];
		int width = column_width(c, f);

		if (!width && f->cols < PHONE)
			continue;
		frame_text(f, row, col, width ? width : a->left + a->width -
			   col, STYLE_column, c->title);
		col += width + 1;
	}
}

/* The agent takes any unique ending of an id, so that is what stays. */
static void keep_end(char *text, int width)
{
	size_t len = strlen(text), room = (size_t)width;

	if (len <= room || room < 4)
		return;
	memmove(text + 2, text + len - (room - 2), room - 1);
	memcpy(text, "..", 2);
}

static void draw_row(const struct view *v, const struct model *m,
		     struct frame *f, const struct area *a, int row, size_t i)
{
	bool phone = f->cols < PHONE, selected = i == v->sel;
	int col = a->left + 1, right = a->left + a->width;

	frame_text(f, row, a->left, 1, selected ? STYLE_select : STYLE_normal,
		   selected ? ">" : " ");
	for (size_t k = 0; k < v->ops->column_count; k++) {
		const struct column *c = &v->ops->columns[k];
		struct text_cell cell = {.style = STYLE_normal};
		int width = column_width(c, f);

		c->fill(m, v->rows[i], &cell);
		if (c->ending)
			keep_end(cell.text, width);
		if (selected && !k)	/* bold rows would cost 200 bytes */
			cell.style = STYLE_select;
		if (width)
			frame_text(f, row, col, width, cell.style, cell.text);
		else if (phone)
			frame_text(f, row + 1, a->left + 3, right - a->left - 3,
				   cell.style, cell.text);
		else
			frame_text(f, row, col, right - col, cell.style,
				   cell.text);
		col += width + (width > 0);
	}
}

/* There are rows, but the filter lets none of them through. */
static void draw_none(const struct view *v, struct frame *f,
		      const struct area *a)
{
	char *why = v->ops->none ? v->ops->none(v) : NULL;

	frame_text(f, a->top, a->left + 1, a->width - 1,
		   why ? STYLE_attention : STYLE_muted,
		   why ? why : "nothing fits the filter; x clears it");
	free(why);
}

static void draw_rows(struct view *v, const struct model *m, struct frame *f,
		      const struct area *a)
{
	size_t each = f->cols < PHONE ? 2 : 1;
	size_t fit = a->bottom > a->top ? (size_t)(a->bottom - a->top) / each :
					  0;

	if (!fit)
		return;
	if (v->sel < v->top)
		v->top = v->sel;
	if (v->sel >= v->top + fit)
		v->top = v->sel - fit + 1;
	if (v->top + fit > v->n)
		v->top = v->n > fit ? v->n - fit : 0;
	v->page_rows = (int)fit;
	for (size_t i = 0; i < fit && v->top + i < v->n; i++)
		draw_row(v, m, f, a, a->top + (int)(i * each), v->top + i);
	f->cursor_row = a->top + (int)((v->sel - v->top) * each);
	f->cursor_col = a->left;
	if (!v->n && v->total && v->ops->empty)
		draw_none(v, f, a);
	else if (!v->n && v->ops->empty)
		frame_text(f, a->top, a->left + 1, a->width - 1, STYLE_muted,
			   m->link == LINK_LIVE ? v->ops->empty :
						  "nothing was received yet");
}

static void draw_detail(const struct view *v, const struct model *m,
			struct frame *f, const struct area *a)
{
	const struct item *it = view_selected(v);
	struct lines l;

	lines_init(&l, a->width, 8, f->ascii);
	if (it)
		v->ops->detail(m, it, &l);
	lines_draw(&l, f, a->top, a->left, a->bottom - a->top, 0);
	lines_fini(&l);
}

/* The detail goes beside a very wide list and below a wide one. */
static struct area cut_detail(struct frame *f, struct area *list)
{
	struct area d = *list;
	int cut;

	if (f->cols >= SPLIT) {
		cut = list->width * 55 / 100;
		list->width = cut - 1;
		d.left = cut + 2;
		d.width = f->cols - d.left - 1;
		for (int r = d.top; r < d.bottom; r++)
			frame_text(f, r, cut, 1, STYLE_normal, "|");
	} else {
		cut = list->bottom - (list->bottom - list->top) / 3;
		list->bottom = cut;
		d.top = cut + 1;
		frame_rule(f, cut);
	}
	return d;
}

void view_draw_list(struct view *v, const struct model *m, struct frame *f,
		    int top, int bottom)
{
	struct area list = {top, bottom, 0, f->cols};

	view_refresh(v, m);
	if (v->ops->detail && f->cols >= WIDE && bottom - top > 12) {
		struct area d = cut_detail(f, &list);

		draw_detail(v, m, f, &d);
	}
	if (f->cols >= PHONE)
		draw_titles(v, f, &list, list.top++);
	draw_rows(v, m, f, &list);
}

void view_draw_text(struct view *v, const struct model *m, struct frame *f,
		    int top, int bottom)
{
	int rows = bottom > top ? bottom - top : 1;

	lines_fini(&v->lines);
	lines_init(&v->lines, f->cols - 1, 8, f->ascii);
	v->ops->text(v, m, &v->lines);
	v->page_rows = rows;
	v->pages = ((int)v->lines.n + rows - 1) / rows;
	if (v->pages < 1)
		v->pages = 1;
	if (v->page >= v->pages)
		v->page = v->pages - 1;
	lines_draw(&v->lines, f, top, 0, rows, (size_t)(v->page * rows));
	f->cursor_row = top;
	f->cursor_col = 0;
}
