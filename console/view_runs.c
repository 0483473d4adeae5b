/* Runs of tools, newest first. */
#include "console/view.h"

static void collect(struct view *v, const struct model *m)
{
	for (size_t i = m->runs.n; i-- > 0;)
		view_add(v, m, m->runs.at[i]);
}

static const struct column columns[] = {
	{"ID", 9, 18, cell_id, true},
	{"STATE", 7, 7, cell_state},
	{"WHO", 11, 16, cell_who},
	{"AGE", 4, 4, cell_age},
	{"TOOL", 0, 0, cell_what},
};

static const enum action keys[] = {
	ACT_help, ACT_open, ACT_chain, ACT_find, ACT_palette, ACT_filter,
	ACT_clear, ACT_evidence, ACT_back, ACT_quit, 0,
};

const struct view_ops view_runs = {
	.name = "runs", .title = "RUNS", .digit = '4', .keys = keys,
	.collect = collect, .columns = columns, .column_count = 5,
	.detail = item_detail, .empty = "no tool ran yet", .act = act_open_record,
};
