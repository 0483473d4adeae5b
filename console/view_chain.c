/*
 * Everything that one correlation id caused: records in order, then what was
 * asked for, what ran and which bytes came out, verified again by the agent.
 */
#include <stdio.h>
#include <string.h>

#include "console/view.h"

static void add_all(struct view *v, const struct model *m,
		    const struct items *list)
{
	for (size_t i = 0; i < list->n; i++)
		view_add(v, m, list->at[i]);
}

static void collect(struct view *v, const struct model *m)
{
	if (!m->chain.id || strcmp(m->chain.id, v->subject))
		return;
	add_all(v, m, &m->chain.records);
	add_all(v, m, &m->chain.approvals);
	add_all(v, m, &m->chain.runs);
	add_all(v, m, &m->chain.artifacts);
}

static void cell_kind(const struct model *m, const struct item *it,
		      struct text_cell *out)
{
	static const char *const kinds[ITEM_KINDS] = {
		[ITEM_TASK] = "task", [ITEM_APPROVAL] = "approval",
		[ITEM_RUN] = "run", [ITEM_ARTIFACT] = "artifact",
		[ITEM_COMPONENT] = "health", [ITEM_GAP] = "gap",
	};
	const struct artifact *a = (const struct artifact *)it;
	bool record = it->kind == ITEM_RECORD;

	(void)m;
	snprintf(out->text, sizeof(out->text), "%s", record ?
		 ((const struct record *)it)->type : kinds[it->kind]);
	if (it->kind == ITEM_ARTIFACT)
		out->style = a->broken ? STYLE_danger : a->verified ?
			     STYLE_ok : STYLE_normal;
	else if (!record)
		out->style = it->state->style;
}

static void cell_mark(const struct model *m, const struct item *it,
		      struct text_cell *out)
{
	const struct artifact *a = (const struct artifact *)it;

	(void)m;
	if (it->kind == ITEM_RECORD || it->kind == ITEM_GAP)
		snprintf(out->text, sizeof(out->text), "%lld",
			 (long long)((const struct record *)it)->seq);
	else if (it->kind == ITEM_ARTIFACT)
		snprintf(out->text, sizeof(out->text), "%s", a->broken ?
			 "x BAD" : a->verified ? "+ OK" : "");
	else
		cell_state(m, it, out);
	if (it->kind == ITEM_ARTIFACT && a->broken)
		out->style = STYLE_danger;
}

static void cell_sum(const struct model *m, const struct item *it,
		     struct text_cell *out)
{
	const struct artifact *a = (const struct artifact *)it;
	char size[16];

	cell_what(m, it, out);
	if (it->kind != ITEM_ARTIFACT)
		return;
	size_text(a->size, size);
	snprintf(out->text, sizeof(out->text), "%.16s %s %s%s", a->sha256, size,
		 a->name, a->broken ? "  the bytes are not these" : "");
}

static void head(const struct model *m, struct view *v, struct frame *f,
		 int row)
{
	const struct chain *c = &m->chain;
	int col = frame_printf(f, row, 0, f->cols - 12, STYLE_strong,
			       "CHAIN %s", v->subject) + 2;

	if (!c->loaded)
		frame_text(f, row, col, f->cols - col, c->trouble ?
			   STYLE_danger : STYLE_muted, c->trouble ?
			   c->trouble : "loading");
	else if (c->complete)
		frame_printf(f, row, col, f->cols - col, STYLE_ok,
			     "+ complete  [%zu]", v->total);
	else
		frame_printf(f, row, col, f->cols - col, STYLE_danger,
			     "x INCOMPLETE, missing: %s", c->missing);
}

static bool act(struct ui *ui, struct view *v, enum action action)
{
	const struct item *it = view_selected(v);
	const struct artifact *a = (const struct artifact *)it;

	if (action == ACT_chain)
		return true;
	if (!it || (action != ACT_open && action != ACT_preview &&
		    action != ACT_verify))
		return false;
	if (it->kind == ITEM_ARTIFACT && action == ACT_verify)
		ui_want_verify(ui, a->sha256);
	else if (it->kind == ITEM_ARTIFACT && action == ACT_preview)
		ui_want_picture(ui, a->sha256, a->name);
	else if (action == ACT_open)
		ui_push(ui, it->kind == ITEM_APPROVAL ? VIEW_review :
			VIEW_record, it->id);
	return true;
}

static const struct column columns[] = {
	{"TIME", 8, 8, cell_time},
	{"SEQ", 7, 8, cell_mark},
	{"TYPE", 18, 20, cell_kind},
	{"ACTOR", 7, 14, cell_who},
	{"SUMMARY", 0, 0, cell_sum},
};

static const enum action keys[] = {
	ACT_help, ACT_open, ACT_preview, ACT_verify, ACT_find, ACT_filter,
	ACT_copy, ACT_back, ACT_quit, 0,
};

const struct view_ops view_chain = {
	.name = "chain", .title = "CHAIN", .keys = keys, .collect = collect,
	.columns = columns, .column_count = 5, .detail = item_detail,
	.empty = "loading", .head = head, .act = act,
};
