/* What views ask for and only the loop can do: see main_state.h. */
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/mem.h"
#include "console/main_job.h"
#include "console/main_state.h"
#include "console/model_review.h"
#include "console/safe.h"
#include "console/sign.h"

static const char *why_no_picture(int fetched, int decoded)
{
	static const struct { int exit; const char *why; } rows[] = {
		{4, "the agent refused the token"},
		{6, "x the bytes do not have this hash: not shown"},
		{7, "the agent cannot be reached"},
		{127, "the preview program is not installed"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (fetched == rows[i].exit || decoded == rows[i].exit)
			return rows[i].why;
	return fetched ? "the agent does not have these bytes" :
	       decoded ? "this is no PNG or JPEG picture" : NULL;
}

static void on_picture(void *data, const char *sha256, const struct buf *out,
		       int fetched, int decoded)
{
	struct app *a = data;
	const char *why = why_no_picture(fetched, decoded);

	app_now(a);
	if (!a->ui || !a->ui->picture ||
	    strcmp(a->ui->picture->sha256, sha256))
		return;		/* another one is wanted by now */
	if (why)
		a->ui->picture->trouble = xstrdup(why);
	else
		picture_take(a->ui->picture, out->data, out->len);
}

static void on_verified(void *data, const char *sha256, const struct buf *out,
			int first, int last)
{
	struct app *a = data;
	char *line = xstrndup(out->data, strcspn(out->data, "\n")), *safe;

	(void)sha256, (void)last;
	app_now(a);
	safe = safe_line(line);
	if (a->ui && first == 0)
		ui_note(a->ui, "+ verified here: %s", safe);
	else if (a->ui)
		ui_note(a->ui, "x NOT verified: %s", first == 6 ?
			"the bytes do not have this hash" :
			"they could not be fetched");
	free(line);
	free(safe);
}

static void on_signed(void *data, const char *nonce, const struct buf *out,
		      int first, int last)
{
	struct app *a = data;
	char *found = first ? NULL : sign_found(out->data);
	char *why = found ? NULL : sign_why(out->data);

	(void)last;
	app_now(a);
	review_signed(a->m, nonce, found, why);
	free(found);
	free(why);
}

static void sign(struct app *a)
{
	struct review *r = a->m->review;

	if (job_sign(a->link, a->settings->signing_key, r->to_sign, r->nonce,
		     on_signed, a))
		review_signed(a->m, r->nonce, NULL,
			      "ssh-keygen is not installed");
	xfree(r->to_sign);
}

static void copy(struct app *a)
{
	if (!job_tmux_copy(a->ui->copy))
		screen_copy(a->screen, a->ui->copy);
	xfree(a->ui->copy);
}

static void suspend(struct app *a)
{
	ui_hidden(a->ui);
	screen_suspend(a->screen);
	a->ui->suspend = false;
}

static void reconnect(struct app *a)
{
	struct err err = {0};

	a->ui->reconnect = false;
	if (!a->to.token && !settings_token(a->settings, &err))
		a->to.token = a->settings->token;
	err_fini(&err);
	link_dial(a->link);
}

void app_grant(struct app *a)
{
	struct ui *ui = a->ui;

	if (ui->flush)
		screen_flush(a->screen);
	ui->flush = false;
	if (ui->copy)
		copy(a);
	if (ui->fetch && job_picture(a->link, a->settings, ui->fetch,
				     a->frame.cols - 1, a->frame.rows - 5,
				     screen_mono(a->screen) ||
				     screen_ascii(a->screen), on_picture, a))
		ui->picture->trouble =
			xstrdup("the preview program is not installed");
	xfree(ui->fetch);
	if (ui->verify && job_verify(a->link, a->settings, ui->verify,
				     on_verified, a))
		ui_note(ui, "this program cannot be started again");
	xfree(ui->verify);
	if (a->m->review && a->m->review->to_sign)
		sign(a);
	if (ui->redraw)
		screen_redraw(a->screen);
	ui->redraw = false;
	if (ui->suspend)
		suspend(a);
	if (ui->reconnect)
		reconnect(a);
	a->done |= ui->quit;
}
