/* See view.h: what all views share, but drawing. */
#include "console/view.h"

#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "console/filter.h"

static const struct view_ops *const all[VIEW_KINDS] = {
#define VIEW(name) [VIEW_##name] = &view_##name,
#include "console/views.def"
#undef VIEW
};

const struct view_ops *view_ops_of(enum view_kind kind)
{
	return all[kind];
}

struct view *view_new(const struct view_ops *ops, const char *subject)
{
	struct view *v = xcalloc(1, sizeof(*v));

	v->ops = ops;
	v->subject = xstrdup(subject);
	v->follow = ops->tail;
	return v;
}

void view_free(struct view *v)
{
	if (!v)
		return;
	lines_fini(&v->lines);
	filter_free(v->filter);
	free(v->filter_text);
	free(v->find);
	free(v->sel_id);
	free(v->rows);
	free(v->subject);
	free(v);
}

void view_add(struct view *v, const struct model *m, const struct item *item)
{
	v->total++;
	if (!filter_matches(v->filter, item, m->wall_us))
		return;
	if (v->n == v->cap) {
		v->cap = v->cap ? v->cap * 2 : 64;
		v->rows = xrealloc(v->rows, v->cap * sizeof(*v->rows));
	}
	v->rows[v->n++] = item;
}

const struct item *view_selected(const struct view *v)
{
	return v->sel < v->n ? v->rows[v->sel] : NULL;
}

static void remember(struct view *v)
{
	const struct item *it = view_selected(v);

	free(v->sel_id);
	v->sel_id = it ? xstrdup(it->id) : NULL;
}

/* The row that was selected may be elsewhere now, or gone. */
static void reselect(struct view *v)
{
	size_t at = v->sel;

	if (v->follow)
		at = v->n ? v->n - 1 : 0;
	else if (!v->moved)
		at = 0;
	else if (v->sel_id && !(at < v->n && !strcmp(v->rows[at]->id,
						     v->sel_id)))
		for (size_t i = 0; i < v->n; i++)
			if (!strcmp(v->rows[i]->id, v->sel_id)) {
				at = i;
				break;
			}
	v->sel = at < v->n ? at : v->n ? v->n - 1 : 0;
	remember(v);
}

void view_refresh(struct view *v, const struct model *m)
{
	size_t before = v->n;

	if (!v->ops->collect || (v->gathered && v->stamp == m->stamp))
		return;
	v->n = v->total = 0;
	v->ops->collect(v, m);
	if (v->gathered && v->ops->tail && !v->follow && v->n > before)
		v->unseen += v->n - before;
	v->stamp = m->stamp;
	v->gathered = true;
	reselect(v);
}

void view_select(struct view *v, size_t row)
{
	v->sel = row < v->n ? row : v->n ? v->n - 1 : 0;
	v->moved = true;
	v->follow = v->ops->tail && v->n && v->sel == v->n - 1;
	if (v->follow)
		v->unseen = 0;
	remember(v);
}

void view_move(struct view *v, long by)
{
	long to = (long)v->sel + by;

	view_select(v, to < 0 ? 0 : (size_t)to);
}

static bool row_has(const struct view *v, const struct model *m, size_t i)
{
	struct text_cell cell;

	for (size_t c = 0; c < v->ops->column_count; c++) {
		cell.text[0] = 0;
		v->ops->columns[c].fill(m, v->rows[i], &cell);
		if (strcasestr(cell.text, v->find))
			return true;
	}
	return strcasestr(v->rows[i]->id, v->find) ||
	       strcasestr(v->rows[i]->chain, v->find);
}

static bool find_line(struct view *v, int direction)
{
	long page = v->page;

	for (int tried = 0; tried < v->pages; tried++) {
		page = (page + direction + v->pages) % v->pages;
		for (int r = 0; r < v->page_rows; r++) {
			size_t i = (size_t)(page * v->page_rows + r);

			if (i < v->lines.n &&
			    strcasestr(v->lines.at[i].text, v->find)) {
				v->page = (int)page;
				return true;
			}
		}
	}
	return false;
}

bool view_find(struct view *v, const struct model *m, int direction)
{
	if (!v->find || !*v->find)
		return false;
	if (v->ops->text)
		return find_line(v, direction);
	for (size_t tried = 1; tried <= v->n; tried++) {
		size_t i = (v->sel + v->n + (direction > 0 ? tried :
			    v->n - tried)) % v->n;

		if (row_has(v, m, i)) {
			view_select(v, i);
			return true;
		}
	}
	return false;
}

bool act_open_record(struct ui *ui, struct view *v, enum action action)
{
	const struct item *it = view_selected(v);

	if (action != ACT_open || !it)
		return false;
	ui_push(ui, VIEW_record, it->id);
	return true;
}
