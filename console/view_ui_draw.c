/* The frame around the views: who and where above, keys below. */
#include <stdio.h>
#include <string.h>

#include "console/model_review.h"
#include "console/span.h"
#include "console/view_ui.h"
#include "console/view_ui_act.h"

#define LEAST_ROWS 10
#define LEAST_COLS 40
#define PHONE 60
#define STALE_US (60 * SPAN_S)

static enum style link_text(const struct model *m, char *out, size_t size)
{
	char age[SPAN_TEXT];
	int64_t lost = m->lost_us ? m->now_us - m->lost_us : 0;

	if (m->link == LINK_LIVE && m->silent_us) {
		span_age(m->silent_us, age);
		snprintf(out, size, "LAG %s", age);
		return STYLE_stale;
	}
	if (m->link == LINK_LIVE) {
		snprintf(out, size, "%s", model_may_decide(m) ? "LIVE" :
							    "LIVE OBSERVER");
		return STYLE_ok;
	}
	if (m->link == LINK_LOGIN) {
		snprintf(out, size, "LOGIN NEEDED");
		return STYLE_danger;
	}
	if (m->link == LINK_DIALING && !m->tries) {
		snprintf(out, size, "CONNECTING");
		return STYLE_muted;
	}
	span_age(lost, age);
	if (lost >= STALE_US)
		snprintf(out, size, "STALE %s, try %d", age, m->tries);
	else
		snprintf(out, size, "RECONNECT %d, next %ds", m->tries,
			 (int)((m->retry_in_us + SPAN_S - 1) / SPAN_S));
	return STYLE_stale;
}

/* What is not as always goes before who and where. Cells it takes. */
static int draw_mode(const struct model *m, struct frame *f, int col,
		     int room)
{
	if (!strcmp(m->mode, "stopped"))
		return frame_text(f, 0, col, room, STYLE_danger,
				  "MODE STOPPED") + 2;
	if (!*m->mode || !strcmp(m->mode, "normal"))
		return 0;
	return frame_printf(f, 0, col, room, STYLE_attention, "MODE %s",
			    m->mode) + 2;
}

static void draw_identity(const struct ui *ui, struct frame *f)
{
	const struct model *m = ui->m;
	char link[64], right[64] = "";
	size_t pending = model_pending(m, NULL);
	enum style style = link_text(m, link, sizeof(link));
	int col, end = f->cols - 1;
	bool phone = f->cols < PHONE;

	if (pending)
		snprintf(right, sizeof(right), phone ? "!%zu" :
			 pending == 1 ? "! %zu approval" : "! %zu approvals",
			 pending);
	end -= (int)strlen(right);
	if (pending)
		frame_text(f, 0, end, f->cols - end, STYLE_attention, right);
	col = frame_text(f, 0, 0, end, style, link) + 2;
	col += draw_mode(m, f, col, end - col - 1);
	col += frame_text(f, 0, col, end - col - 1, STYLE_title,
			  *m->agent ? m->agent : "kircerta") + 1;
	if (m->environment)
		col += frame_text(f, 0, col, end - col - 1, STYLE_environment,
				  m->environment) + 1;
	if (*m->actor)
		col += 1 + frame_printf(f, 0, col + 1, end - col - 2,
					STYLE_title, "as %s (%s)", m->actor,
					m->admin ? "admin" : "observer") + 2;}

static void draw_head(struct ui *ui, struct view *v, struct frame *f, int row)
{
	char digit[4] = "";
	int col;

	if (v->ops->head && !v->filter_text) {
		v->ops->head(ui->m, v, f, row);
		return;
	}
	if (v->ops->digit)
		snprintf(digit, sizeof(digit), "%c ", v->ops->digit);
	col = frame_printf(f, row, 0, f->cols, STYLE_strong, "%s%s%s%s",
			   digit, v->ops->title, v->subject ? " " : "",
			   v->subject ? v->subject : "") + 2;
	if (v->filter_text)
		col += frame_printf(f, row, col, f->cols - col,
				    STYLE_attention, "filter: %s",
				    v->filter_text) + 2;
	if (v->ops->collect)
		col += frame_printf(f, row, col, f->cols - col, STYLE_muted,
				    v->filter_text ? "[%zu of %zu]" : "[%zu]",
				    v->n, v->total) + 2;
	else if (v->pages > 1)
		col += frame_printf(f, row, col, f->cols - col, STYLE_normal,
				    "page %d/%d", v->page + 1, v->pages) + 2;
	if (v->ops->tail && v->follow)
		frame_text(f, row, col, f->cols - col, STYLE_ok, "FOLLOW");
	else if (v->ops->tail && v->unseen)
		frame_printf(f, row, col, f->cols - col, STYLE_attention,
			     "PAUSED +%zu new", v->unseen);
	else if (v->ops->tail)
		frame_text(f, row, col, f->cols - col, STYLE_muted, "PAUSED");
}

