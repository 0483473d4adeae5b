/* One small function per action; a table finds it. */
#include "console/view_ui_act.h"

#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "console/model_review.h"
#include "console/view_ui_stop.h"

static bool is_text(const struct view *v)
{
	return v->ops->text;
}

/* Move by rows in a list, by pages in a text. */
static void move(struct ui *ui, long rows, int pages)
{
	struct view *v = ui_top(ui);
	int to = v->page + pages;

	if (is_text(v))
		v->page = to < 0 ? 0 : to >= v->pages ? v->pages - 1 : to;
	else
		view_move(v, rows);
}

static void act_down(struct ui *ui) { move(ui, 1, 1); }
static void act_up(struct ui *ui) { move(ui, -1, -1); }
static void act_page_down(struct ui *ui)
{
	move(ui, ui_top(ui)->page_rows, 1);
}
static void act_page_up(struct ui *ui)
{
	move(ui, -(long)ui_top(ui)->page_rows, -1);
}
static void act_top(struct ui *ui)
{
	ui_top(ui)->page = 0;
	view_select(ui_top(ui), 0);
}
static void act_bottom(struct ui *ui)
{
	struct view *v = ui_top(ui);

	v->page = v->pages > 0 ? v->pages - 1 : 0;
	view_select(v, v->n);
}

static void act_help(struct ui *ui) { ui_push(ui, VIEW_help, NULL); }
static void act_back(struct ui *ui) { ui_pop(ui); }
static void act_find(struct ui *ui) { ui_type(ui, PROMPT_FIND, NULL); }
static void act_palette(struct ui *ui) { ui_type(ui, PROMPT_COMMAND, NULL); }
static void act_filter(struct ui *ui)
{
	if (ui_top(ui)->ops->collect)
		ui_type(ui, PROMPT_FILTER, ui_top(ui)->filter_text);
	else
		ui_note(ui, "there is nothing to filter on this screen");
}
static void act_clear(struct ui *ui) { ui_clear(ui); }
static void act_find_next(struct ui *ui)
{
	if (!view_find(ui_top(ui), ui->m, 1))
		ui_note(ui, "nothing found");
}
static void act_find_back(struct ui *ui)
{
	if (!view_find(ui_top(ui), ui->m, -1))
		ui_note(ui, "nothing found");
}

static void act_follow(struct ui *ui)
{
	if (ui_top(ui)->ops->tail)
		act_bottom(ui);
	else
		ui_note(ui, "only the audit screen can be followed");
}

static void act_freeze(struct ui *ui) { ui->frozen = !ui->frozen; }

/* The chain of the selected thing, or of what the page is about. */
static const char *chain_here(const struct ui *ui)
{
	const struct view *v = ui_top(ui);
	const struct item *it = view_selected(v);
	const struct items *lists[] = {&ui->m->tasks, &ui->m->records,
				       &ui->m->approvals, &ui->m->runs,
				       &ui->m->chain.records};
	const struct revision *r = model_revision(ui->m, v->subject);

	for (size_t i = 0; !it && v->subject && i < ARRAY_LEN(lists); i++)
		it = items_find(lists[i], v->subject);
	if (!it && r)
		it = &r->item;
	return it ? model_chain_of(ui->m, it) : "";
}

static void act_chain(struct ui *ui)
{
	char *chain = xstrdup(chain_here(ui));

	if (*chain) {
		model_open_chain(ui->m, chain);
		ui_push(ui, VIEW_chain, chain);
	} else {
		ui_note(ui, "no correlation id is known for this");
	}
	free(chain);
}

static const char *task_of(const struct ui *ui)
{
	const struct view *v = ui_top(ui);
	const struct item *it = view_selected(v);

	if (!it && v->ops == view_ops_of(VIEW_review) && ui->m->review)
		return ui->m->review->task_id;
	if (!it)
		return v->subject;
	if (it->kind == ITEM_TASK)
		return it->id;
	if (it->kind == ITEM_APPROVAL)
		return ((const struct approval *)it)->task_id;
	if (it->kind == ITEM_RUN)
		return ((const struct run *)it)->task_id;
	if (it->kind == ITEM_RECORD)
		return ((const struct record *)it)->task_id;
	return NULL;
}

static void act_evidence(struct ui *ui)
{
	const char *id = task_of(ui);
	char *task = xstrdup(id && *id ? id : NULL);

	if (task)
		model_ask(ui->m, ASK_task_artifacts, task);
	ui_push(ui, VIEW_evidence, task);
	free(task);
}

