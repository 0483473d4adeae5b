/* All tasks, what wants a person first; and one task as a page. */
#include <string.h>

#include "console/view.h"

/* As on Home; of one rank the newest first. */
static void collect(struct view *v, const struct model *m)
{
	for (int rank = 0; rank <= RANK_OVER; rank++)
		for (size_t i = m->tasks.n; i-- > 0;)
			if (m->tasks.at[i]->state->rank == rank)
				view_add(v, m, m->tasks.at[i]);
}

static bool act(struct ui *ui, struct view *v, enum action action)
{
	const struct item *it = view_selected(v);

	if (action != ACT_open || !it)
		return false;
	ui_push(ui, VIEW_task, it->id);
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
	ACT_help, ACT_open, ACT_chain, ACT_find, ACT_palette, ACT_filter,
	ACT_clear, ACT_evidence, ACT_history, ACT_back, ACT_quit, 0,
};

const struct view_ops view_tasks = {
	.name = "tasks", .title = "TASKS", .digit = '2', .keys = keys,
	.collect = collect, .columns = columns, .column_count = 5,
	.detail = item_detail, .empty = "no tasks yet", .act = act,
};

/* Is the proof whole? What is missing is named. */
static void add_fidelity(const struct model *m, const char *id,
			 struct lines *out)
{
	const struct fidelity *f = &m->fidelity;

	if (!f->task || strcmp(f->task, id) || (!f->loaded && !f->trouble))
		return;
	if (f->trouble) {
		lines_add(out, "PROOF", STYLE_muted, false, f->trouble);
		return;
	}
	lines_add(out, "PROOF", f->complete ? STYLE_ok : STYLE_attention,
		  false, f->complete ? "+ complete" : "! not complete");
	if (*f->gaps)
		lines_add(out, "GAPS", STYLE_attention, true, f->gaps);
	if (*f->proof)
		lines_add(out, "", STYLE_normal, true, f->proof);
}

/* Its words are not said twice where they are the issues of the task. */
static void add_verdict(const struct model *m, const struct task *t,
			struct lines *out)
{
	const struct fidelity *f = &m->fidelity;

	if (!f->task || strcmp(f->task, t->item.id) || !f->verdict)
		return;
	lines_addf(out, "VERDICT", f->passed ? STYLE_ok : STYLE_danger,
		   "%c %s", f->passed ? '+' : 'x', f->verdict);
	if (*f->faults && strcmp(f->faults, t->issues))
		lines_add(out, "", STYLE_untrusted, true, f->faults);
}

static void text(struct view *v, const struct model *m, struct lines *out)
{
	const struct item *it = items_find(&m->tasks, v->subject);

	if (it) {
		add_verdict(m, (const struct task *)it, out);
		add_fidelity(m, it->id, out);
		item_detail(m, it, out);
	}
	else
		lines_add(out, "", STYLE_muted, false,
			  "this task was not received");
}

static const enum action page_keys[] = {
	ACT_help, ACT_page_down, ACT_history, ACT_chain, ACT_evidence,
	ACT_find, ACT_copy,
	ACT_back, ACT_quit, 0,
};

const struct view_ops view_task = {
	.name = "task", .title = "TASK", .open = model_open_fidelity,
	.close = model_close_fidelity, .keys = page_keys, .text = text,
};
