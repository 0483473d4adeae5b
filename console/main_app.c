/* See main_app.h. Whoever calls back only changes the model and marks it;
 * sending, painting and sleeping happen in one place, the loop. */
#include "console/main_app.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/err.h"
#include "common/mem.h"
#include "console/main_state.h"
#include "console/safe.h"

#define PAINT_US 100000		/* at most ten paints a second by events */
#define BELL_US 10000000
#define EXIT_HANGUP 129

void app_now(struct app *a)
{
	a->m->now_us = clock_mono_us();
	a->m->wall_us = clock_wall_us();
	a->dirty = true;
}

static void on_hello(void *data, const json_t *params)
{
	struct app *a = data;

	app_now(a);
	model_hello(a->m, params);
}

static void on_event(void *data, const json_t *record)
{
	struct app *a = data;

	app_now(a);
	model_event(a->m, record);
}

static void on_gap(void *data, const json_t *gap)
{
	struct app *a = data;

	app_now(a);
	model_gap(a->m, gap);
}

static void on_silent(void *data, int64_t us)
{
	struct app *a = data;

	app_now(a);
	a->m->silent_us = us;
	a->m->stamp++;
}

static void on_lost(void *data, bool login, const char *why, int64_t retry)
{
	struct app *a = data;
	char *text = NULL;

	app_now(a);
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

	app_now(a);
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
		app_now(a);
		a->urgent = true;
		if (in.paste_began)
			ui_paste_began(a->ui);
		else
			ui_key(a->ui, in.key, in.pasted);
		app_grant(a);
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
		app_now(a);
		a->m->stamp++;
	}
	if (a->ui->frozen && !a->urgent)
		a->dirty = false;
	if (a->dirty && (a->urgent || clock_mono_us() >= due)) {
		app_now(a);
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
	if (a->ui->frozen || !wake ||
	    (a->m->look_us && a->m->look_us < wake))
		wake = a->m->look_us;
	link_wake_at(a->link, wake);
}

static void loop(struct app *a)
{
	a->urgent = a->dirty = true;
	paint(a);		/* first, then the network */
	if (a->m->link != LINK_LOGIN)
		link_dial(a->link);
	while (!a->done && !link_wait(a->link)) {
		a->m->now_us = clock_mono_us();
		model_look(a->m);
		send_asks(a);
		paint(a);
	}
}

static int open_link(struct app *a, struct err *err)
{
	static const struct link_events events = {on_hello, on_event, on_gap,
						  on_silent, on_lost};
	sigset_t mask;
	int keys, signals;

	a->to = (struct link_to){
		.host = a->settings->host, .port = a->settings->port,
		.unix_path = a->settings->unix_path, .tls = a->settings->tls,
		.token = a->settings->token, .ca_file = a->settings->ca_file,
		.client_certificate = a->settings->client_certificate,
		.client_key = a->settings->client_key,
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
	if (settings->signing_key)
		a.m->signing_key = safe_line(settings->signing_key);
	app_now(&a);
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
