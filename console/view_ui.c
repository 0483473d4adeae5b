/* See view_ui.h: keys, the stack, and the one line that is typed. */
#include "console/view_ui.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "common/mem.h"
#include "common/utf8.h"
#include "console/filter.h"
#include "console/model_review.h"
#include "console/view_ui_act.h"
#include "console/view_ui_stop.h"

#define TYPED_MAX 400

struct model *ui_model(struct ui *ui)
{
	return ui->m;
}

const struct picture *ui_picture(const struct ui *ui)
{
	return ui->picture;
}

struct view *ui_top(const struct ui *ui)
{
	return ui->stack[ui->depth - 1];
}

void ui_note(struct ui *ui, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	free(ui->note);
	ui->note = xvasprintf(fmt, ap);
	va_end(ap);
}

/* Another of its kind may lie below: what was kept for that is told anew. */
static void drop_top(struct ui *ui)
{
	const struct view_ops *ops = ui_top(ui)->ops;

	view_free(ui->stack[--ui->depth]);
	if (!ops->close)
		return;
	ops->close(ui->m);
	for (int i = ui->depth; i-- > 0;)
		if (ui->stack[i]->ops == ops) {
			ops->open(ui->m, ui->stack[i]->subject);
			return;
		}
}

void ui_push(struct ui *ui, enum view_kind kind, const char *subject)
{
	if (ui->depth == UI_DEPTH) {
		view_free(ui->stack[1]);
		memmove(&ui->stack[1], &ui->stack[2],
			(UI_DEPTH - 2) * sizeof(*ui->stack));
		ui->depth--;
	}
	ui->stack[ui->depth++] = view_new(view_ops_of(kind), subject);
	if (view_ops_of(kind)->open)
		view_ops_of(kind)->open(ui->m, subject);
}

void ui_pop(struct ui *ui)
{
	if (ui->depth > 1)
		drop_top(ui);
	else
		ui_note(ui, "this is the first screen; Q quits");
}

static void drop_all(struct ui *ui)
{
	while (ui->depth) {
		struct view *v = ui->stack[--ui->depth];

		if (v->ops->close)
			v->ops->close(ui->m);
		view_free(v);
	}
}

void ui_screen(struct ui *ui, enum view_kind kind)
{
	drop_all(ui);
	ui_push(ui, kind, NULL);
}

static enum view_kind screen_of(const char *name)
{
	for (int k = 0; name && k < VIEW_KINDS; k++)
		if (view_ops_of(k)->digit &&
		    !strcmp(view_ops_of(k)->name, name))
			return (enum view_kind)k;
	return VIEW_KINDS;
}

bool ui_knows(const char *screen)
{
	return screen_of(screen) != VIEW_KINDS || !strcmp(screen, "review");
}

struct ui *ui_new(struct model *m, const char *screen)
{
	struct ui *ui = xcalloc(1, sizeof(*ui));
	enum view_kind kind;

	ui->m = m;
	ui->open_review = screen && !strcmp(screen, "review");
	kind = screen_of(ui->open_review ? "approvals" : screen);
	ui_screen(ui, kind == VIEW_KINDS ? VIEW_home : kind);
	return ui;
}

void ui_free(struct ui *ui)
{
	if (!ui)
		return;
	drop_all(ui);
	buf_fini(&ui->typed);
	free(ui->note);
	free(ui->closed);
	free(ui->copy);
	free(ui->fetch);
	free(ui->verify);
	picture_free(ui->picture);
	free(ui);
}

void ui_flush(struct ui *ui)
{
	ui->flush = true;
}

void ui_want_picture(struct ui *ui, const char *sha256, const char *name)
{
	picture_free(ui->picture);
	ui->picture = picture_new(sha256);
	free(ui->fetch);
	ui->fetch = xstrdup(sha256);
	ui_push(ui, VIEW_preview, *name ? name : sha256);
}

