/* See main_app.h. Whoever calls back only changes the model and marks it;
 * sending, painting and sleeping happen in one place, the loop. */
#include "console/main_app.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/mem.h"
#include "console/link.h"
#include "console/main_job.h"
#include "console/safe.h"
#include "console/screen.h"
#include "console/settings.h"
#include "console/view_ui.h"

#define PAINT_US 100000		/* at most ten paints a second by events */
#define BELL_US 10000000
#define EXIT_HANGUP 129

struct app {
	struct settings *settings;
	struct link_to to;
	struct model *m;
	struct ui *ui;
	struct link *link;
	struct screen *screen;
	struct frame frame;
	bool dirty, urgent, done;
	int exit_code;
	int64_t painted_us, rung_us;
};

static void now(struct app *a)
{
	a->m->now_us = clock_mono_us();
	a->m->wall_us = clock_wall_us();
	a->dirty = true;
}

static void on_hello(void *data, const json_t *params)
{
	struct app *a = data;

	now(a);
	model_hello(a->m, params);
}

static void on_event(void *data, const json_t *record)
{
	struct app *a = data;

	now(a);
	model_event(a->m, record);
}

static void on_gap(void *data, const json_t *gap)
{
	struct app *a = data;

	now(a);
	model_gap(a->m, gap);
}

static void on_lost(void *data, bool login, const char *why, int64_t retry)
{
	struct app *a = data;
	char *text = NULL;

	now(a);
	if (login)
		text = xasprintf("the agent refused the token: %s; try "
				 "--token-file FILE, or kircerta-agent token "
				 "create --name %s --scope admin", why,
				 getenv("USER") ? getenv("USER") : "NAME");
	model_lost(a->m, login ? LINK_LOGIN : LINK_RETRY, text ? text : why,
		   retry);
	free(text);
}

static void on_reply(void *data, void *call, const json_t *result,
		     const json_t *problem)
{
	struct app *a = data;

	now(a);
	model_answer(a->m, call, result, problem);
	ui_arrived(a->ui);
}

static void send_asks(struct app *a)
{
	struct ask *ask;

	while ((ask = model_next_ask(a->m))) {
		json_t *params = ask->params;

		ask->params = NULL;
		link_call(a->link, ask_method(ask->kind), params, on_reply,
			  ask);
	}
}

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

	now(a);
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
	now(a);
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

/* What the keys asked for. */
static void grant_wishes(struct app *a)
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
	if (ui->redraw)
		screen_redraw(a->screen);
	ui->redraw = false;
	if (ui->suspend)
		suspend(a);
	if (ui->reconnect)
		reconnect(a);
	a->done |= ui->quit;
}

static bool hung_up(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, 0) > 0 && p.revents & (POLLHUP | POLLERR);
}

static int on_keys(void *data, int fd, bool gone)
{
	struct app *a = data;
	struct input in;

	if (gone || hung_up(fd)) {
		a->exit_code = a->done ? a->exit_code : EXIT_HANGUP;
		a->done = true;
		return -1;
	}
	while (!a->done && screen_read(a->screen, &in)) {
		now(a);
		a->urgent = true;
		if (in.paste_began)
			ui_paste_began(a->ui);
		else
			ui_key(a->ui, in.key, in.pasted);
		grant_wishes(a);
	}
	return 0;
}

static int on_signal(void *data, int fd, bool gone)
{
	struct app *a = data;
	struct signalfd_siginfo s;

	while (!gone && read(fd, &s, sizeof(s)) == sizeof(s)) {
		if (s.ssi_signo == SIGWINCH) {
			screen_resized(a->screen);
			a->urgent = a->dirty = true;
			continue;
		}
		a->done = true;
		a->exit_code = 128 + (int)s.ssi_signo;
	}
	return 0;
}

static void ring(struct app *a)
{
	if (!a->m->bells || (a->rung_us &&
			     a->m->now_us - a->rung_us < BELL_US))
		return;
	a->rung_us = a->m->now_us;
	a->m->bells = 0;
	screen_bell(a->screen);
}

static void fit_frame(struct app *a)
{
	int rows, cols;

	screen_size(a->screen, &rows, &cols);
	if (rows == a->frame.rows && cols == a->frame.cols)
		return;
	frame_fini(&a->frame);
	frame_init(&a->frame, rows, cols, screen_ascii(a->screen));
}

