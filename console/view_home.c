/* Home: is there anything I have to do? Approvals, failures, what runs. */
#include <stdio.h>
#include <string.h>

#include "console/span.h"
#include "console/view.h"

#define RECENT_US (24 * 3600 * 1000000LL)
#define OVER_SHOWN 50		/* finished tasks; the rest is in Tasks */

static void add_approvals(struct view *v, const struct model *m)
{
	for (size_t i = 0; i < m->approvals.n; i++) {
		const struct approval *a = (const void *)m->approvals.at[i];

		if (!a->item.state->rank && a->until_us > m->now_us)
			view_add(v, m, &a->item);
	}
}

static void add_rank(struct view *v, const struct model *m, int rank,
		     size_t most)
{
	for (size_t i = m->tasks.n; i-- > 0 && most;)
		if (m->tasks.at[i]->state->rank == rank) {
			view_add(v, m, m->tasks.at[i]);
			most--;
		}
}

static void collect(struct view *v, const struct model *m)
{
	add_approvals(v, m);
	for (int rank = 1; rank < RANK_OVER; rank++)
		add_rank(v, m, rank, SIZE_MAX);
	add_rank(v, m, RANK_OVER, OVER_SHOWN);
}

/* Tasks that failed, and runs that did within a day; *runs: those alone. */
static size_t failures(const struct model *m, size_t *runs)
{
	size_t n = 0;

	*runs = 0;
	for (size_t i = 0; i < m->tasks.n; i++)
		n += m->tasks.at[i]->state->rank == 1;
	for (size_t i = 0; i < m->runs.n; i++) {
		const struct run *r = (const void *)m->runs.at[i];
		int64_t at = r->ended_us ? r->ended_us : r->item.at_us;

		*runs += r->item.state->rank == 1 &&
			 m->wall_us - at < RECENT_US;
	}
	return n + *runs;
}

/* Without it some tools fail; the agent and all else go on. */
static bool for_tools(const struct item *it)
{
	return !strcmp(it->id, "display") || !strcmp(it->id, "youtube");
}

/* The trouble to show: what all tasks need goes before what some tools do. */
static const struct component *first_trouble(const struct model *m, size_t *n)
{
	const struct item *first = NULL, *it;

	*n = 0;
	for (size_t i = 0; i < m->components.n; i++) {
		it = m->components.at[i];
		if (it->state->rank != 1)
			continue;
		if (!first || (for_tools(first) && !for_tools(it)))
			first = it;
		++*n;
	}
	return (const void *)first;
}

/* Results that wait for an admin's word. */
static size_t results(const struct model *m)
{
	size_t n = 0;

	for (size_t i = 0; i < m->tasks.n; i++)
		n += !strcmp(m->tasks.at[i]->state->wire, "needs_review");
	return n;
}

static int head_needs(const struct model *m, struct frame *f, int row)
{
	int64_t until;
	size_t n = model_pending(m, &until);
	char left[SPAN_TEXT], done[40] = "";
	size_t more = results(m);

	if (more)
		snprintf(done, sizeof(done), "%s%zu result%s", n ? ", " : "",
			 more, more == 1 ? "" : "s");
	if (!n)
		return frame_printf(f, row, 0, f->cols, more ?
				    STYLE_attention : STYLE_ok,
				    "NEEDS YOU  %s", more ? done : "nothing");
	frame_until(f, m->now_us + span_left(until - m->now_us, left));
	return frame_printf(f, row, 0, f->cols, STYLE_attention, more ?
			    "NEEDS YOU  %zu approval%s (%s)%s" :
			    "NEEDS YOU  %zu approval%s, first expires in %s%s",
			    n, n == 1 ? "" : "s", left, done);
}

static void head(const struct model *m, struct view *v, struct frame *f,
		 int row)
{
	size_t runs, failed = failures(m, &runs), troubles;
	const struct component *c = first_trouble(m, &troubles);
	int col;

	(void)v;
	if (!m->known) {	/* nothing is known: no zero is shown for it */
		frame_printf(f, row, 0, f->cols - 1, STYLE_stale,
			     "NEEDS YOU ?  (%s)", m->link == LINK_LIVE ?
			     "loading" : "not connected");
		return;
	}
	col = head_needs(m, f, row) + 3;
	if (f->cols < 60)
		return;
	col += frame_printf(f, row, col, f->cols - col, failed ?
			    STYLE_danger : STYLE_muted, "FAILED %zu", failed);
	if (runs)
		col += frame_printf(f, row, col, f->cols - col, STYLE_danger,
				    " (%zu run%s: 4)", runs,
				    runs == 1 ? "" : "s");
	col += 3;
	if (c)
		frame_printf(f, row, col, f->cols - col - 1, c->item.state->style,
			     "HEALTH %c %s %s", c->item.state->glyph,
			     c->item.id, c->item.state->word);
	else if (*m->health)
		frame_printf(f, row, col, f->cols - col - 1, STYLE_muted,
			     "HEALTH %s", m->health);
}

static bool foot(const struct model *m, struct view *v, struct frame *f,
		 int row)
{
	static const char more[] = "  (7: more)";
	int col, cols = f->cols - 1;
	size_t n;
	const struct component *c = first_trouble(m, &n);

	(void)v;
	if (!c)
		return false;
	if (n > 1)
		cols -= (int)sizeof(more) - 1;
	col = frame_printf(f, row, 0, cols, STYLE_note, "HEALTH %c %s: %s",
			   c->item.state->glyph, c->item.id, *c->hint ?
			   c->hint : c->detail);
	if (n > 1)
		frame_text(f, row, col, f->cols - 1 - col, STYLE_note, more);
	return true;
}

static bool act(struct ui *ui, struct view *v, enum action action)
{
	const struct item *it = view_selected(v);

	if (action != ACT_open || !it)
		return false;
	ui_push(ui, it->kind == ITEM_APPROVAL ? VIEW_review : VIEW_task,
		it->id);
	return true;
}

static const struct column columns[] = {
	{"ID", 9, 18, cell_id, true},
	{"STATE", 7, 7, cell_state},
	{"WHO", 11, 16, cell_who},
	{"AGE", 4, 4, cell_age},
	{"TASK", 0, 0, cell_what},
};

static const enum action keys[] = {
	ACT_help, ACT_open, ACT_stop, ACT_chain, ACT_find, ACT_palette, ACT_filter,
	ACT_quit, ACT_evidence, ACT_attention, 0,
};

const struct view_ops view_home = {
	.name = "home", .title = "HOME", .digit = '1', .keys = keys,
	.collect = collect, .columns = columns, .column_count = 5,
	.detail = item_detail, .empty = "no tasks yet", .head = head,
	.foot = foot, .act = act,
};