void ui_want_verify(struct ui *ui, const char *sha256)
{
	free(ui->verify);
	ui->verify = xstrdup(sha256);
	ui_note(ui, "fetching %.12s.. to hash it here", sha256);
}

void ui_type(struct ui *ui, enum ui_prompt prompt, const char *before)
{
	ui->prompt = prompt;
	buf_reset(&ui->typed);
	buf_adds(&ui->typed, before ? before : "");
}

void ui_ask_reason(struct ui *ui)
{
	ui_type(ui, PROMPT_REASON, NULL);
}

static void set_filter(struct ui *ui, const char *text)
{
	struct view *v = ui_top(ui);
	struct err err = {0};
	struct filter *f = *text ? filter_new(text, &err) : NULL;

	if (*text && !f) {
		ui_note(ui, "%s", err.detail);
		err_fini(&err);
		return;
	}
	filter_free(v->filter);
	v->filter = f;
	free(v->filter_text);
	v->filter_text = f ? xstrdup(text) : NULL;
	v->gathered = false;
}

void ui_clear(struct ui *ui)
{
	xfree(ui_top(ui)->find);
	set_filter(ui, "");
}

static void set_find(struct ui *ui, const char *text)
{
	struct view *v = ui_top(ui);

	free(v->find);
	v->find = xstrdup(text);
	if (!view_find(v, ui->m, 1) && *text)
		ui_note(ui, "\"%s\" is not on this screen", text);
}

static void run_command(struct ui *ui, const char *text)
{
	enum action action = action_of_name(text);

	/* deciding has its own keys and its own steps */
	if (action == ACT_none || action == ACT_approve ||
	    action == ACT_reject)
		ui_note(ui, "no command is called \"%s\"; ? lists them", text);
	else
		ui_act(ui, action);
}

/* What cannot be sent stays on the line, and further typing on it too. */
static void reason_given(struct ui *ui, const char *text)
{
	const char *why = review_hindered(ui->m, false);

	if (*text && !why) {
		review_reject(ui->m, text);
		return;
	}
	ui_type(ui, PROMPT_REASON, text);
	ui_note(ui, "%s: nothing was sent  (Esc leaves)", why ? why :
		"a rejection needs a reason");
}

static void finish_prompt(struct ui *ui)
{
	static void (*const done[])(struct ui *, const char *) = {
		[PROMPT_FIND] = set_find, [PROMPT_FILTER] = set_filter,
		[PROMPT_REASON] = reason_given,
		[PROMPT_COMMAND] = run_command,
		[PROMPT_STOP] = stop_given, [PROMPT_LEAVE] = leave_given,
	};
	enum ui_prompt prompt = ui->prompt;
	char *text = buf_take(&ui->typed, NULL);

	ui->prompt = PROMPT_NONE;
	done[prompt](ui, text ? text : "");
	free(text);
}

static void put_point(struct buf *b, uint32_t p)
{
	char out[5] = {0};

	if (p < 0x80)
		out[0] = (char)p;
	else if (p < 0x800)
		sprintf(out, "%c%c", 0xc0 | p >> 6, 0x80 | (p & 0x3f));
	else if (p < 0x10000)
		sprintf(out, "%c%c%c", 0xe0 | p >> 12, 0x80 | (p >> 6 & 0x3f),
			0x80 | (p & 0x3f));
	else
		sprintf(out, "%c%c%c%c", 0xf0 | p >> 18,
			0x80 | (p >> 12 & 0x3f), 0x80 | (p >> 6 & 0x3f),
			0x80 | (p & 0x3f));
	buf_adds(b, out);
}

static void erase_point(struct buf *b)
{
	while (b->len && (b->data[b->len - 1] & 0xc0) == 0x80)
		b->len--;
	if (b->len)
		b->len--;
	if (b->data)
		b->data[b->len] = 0;
}