/* Paint what changed, soon enough and not too often; say when to wake. */
static void paint(struct app *a)
{
	int64_t due = a->painted_us + PAINT_US, wake;

	if (a->frame.until_us && clock_mono_us() >= a->frame.until_us) {
		now(a);
		a->m->stamp++;
	}
	if (a->ui->frozen && !a->urgent)
		a->dirty = false;
	if (a->dirty && (a->urgent || clock_mono_us() >= due)) {
		now(a);
		fit_frame(a);
		ui_draw(a->ui, &a->frame);
		screen_show(a->screen, &a->frame);
		ring(a);
		a->painted_us = a->m->now_us;
		a->dirty = a->urgent = false;
	}
	wake = a->frame.until_us;
	if (a->dirty && (!wake || due < wake))
		wake = due;
	link_wake_at(a->link, a->ui->frozen ? 0 : wake);
}

static void loop(struct app *a)
{
	a->urgent = a->dirty = true;
	paint(a);		/* first, then the network */
	if (a->to.token)
		link_dial(a->link);
	while (!a->done && !link_wait(a->link)) {
		send_asks(a);
		paint(a);
	}
}

static int open_link(struct app *a, struct err *err)
{
	static const struct link_events events = {on_hello, on_event, on_gap,
						  on_lost};
	sigset_t mask;
	int keys, signals;

	a->to = (struct link_to){
		.host = a->settings->host, .port = a->settings->port,
		.unix_path = a->settings->unix_path, .tls = a->settings->tls,
		.token = a->settings->token,
	};
	a->link = link_open(&a->to, &events, a, err);
	if (!a->link)
		return -1;
	/* an open of our own: what the link does to it stays off the shell's */
	keys = open("/dev/tty", O_RDONLY | O_NOCTTY | O_CLOEXEC);
	sigemptyset(&mask);
	sigaddset(&mask, SIGHUP);
	sigaddset(&mask, SIGTERM);
	sigaddset(&mask, SIGINT);
	sigaddset(&mask, SIGWINCH);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	signals = signalfd(-1, &mask, SFD_NONBLOCK | SFD_CLOEXEC);
	if (keys < 0 || signals < 0)
		return err_sys(err, ERR_io, "/dev/tty");
	if (link_watch(a->link, keys, on_keys, a) ||
	    link_watch(a->link, signals, on_signal, a))
		return err_set(err, ERR_internal, "the terminal cannot be "
						  "watched");
	return 0;
}

static int open_screen(struct app *a, const char *start, struct err *err)
{
	char *path = theme_path(a->settings->theme, err), *remark = NULL;
	struct theme theme;
	int rc = path ? theme_read(&theme, path, err) : -1;

	free(path);
	if (rc)
		return -1;
	a->ui = ui_new(a->m, start);
	a->screen = screen_open(&theme, settings_mono(a->settings), &remark,
				err);
	if (remark)
		ui_note(a->ui, "%s", remark);
	free(remark);
	return a->screen ? 0 : -1;
}

int app_run(struct settings *settings, const char *start, bool readonly)
{
	struct app a = {.settings = settings, .m = model_new()};
	struct err err = {0}, login = {0};
	int rc = settings_token(settings, &login);

	a.m->readonly = readonly;
	a.m->environment = safe_line(settings->environment);
	if (!settings->environment)
		xfree(a.m->environment);
	now(&a);
	if (rc) {
		char *why = xasprintf("%s. %s", login.detail,
				      err_hint_of(&login));

		model_lost(a.m, LINK_LOGIN, why, 0);
		free(why);
	}
	rc = open_link(&a, &err) || open_screen(&a, start, &err) ? -1 : 0;
	if (!rc)
		loop(&a);
	screen_close(a.screen);
	ui_free(a.ui);
	a.ui = NULL;
	link_close(a.link);
	model_free(a.m);
	frame_fini(&a.frame);
	if (rc)
		fprintf(stderr, "kircerta: %s\n%s\n", err.detail,
			err_hint_of(&err));
	err_fini(&err);
	err_fini(&login);
	return rc ? 1 : a.exit_code;
}
