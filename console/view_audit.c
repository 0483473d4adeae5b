/* The journal's end, live, newest last; and one record or run as a page. */
#include <stdio.h>
#include <string.h>

#include "console/model_type.h"
#include "console/view.h"

static void collect(struct view *v, const struct model *m)
{
	for (size_t i = 0; i < m->records.n; i++)
		view_add(v, m, m->records.at[i]);
}

static void cell_seq(const struct model *m, const struct item *it,
		     struct text_cell *out)
{
	(void)m;
	snprintf(out->text, sizeof(out->text), "%lld",
		 (long long)((const struct record *)it)->seq);
}

static void cell_type(const struct model *m, const struct item *it,
		      struct text_cell *out)
{
	static const struct { const char *part; enum style style; } marks[] = {
		{"failed", STYLE_danger}, {"unknown", STYLE_danger},
		{"denied", STYLE_danger}, {"mismatch", STYLE_danger},
		{"approval", STYLE_attention}, {"degraded", STYLE_danger},
		{"evidence", STYLE_ok}, {"finished", STYLE_ok},
		{"started", STYLE_active},
	};
	const char *type = ((const struct record *)it)->type;

	(void)m;
	snprintf(out->text, sizeof(out->text), "%s", type);
	for (size_t i = 0; i < sizeof(marks) / sizeof(*marks); i++)
		if (strstr(type, marks[i].part)) {
			out->style = marks[i].style;
			return;
		}
}

static char *none(const struct view *v)
{
	return type_unknown(v->filter_text, true);
}

static const struct column columns[] = {
	{"TIME", 8, 8, cell_time},
	{"SEQ", 6, 8, cell_seq},
	{"TYPE", 18, 20, cell_type},
	{"ACTOR", 9, 14, cell_who},
	{"SUMMARY", 0, 0, cell_what},
};

static const enum action keys[] = {
	ACT_help, ACT_open, ACT_chain, ACT_find, ACT_palette, ACT_filter,
	ACT_clear, ACT_follow, ACT_freeze, ACT_back, ACT_quit, 0,
};

const struct view_ops view_audit = {
	.name = "audit", .title = "AUDIT", .digit = '5', .keys = keys,
	.collect = collect, .columns = columns, .column_count = 5,
	.tail = true, .detail = item_detail, .empty = "the journal is empty",
	.none = none, .act = act_open_record,
};

static const struct item *find(const struct model *m, const char *id)
{
	const struct items *lists[] = {&m->records, &m->chain.records,
				       &m->runs, &m->chain.runs,
				       &m->chain.approvals,
				       &m->chain.artifacts, &m->artifacts,
				       &m->components};

	for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++)
		if (items_find(lists[i], id))
			return items_find(lists[i], id);
	return NULL;
}

static void text(struct view *v, const struct model *m, struct lines *out)
{
	const struct item *it = find(m, v->subject);

	if (it)
		item_detail(m, it, out);
	else
		lines_add(out, "", STYLE_muted, false,
			  "this is not kept here any more");
}

static const enum action page_keys[] = {
	ACT_help, ACT_page_down, ACT_chain, ACT_find, ACT_copy, ACT_back,
	ACT_quit, 0,
};

const struct view_ops view_record = {
	.name = "record", .title = "RECORD", .keys = page_keys, .text = text,
};