static void prompt_key(struct ui *ui, uint32_t key)
{
	if (key == UI_ENTER) {
		finish_prompt(ui);
	} else if (key == UI_ESC || key == UI_CTRL('C')) {
		ui->prompt = PROMPT_NONE;
		buf_reset(&ui->typed);
	} else if (key == UI_CTRL('U')) {
		buf_reset(&ui->typed);
	} else if (key == UI_BACKSPACE && !ui->typed.len) {
		if (ui->prompt != PROMPT_REASON)
			ui->prompt = PROMPT_NONE;
	} else if (key == UI_BACKSPACE) {
		erase_point(&ui->typed);
	} else if (key < UI_ENTER && utf8_shows(key) &&
		   ui->typed.len < TYPED_MAX) {
		put_point(&ui->typed, key);
	}
}

static bool confirming(const struct ui *ui)
{
	return ui->m->review && ui->m->review->phase == REVIEW_CONFIRM;
}

static void confirm_key(struct ui *ui, uint32_t key)
{
	if (key >= '0' && key <= '9')
		review_digit(ui->m, (char)key);
	else if (key == UI_BACKSPACE)
		review_erase(ui->m);
	else if (key == UI_ENTER)
		review_enter(ui->m);
	else if (key == 'q' || key == UI_ESC || key == UI_CTRL('C') ||
		 key == UI_CTRL('Z') || action_of_key(key) == ACT_stop)
		review_leave_confirm(ui->m, "left: nothing was sent");
	ui->suspend |= key == UI_CTRL('Z');
	if (action_of_key(key) == ACT_stop)
		ui_act(ui, ACT_stop);
}

/* What goes on being typed at a step that is gone must not be commands. */
void ui_watch_confirm(struct ui *ui)
{
	const struct review *r = ui->m->review;

	if (!ui->confirming || confirming(ui))
		return;
	ui->confirming = false;
	free(ui->closed);
	ui->closed = xstrdup(ui->m->link != LINK_LIVE ?
			     "connection lost: nothing was sent" :
			     r && r->said && *r->said ? r->said :
			     "nothing was sent");
}

static void closed_key(struct ui *ui, uint32_t key)
{
	if (key == 'q' || key == UI_ESC || key == UI_ENTER ||
	    key == UI_CTRL('C'))
		xfree(ui->closed);
}

/* What is done at once, or changes what others may do, is typed. */
static bool takes_paste(const struct ui *ui)
{
	return ui->prompt == PROMPT_FIND || ui->prompt == PROMPT_FILTER ||
	       ui->prompt == PROMPT_REASON;
}

void ui_paste_began(struct ui *ui)
{
	if (!takes_paste(ui))
		ui_note(ui, "paste is refused here");
}

void ui_key(struct ui *ui, uint32_t key, bool pasted)
{
	view_refresh(ui_top(ui), ui->m);
	ui_watch_confirm(ui);
	if (pasted) {
		if (takes_paste(ui) && key < UI_ENTER)
			prompt_key(ui, key);
		return;
	}
	ui->open_review = false;
	xfree(ui->note);
	if (ui->m->note)
		model_note(ui->m, NULL);
	if (ui->closed)
		closed_key(ui, key);
	else if (ui->prompt != PROMPT_NONE)
		prompt_key(ui, key);
	else if (confirming(ui))
		confirm_key(ui, key);
	else
		ui_act(ui, action_of_key(key));
	ui->confirming = confirming(ui);
}

void ui_hidden(struct ui *ui)
{
	review_leave_confirm(ui->m, "suspended: nothing was sent");
	ui->confirming = false;
}

void ui_arrived(struct ui *ui)
{
	const struct item *it;

	if (!ui->open_review || !ui->m->synced)
		return;
	ui->open_review = false;
	view_refresh(ui_top(ui), ui->m);
	it = view_selected(ui_top(ui));
	if (it && model_pending(ui->m, NULL))
		ui_push(ui, VIEW_review, it->id);
}
