/*
 * The review of one approval: pages of what was hashed, then the typed
 * number. What may happen when is model_review's business; here it is shown.
 */
#include <stdio.h>
#include <string.h>

#include "common/json.h"
#include "console/model_review.h"
#include "console/span.h"
#include "console/view.h"

static void text(struct view *v, const struct model *m, struct lines *out)
{
	const struct review *r = m->review;

	(void)v;
	if (!r || (!r->fact_count && r->phase == REVIEW_LOADING)) {
		lines_add(out, "", STYLE_muted, false, r && r->said ? r->said :
			  "asking the agent for the bytes that it hashed");
		return;
	}
	for (size_t i = 0; i < r->fact_count; i++) {
		const struct fact *fact = &r->facts[i];

		lines_add(out, fact->label, fact->style, fact->quoted,
			  fact->text);
	}
}

static void head(const struct model *m, struct view *v, struct frame *f,
		 int row)
{
	const struct review *r = m->review;
	char left[SPAN_TEXT], id[64];
	int col;

	short_id(v->subject, id, sizeof(id));
	col = frame_printf(f, row, 0, f->cols, STYLE_strong, "REVIEW %s",
			   f->cols < 80 ? id : v->subject);
	if (!r)
		return;
	if (r->phase == REVIEW_CONFIRM)
		col += frame_text(f, row, col + 2, f->cols - col - 2,
				  STYLE_attention, "CONFIRM") + 4;
	else
		col += frame_printf(f, row, col + 2, f->cols - col - 2,
				    STYLE_normal, "page %d/%d", v->page + 1,
				    v->pages) + 4;
	if (!r->state->rank && r->until_us > m->now_us) {
		frame_until(f, m->now_us +
			    span_left(r->until_us - m->now_us, left));
		frame_printf(f, row, col, f->cols - col, STYLE_attention,
			     "expires in %s", left);
	} else if (*r->state->wire) {
		frame_printf(f, row, col, f->cols - col, r->state->rank ?
			     r->state->style : STYLE_stale, "%s",
			     r->state->rank ? r->state->word :
			     r->until_us ? "EXPIRED" : "");
	}
}

static bool foot(const struct model *m, struct view *v, struct frame *f,
		 int row)
{
	const struct review *r = m->review;
	const char *why = review_hindered(m, true);

	(void)v;
	if (!r || r->phase == REVIEW_CONFIRM)
		return false;
	if (r->said && *r->said)
		frame_text(f, row, 0, f->cols - 1, r->said_style, r->said);
	else if (why)
		frame_printf(f, row, 0, f->cols - 1, r->wrong ? STYLE_danger :
			     STYLE_note, "A: %s", why);
	else
		frame_text(f, row, 0, f->cols - 1, STYLE_ok,
			   "read to the end: A approves, R rejects");
	return true;
}

/* What the confirm step says; the number's own line comes last. */
static void confirm_lines(const struct model *m, struct lines *l)
{
	const struct review *r = m->review;

	lines_addf(l, "", STYLE_attention, "YOU APPROVE  %s  TO %s  "
		   "digest %.8s", r->what, r->to ? r->to : "see ARGS",
		   r->local);
	if (r->allows)
		lines_addf(l, "", STYLE_attention, "and allow task %s to "
			   "publish", r->task_id);
	lines_addf(l, "", STYLE_normal, "Type the number %s and press Enter "
		   "to approve.  q or Esc: nothing is sent.", r->number);
	if (review_signs(m))
		lines_addf(l, "", STYLE_attention, "signed by %s with %s",
			   r->signer, m->signing_key);
	if (r->said)
		lines_add(l, "", r->said_style, false, r->said);
}

static void draw_number(const struct model *m, struct frame *f, int row)
{
	const struct review *r = m->review;
	bool armed = m->now_us >= r->armed_us;
	int col = frame_text(f, row, 0, f->cols, STYLE_normal, "Number: [");

	frame_printf(f, row, col, 4, STYLE_input, "%-4s", r->typed);
	f->cursor_row = row;
	f->cursor_col = col + (int)strlen(r->typed);
	frame_text(f, row, col + 4, f->cols - col - 4, STYLE_normal, armed ?
		   "]  paste is refused" : "]  wait");
}

static void draw(struct ui *ui, struct view *v, struct frame *f, int top,
		 int bottom)
{
	struct model *m = ui_model(ui);
	struct review *r = m->review;
	struct lines l;
	int rows, page;

	if (!r || r->phase != REVIEW_CONFIRM) {
		view_draw_text(v, m, f, top, bottom);
		review_shown(m, v->page, v->pages);
		frame_until(f, review_tick(m));
		return;
	}
	lines_init(&l, f->cols - 1, 0, f->ascii);
	confirm_lines(m, &l);
	rows = (int)l.n + 2;
	page = v->page;
	v->page = 0;			/* WHAT and TO stay in sight */
	view_draw_text(v, m, f, top, bottom - rows);
	v->page = page;
	frame_rule(f, bottom - rows);
	lines_draw(&l, f, bottom - rows + 1, 0, (int)l.n, 0);
	draw_number(m, f, bottom - 1);
	lines_fini(&l);
	frame_until(f, review_tick(m));
	frame_until(f, r->until_us);
}

/* The files of the request by turns: o and v go from one to the next. */
static void next_file(struct ui *ui, struct view *v, enum action action)
{
	const struct review *r = ui_model(ui)->review;
	const json_t *files = r ? json_object_get(r->request, "artifacts") :
				  NULL;
	size_t n = json_array_size(files);
	const json_t *file = n ? json_array_get(files, v->sel++ % n) : NULL;
	const char *sha = json_str(file, "sha256");

	if (!sha || !is_hex(sha, SHA256_HEX - 1))
		ui_note(ui, "there is no file with a hash");
	else if (action == ACT_verify)
		ui_want_verify(ui, sha);
	else
		ui_want_picture(ui, sha, "");
}

static void approve(struct ui *ui)
{
	struct model *m = ui_model(ui);

	ui_flush(ui);
	if (!review_begin(m))
		ui_note(ui, "A: %s", review_hindered(m, true));
}

static void reject(struct ui *ui)
{
	const char *why = review_hindered(ui_model(ui), false);

	if (why)
		ui_note(ui, "R: %s", why);
	else
		ui_ask_reason(ui);
}

static bool act(struct ui *ui, struct view *v, enum action action)
{
	struct model *m = ui_model(ui);

	switch (action) {
	case ACT_approve:
		approve(ui);
		return true;
	case ACT_reject:
		reject(ui);
		return true;
	case ACT_undo:
		if (review_may_cancel(m))
			review_cancel(m);
		else
			ui_note(ui, "u: nothing here can be cancelled now");
		return true;
	case ACT_preview:
	case ACT_verify:
		next_file(ui, v, action);
		return true;
	default:
		return false;
	}
}

static const enum action keys[] = {
	ACT_page_down, ACT_approve, ACT_reject, ACT_undo, ACT_preview,
	ACT_verify, ACT_chain, ACT_copy, ACT_back, ACT_help, 0,
};

const struct view_ops view_review = {
	.name = "review", .title = "REVIEW", .open = review_open, .close = review_close,
	.keys = keys, .text = text,
	.draw = draw, .head = head, .foot = foot, .foot_first = true,
	.act = act,
};
