/*
 * A view turns the model into cells: either rows of a list, one line or (on a
 * phone) two each, or pages of text. Each view is one file and one row of
 * views.def; views never see a terminal or a socket.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "console/frame.h"
#include "console/keys.h"
#include "console/lines.h"
#include "console/model.h"

struct filter;
struct ui;
struct view;

struct text_cell {
	char text[512];
	enum style style;
};

struct column {
	const char *title;
	int narrow, wide;	/* cells below and from 100 columns; 0: rest */
	void (*fill)(const struct model *m, const struct item *item,
		     struct text_cell *out);
	bool ending;		/* what does not fit keeps its end: an id */
};

struct view_ops {
	const char *name, *title;
	char digit;			/* its screen's key, or 0 */
	const enum action *keys;	/* for the last line, ended by 0 */
	/* What the model keeps for the uppermost of these; both or neither. */
	void (*open)(struct model *m, const char *subject);
	void (*close)(struct model *m);

	/* A list: gather the items that there are, in order. */
	void (*collect)(struct view *v, const struct model *m);
	const struct column *columns;
	size_t column_count;
	bool tail;			/* newest last: can be followed */
	/* What is known of the selected one, shown beside a wide list. */
	void (*detail)(const struct model *m, const struct item *item,
		       struct lines *out);
	const char *empty;		/* said where there is nothing */
	char *(*none)(const struct view *v);	/* why the filter fits nothing,
					   if that can be known, else NULL */

	/* Or pages of text. */
	void (*text)(struct view *v, const struct model *m,
		     struct lines *out);
	/* Or something else altogether, in rows top .. bottom - 1. */
	void (*draw)(struct ui *ui, struct view *v, struct frame *f, int top,
		     int bottom);

	/* The second line; the default names title, filter and counts. */
	void (*head)(const struct model *m, struct view *v, struct frame *f,
		     int row);
	/* The line above the keys; nothing drawn: a rule. */
	bool (*foot)(const struct model *m, struct view *v, struct frame *f,
		     int row);
	bool foot_first;		/* before what the link has to say */
	/* First look at an action: true if that was all. */
	bool (*act)(struct ui *ui, struct view *v, enum action action);
};

struct view {
	const struct view_ops *ops;
	char *subject;		/* what it is about, or NULL */

	const struct item **rows;	/* borrowed from the model */
	size_t n, cap, total;		/* total: before the filter */
	uint64_t stamp;		/* of the model when they were gathered */
	bool gathered;
	size_t sel, top;
	char *sel_id;		/* stays selected when rows come and go */
	bool moved;		/* the selection is the operator's */
	bool follow;
	size_t unseen;		/* rows that came while not following */
	struct filter *filter;
	char *filter_text, *find;

	struct lines lines;
	int page, pages, page_rows;
};

enum view_kind {
#define VIEW(name) VIEW_##name,
#include "console/views.def"
#undef VIEW
	VIEW_KINDS
};

#define VIEW(name) extern const struct view_ops view_##name;
#include "console/views.def"
#undef VIEW

const struct view_ops *view_ops_of(enum view_kind kind);

struct view *view_new(const struct view_ops *ops, const char *subject);
void view_free(struct view *v);
/* For collect: add it if the filter lets it through. */
void view_add(struct view *v, const struct model *m, const struct item *item);
const struct item *view_selected(const struct view *v);
/* Gather again if the model changed; keeps the selection where it was. */
void view_refresh(struct view *v, const struct model *m);
void view_move(struct view *v, long by);
void view_select(struct view *v, size_t row);
bool view_find(struct view *v, const struct model *m, int direction);

/* Draw into rows top .. bottom - 1 of the frame (view_draw.c). */
void view_draw_list(struct view *v, const struct model *m, struct frame *f,
		    int top, int bottom);
void view_draw_text(struct view *v, const struct model *m, struct frame *f,
		    int top, int bottom);

/* What views ask of the console around them (ui.c). */
struct model *ui_model(struct ui *ui);
void ui_push(struct ui *ui, enum view_kind kind, const char *subject);
void ui_pop(struct ui *ui);
void ui_note(struct ui *ui, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void ui_ask_reason(struct ui *ui);	/* for a rejection */
void ui_flush(struct ui *ui);		/* drop what was typed ahead */
/* Have the bytes with this hash fetched: shown, or only hashed. */
void ui_want_picture(struct ui *ui, const char *sha256, const char *name);
void ui_want_verify(struct ui *ui, const char *sha256);
const struct picture *ui_picture(const struct ui *ui);

/* The act of a list whose rows open as pages of their own. */
bool act_open_record(struct ui *ui, struct view *v, enum action action);

/* Cells that several lists have (view_cells.c). */
void short_id(const char *id, char *out, size_t size);
void cell_id(const struct model *, const struct item *, struct text_cell *);
void cell_state(const struct model *, const struct item *, struct text_cell *);
void cell_age(const struct model *, const struct item *, struct text_cell *);
void cell_who(const struct model *, const struct item *, struct text_cell *);
void cell_what(const struct model *, const struct item *, struct text_cell *);
void cell_time(const struct model *, const struct item *, struct text_cell *);
void size_text(int64_t bytes, char out[16]);
/* Everything known of one item, in lines; what every list has as detail. */
void item_detail(const struct model *m, const struct item *item,
		 struct lines *out);