/* Not every key that a screen has makes sense at every moment. */
static bool offered(const struct ui *ui, enum action action)
{
	if (action == ACT_approve || action == ACT_reject)
		return model_may_decide(ui->m) && ui->m->review &&
		       ui->m->review->phase < REVIEW_SENT &&
		       !ui->m->review->state->rank;
	if (action == ACT_stop)
		return model_may_decide(ui->m);
	if (action == ACT_undo)
		return review_may_cancel(ui->m);
	if (action == ACT_back)
		return ui->depth > 1;
	return true;
}

static void draw_keys(struct ui *ui, struct view *v, struct frame *f, int row)
{
	int col = 0;

	if (ui->m->review && ui->m->review->phase == REVIEW_CONFIRM) {
		frame_text(f, row, 0, f->cols, STYLE_keys,
			   "0-9 type  enter send  q nothing is sent");
		return;
	}
	for (const enum action *a = v->ops->keys; *a; a++) {
		const struct action_row *r = action_row(*a);
		int width = text_cells(r->shown, true) + 1 +
			    text_cells(r->label, true);

		if (!offered(ui, *a) || col + width > f->cols - 1)
			continue;
		col += frame_text(f, row, col, f->cols - col, STYLE_strong,
				  r->shown);
		col += 1 + frame_text(f, row, col + 1, f->cols - col - 1,
				      STYLE_keys, r->label) + 2;
	}
}

static void draw_prompt(struct ui *ui, struct frame *f, int row)
{
	static const char *const names[] = {
		[PROMPT_FIND] = "find: ", [PROMPT_FILTER] = "filter: ",
		[PROMPT_REASON] = "reason for rejecting: ",
		[PROMPT_COMMAND] = ":",
		[PROMPT_STOP] = "type stop, then Enter: ",
		[PROMPT_LEAVE] = "normal|guarded and why: ",
	};
	const char *text = ui->typed.data ? ui->typed.data : "";
	int col = frame_text(f, row, 0, f->cols, STYLE_note,
			     names[ui->prompt]);
	int room = f->cols - 1 - col;

	while (*text && text_cells(text, f->ascii) > room) {
		text++;			/* what is typed last stays in sight */
		while ((*text & 0xc0) == 0x80)
			text++;
	}
	col += frame_text(f, row, col, room, STYLE_input, text);
	f->cursor_row = row;
	f->cursor_col = col;
}

/* The line above the keys: what was just said, or what the screen has. */
static void draw_foot(struct ui *ui, struct view *v, struct frame *f, int row)
{
	const struct model *m = ui->m;

	if (ui->note)
		frame_text(f, row, 0, f->cols - 1, STYLE_note, ui->note);
	else if (v->ops->foot_first && v->ops->foot(m, v, f, row))
		return;
	else if (m->note)
		frame_text(f, row, 0, f->cols - 1, STYLE_danger, m->note);
	else if (ui->frozen)
		frame_text(f, row, 0, f->cols - 1, STYLE_attention,
			   "FROZEN  p goes on");
	else if (m->link != LINK_LIVE && *m->link_why)
		frame_text(f, row, 0, f->cols - 1, STYLE_stale, m->link_why);
	else if (!v->ops->foot || !v->ops->foot(m, v, f, row))
		frame_rule(f, row);
}

static void draw_view(struct ui *ui, struct view *v, struct frame *f, int top,
		      int bottom)
{
	if (v->ops->draw)
		v->ops->draw(ui, v, f, top, bottom);
	else if (v->ops->text)
		view_draw_text(v, ui->m, f, top, bottom);
	else
		view_draw_list(v, ui->m, f, top, bottom);
}

static void draw_tiny(struct ui *ui, struct frame *f)
{
	char link[64];
	enum style style = link_text(ui->m, link, sizeof(link));

	frame_printf(f, 0, 0, f->cols, style, "%s %s!%zu  40x10 or more",
		     link, strcmp(ui->m->mode, "stopped") ? "" : "STOPPED ",
		     model_pending(ui->m, NULL));
}

void ui_draw(struct ui *ui, struct frame *f)
{
	struct view *v = ui_top(ui);
	bool phone = f->cols < PHONE;
	int top = phone ? 2 : 3, bottom = f->rows - 2;

	frame_clear(f);
	f->faded = ui->m->link != LINK_LIVE;
	if (f->rows < LEAST_ROWS || f->cols < LEAST_COLS) {
		ui_hidden(ui);
		draw_tiny(ui, f);
		return;
	}
	view_refresh(v, ui->m);
	ui_watch_confirm(ui);
	draw_view(ui, v, f, top, bottom);
	draw_identity(ui, f);
	draw_head(ui, v, f, 1);
	if (!phone)
		frame_rule(f, 2);
	draw_foot(ui, v, f, bottom);
	if (ui->closed)
		frame_printf(f, f->rows - 1, 0, f->cols - 1, STYLE_attention,
			     "%s  Enter, Esc or q goes on", ui->closed);
	else if (ui->prompt != PROMPT_NONE)
		draw_prompt(ui, f, f->rows - 1);
	else
		draw_keys(ui, v, f, f->rows - 1);
}
