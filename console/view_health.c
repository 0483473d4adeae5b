/* What works and what does not, what follows from it, and what to do. */
#include "console/view.h"

static void collect(struct view *v, const struct model *m)
{
	for (int rank = 0; rank <= RANK_OVER; rank++)
		for (size_t i = 0; i < m->components.n; i++)
			if (m->components.at[i]->state->rank == rank)
				view_add(v, m, m->components.at[i]);
}

static const struct column columns[] = {
	{"NAME", 11, 16, cell_id},
	{"STATE", 7, 7, cell_state},
	{"SINCE", 5, 5, cell_age},
	{"WHAT", 0, 0, cell_what},
};

static const enum action keys[] = {
	ACT_help, ACT_open, ACT_find, ACT_palette, ACT_back, ACT_quit, 0,
};

const struct view_ops view_health = {
	.name = "health", .title = "HEALTH", .digit = '7', .keys = keys,
	.collect = collect, .columns = columns, .column_count = 4,
	.detail = item_detail, .empty = "the agent told nothing", .act = act_open_record,
};