static void act_history(struct ui *ui)
{
	const char *id = task_of(ui);
	char *task = xstrdup(id && *id ? id : NULL);

	if (task && model_task(ui->m, task))
		ui_push(ui, VIEW_history, task);
	else
		ui_note(ui, "there is no task here whose history it could be");
	free(task);
}

static void act_preview(struct ui *ui)
{
	ui_note(ui, "o shows pictures on the evidence and chain screens");
}

static void act_verify(struct ui *ui)
{
	ui_note(ui, "v hashes files on the evidence, chain and review screens");
}

static void act_copy(struct ui *ui)
{
	const struct view *v = ui_top(ui);
	const struct item *it = view_selected(v);
	const char *text = it ? it->id : v->subject;

	if (it && it->kind == ITEM_RECORD)
		text = it->chain;
	if (it && it->kind == ITEM_ARTIFACT)
		text = ((const struct artifact *)it)->sha256;
	if (!text || !*text) {
		ui_note(ui, "there is nothing to copy here");
		return;
	}
	free(ui->copy);
	ui->copy = xstrdup(text);
	ui_note(ui, "copied: %s", text);
}

static void act_stop(struct ui *ui) { stop_ask(ui); }

static void act_reconnect(struct ui *ui)
{
	ui->reconnect = ui->m->link != LINK_LIVE;
	if (!ui->reconnect)
		ui_note(ui, "connected already");
}

static void act_redraw(struct ui *ui) { ui->redraw = true; }
static void act_quit(struct ui *ui) { ui->quit = true; }
static void act_suspend(struct ui *ui) { ui->suspend = true; }
static void act_interrupt(struct ui *ui) { ui_note(ui, "Q quits"); }

static void act_approve(struct ui *ui)
{
	ui_note(ui, ui_top(ui)->ops == &view_task ?
		"in a shell: kircerta decide TASK approved" :
		"A and R work in a review: open an approval first");
}

static void act_undo(struct ui *ui)
{
	ui_note(ui, "u works in the review of what was just approved");
}

/* Selects what needs a person; from there Enter opens it. */
static void act_attention(struct ui *ui)
{
	struct view *v;

	if (ui_top(ui)->ops != view_ops_of(VIEW_home))
		ui_screen(ui, VIEW_home);
	v = ui_top(ui);
	view_refresh(v, ui->m);
	for (size_t i = 1; i <= v->n; i++) {
		size_t row = (v->sel + i) % v->n;

		if (v->rows[row]->state->rank <= 2) {
			view_select(v, row);
			return;
		}
	}
	ui_note(ui, ui->m->known ? "nothing needs you" :
		"not known: nothing was received yet");
}

static void screen_by(struct ui *ui, int step)
{
	int at = 0, screens = 0;

	for (int k = 0; k < VIEW_KINDS; k++) {
		if (view_ops_of(k) == ui->stack[0]->ops)
			at = k;
		screens += view_ops_of(k)->digit != 0;
	}
	ui_screen(ui, (enum view_kind)((at + step + screens) % screens));
}

static void act_next_screen(struct ui *ui) { screen_by(ui, 1); }
static void act_prev_screen(struct ui *ui) { screen_by(ui, -1); }
static void act_screen_1(struct ui *ui) { ui_screen(ui, VIEW_home); }
static void act_screen_2(struct ui *ui) { ui_screen(ui, VIEW_tasks); }
static void act_screen_3(struct ui *ui) { ui_screen(ui, VIEW_approvals); }
static void act_screen_4(struct ui *ui) { ui_screen(ui, VIEW_runs); }
static void act_screen_5(struct ui *ui) { ui_screen(ui, VIEW_audit); }
static void act_screen_6(struct ui *ui) { ui_screen(ui, VIEW_evidence); }

static void act_screen_7(struct ui *ui)
{
	model_ask(ui->m, ASK_health, NULL);
	ui_screen(ui, VIEW_health);
}

static void act_open(struct ui *ui) { (void)ui; }
static void act_reject(struct ui *ui) { act_approve(ui); }

void ui_act(struct ui *ui, enum action action)
{
	static void (*const handlers[ACT_COUNT])(struct ui *) = {
#define KEY(action, key, shown, label, help) \
		[ACT_##action] = act_##action,
#define ALSO(action, key)
#include "console/keys.def"
#undef KEY
#undef ALSO
	};
	struct view *v = ui_top(ui);

	if (action == ACT_none ||
	    (v->ops->act && v->ops->act(ui, v, action)))
		return;
	handlers[action](ui);
}
