/*
 * Drives the real console in a pseudo terminal whose cells libvterm keeps,
 * against fake_agent.py. Everything waits for what it expects, up to a
 * deadline; nothing sleeps. KIRCERTA_GOLDEN=write rewrites the goldens.
 */
#pragma once
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vterm.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/fs.h"
#include "common/utf8.h"
#include "tests/unit/unit.h"

#define DEADLINE_US 30000000
#define QUIET_MS 300

struct fake {
	pid_t pid;
	int in, out, port;
	struct buf log;		/* one JSON object a line */
};

struct term {
	pid_t pid;
	int fd, rows, cols;
	VTerm *vt;
	VTermScreen *screen;
	struct buf raw;		/* every byte the console wrote */
	int status;
	bool ended;
};

struct desk {			/* a console with its agent */
	struct fake fake;
	struct term term;
	char home[64];
};

static inline bool wait_for(int fd, int ms)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, ms) > 0;
}

static inline void fake_read(struct fake *f, int ms)
{
	ssize_t n;

	if (!wait_for(f->out, ms))
		return;
	n = read(f->out, buf_room(&f->log, 65536), 65535);
	if (n > 0)
		f->log.len += (size_t)n;
	f->log.data[f->log.len] = 0;
}

static inline int fake_count(struct fake *f, const char *text)
{
	int n = 0;

	while (wait_for(f->out, 0))
		fake_read(f, 0);
	for (const char *at = f->log.data; at && (at = strstr(at, text)); at++)
		n++;
	return n;
}

/* Until it got this more than so often. */
static inline void fake_expect_more(struct fake *f, const char *text, int n)
{
	int64_t until = clock_mono_us() + DEADLINE_US;

	while (fake_count(f, text) <= n) {
		ck_assert_msg(clock_mono_us() < until,
			      "the agent never got %s, but:\n%s", text,
			      f->log.data ? f->log.data : "");
		fake_read(f, 100);
	}
}

static inline void fake_expect(struct fake *f, const char *text)
{
	fake_expect_more(f, text, 0);
}

static inline void fake_order(struct fake *f, const char *json)
{
	ck_assert(!fs_write_all(f->in, json, strlen(json)));
	ck_assert(!fs_write_all(f->in, "\n", 1));
}

static inline void fake_start(struct fake *f, const char *scenario)
{
	int in[2], out[2];

	*f = (struct fake){0};
	ck_assert(!pipe2(in, O_CLOEXEC) && !pipe2(out, O_CLOEXEC));
	f->pid = fork();
	if (!f->pid) {
		dup2(in[0], 0);
		dup2(out[1], 1);
		execlp("python3", "python3", "tests/screens/fake_agent.py",
		       scenario, NULL);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	f->in = in[1];
	f->out = out[0];
	fake_expect(f, "\"port\"");
	sscanf(f->log.data, "{\"port\": %d", &f->port);
}

static inline void fake_stop(struct fake *f)
{
	kill(f->pid, SIGKILL);
	waitpid(f->pid, NULL, 0);
	close(f->in);
	close(f->out);
	buf_fini(&f->log);
}

/* build/tests/screens/test_x -> build/NAME */
static inline char *program(const char *name)
{
	char self[PATH_MAX] = "";

	if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
		return NULL;
	return xasprintf("%s/%s", dirname(dirname(dirname(self))), name);
}

static inline void term_read(struct term *t, int ms)
{
	char data[65536];
	ssize_t n;

	if (t->ended || !wait_for(t->fd, ms))
		return;
	n = read(t->fd, data, sizeof(data));
	if (n <= 0) {
		waitpid(t->pid, &t->status, 0);
		t->ended = true;
		return;
	}
	buf_add(&t->raw, data, (size_t)n);
	vterm_input_write(t->vt, data, (size_t)n);
}

/* One row without the blanks at its end. Caller frees. */
static inline char *term_row(struct term *t, int row)
{
	struct buf b = {0};

	for (int col = 0; col < t->cols; col++) {
		VTermScreenCell cell;
		char text[8 * 6 + 1] = "";

		vterm_screen_get_cell(t->screen, (VTermPos){row, col}, &cell);
		for (int i = 0; i < 6 && cell.chars[i]; i++) {
			uint32_t c = cell.chars[i];
			size_t n = strlen(text);

			if (c == (uint32_t)-1)
				continue;
			if (c < 0x80)
				text[n] = (char)c;
			else if (c < 0x800)
				sprintf(text + n, "%c%c", 0xc0 | c >> 6,
					0x80 | (c & 0x3f));
			else
				sprintf(text + n, "%c%c%c", 0xe0 | c >> 12,
					0x80 | (c >> 6 & 0x3f),
					0x80 | (c & 0x3f));
		}
		buf_adds(&b, cell.chars[0] ? text : " ");
		col += cell.width > 1;
	}
	while (b.len && b.data[b.len - 1] == ' ')
		b.data[--b.len] = 0;
	buf_adds(&b, "");
	return buf_take(&b, NULL);
}

static inline char *term_text(struct term *t)
{
	struct buf b = {0};

	for (int row = 0; row < t->rows; row++) {
		char *line = term_row(t, row);

		buf_addf(&b, "%s\n", line);
		free(line);
	}
	return buf_take(&b, NULL);
}

static inline bool term_has(struct term *t, const char *text)
{
	char *screen = term_text(t);
	bool has = strstr(screen, text);

	free(screen);
	return has;
}

static inline void term_wait(struct term *t, const char *text, bool there,
			     int64_t most_us)
{
	int64_t until = clock_mono_us() + most_us;

	while (term_has(t, text) != there) {
		char *screen = clock_mono_us() < until && !t->ended ? NULL :
								      term_text(t);

		ck_assert_msg(!screen, "\"%s\" %s:\n%s", text, there ?
			      "never came" : "never went", screen);
		term_read(t, 100);
	}
}

static inline void term_expect(struct term *t, const char *text)
{
	term_wait(t, text, true, DEADLINE_US);
}

static inline void term_gone(struct term *t, const char *text)
{
	term_wait(t, text, false, DEADLINE_US);
}

static inline void term_send(struct term *t, const char *keys)
{
	ck_assert(!fs_write_all(t->fd, keys, strlen(keys)));
}

/* Something was written after all. */
static inline void term_stirs(struct term *t)
{
	ck_assert_msg(wait_for(t->fd, DEADLINE_US / 1000), "nothing came");
}

/* Nothing was written for a while: what there is, is all there is. */
static inline void term_settle(struct term *t)
{
	while (!t->ended && wait_for(t->fd, QUIET_MS))
		term_read(t, 0);
}

static inline void term_resize(struct term *t, int rows, int cols)
{
	struct winsize size = {.ws_row = (unsigned short)rows,
			       .ws_col = (unsigned short)cols};

	t->rows = rows;
	t->cols = cols;
	vterm_set_size(t->vt, rows, cols);
	ioctl(t->fd, TIOCSWINSZ, &size);
}

/* Argv is NULL-terminated; environment: NAME=VALUE ones, NULL-terminated. */
static inline void term_start(struct term *t, int rows, int cols,
			      char *const argv[], char *const environment[])
{
	struct winsize size = {.ws_row = (unsigned short)rows,
			       .ws_col = (unsigned short)cols};

	*t = (struct term){.rows = rows, .cols = cols};
	t->vt = vterm_new(rows, cols);
	vterm_set_utf8(t->vt, 1);
	t->screen = vterm_obtain_screen(t->vt);
	vterm_screen_enable_altscreen(t->screen, 1);
	vterm_screen_reset(t->screen, 1);
	t->pid = forkpty(&t->fd, NULL, NULL, &size);
	ck_assert(t->pid >= 0);
	if (t->pid)
		return;
	for (; *environment; environment++)
		putenv(*environment);
	execv(argv[0], argv);
	_exit(127);
}

static inline int term_end(struct term *t)
{
	int64_t until = clock_mono_us() + DEADLINE_US;

	while (!t->ended && clock_mono_us() < until)
		term_read(t, 100);
	ck_assert_msg(t->ended, "the console did not end");
	return WIFEXITED(t->status) ? WEXITSTATUS(t->status) :
				      128 + WTERMSIG(t->status);
}

static inline void term_stop(struct term *t)
{
	if (!t->ended) {
		kill(t->pid, SIGKILL);
		waitpid(t->pid, NULL, 0);
	}
	close(t->fd);
	vterm_free(t->vt);
	buf_fini(&t->raw);
}

/* What differs, a line each. Caller frees. */
static inline char *diff_of(const char *want, const char *have)
{
	struct buf b = {0};

	buf_adds(&b, "");
	while (*want || *have) {
		size_t w = strcspn(want, "\n"), h = strcspn(have, "\n");

		if (w != h || strncmp(want, have, w))
			buf_addf(&b, "- %.*s\n+ %.*s\n", (int)w, want, (int)h,
				 have);
		want += w + (want[w] == '\n');
		have += h + (have[h] == '\n');
	}
	return buf_take(&b, NULL);
}

/* Times of day differ from run to run: 2026-01-02T03:04:05Z is all zeros. */
static inline void hide_times(char *text)
{
	static const char form[] = "0000-00-00T00:00:00Z";

	for (char *at = text; *at; at++) {
		size_t n = 0;

		while (form[n] && (form[n] == '0' ? at[n] >= '0' &&
						    at[n] <= '9' :
						    at[n] == form[n]))
			n++;
		if (!form[n])
			memcpy(at, form, n);
	}
}

static inline void term_golden(struct term *t, const char *name)
{
	char *path = xasprintf("tests/screens/%s.txt", name), *want, *have;
	int64_t until = clock_mono_us() + DEADLINE_US;
	const char *mode = getenv("KIRCERTA_GOLDEN");

	if (mode && !strcmp(mode, "write")) {
		term_settle(t);
		have = term_text(t);
		hide_times(have);
		ck_assert(!fs_replace(path, have, strlen(have), 0644, NULL));
		free(have);
	}
	want = fs_read(path, 1 << 20, NULL, NULL);
	ck_assert_msg(want, "no golden %s", path);
	for (;;) {
		have = term_text(t);
		hide_times(have);
		if (!strcmp(want, have))
			break;
		if (t->ended || clock_mono_us() > until)
			ck_abort_msg("%s differs:\n%s", name,
				     diff_of(want, have));
		free(have);
		term_read(t, 100);
	}
	free(have);
	free(want);
	free(path);
}

/* A console on a fake agent; more: further arguments, or NULL. */
static inline void desk_start(struct desk *d, const char *scenario,
			      const char *token, int rows, int cols,
			      char *more, char *environment)
{
	char *console = program("kircerta");
	char agent[64], token_env[128], home[96], config[96], *file;
	char *open = more ? xstrdup(more) : NULL;
	char *argv[] = {console, open ? "--open" : NULL, open, NULL};
	char *env[] = {"TERM=xterm-256color", "LC_ALL=C.UTF-8", agent,
		       token_env, home, config, "TMUX=", "NO_COLOR=",
		       environment, NULL};

	fake_start(&d->fake, scenario);
	snprintf(d->home, sizeof(d->home), "/tmp/kircerta-screen-XXXXXX");
	ck_assert(mkdtemp(d->home));
	file = xasprintf("%s/token", d->home);
	ck_assert(!fs_replace(file, token, strlen(token), 0600, NULL));
	snprintf(agent, sizeof(agent), "KIRCERTA_AGENT=http://127.0.0.1:%d",
		 d->fake.port);
	snprintf(token_env, sizeof(token_env), "KIRCERTA_TOKEN_FILE=%s", file);
	snprintf(home, sizeof(home), "HOME=%s", d->home);
	snprintf(config, sizeof(config), "XDG_CONFIG_HOME=%s", d->home);
	term_start(&d->term, rows, cols, argv, env);
	free(file);
	free(open);
	free(console);
}

static inline void desk_stop(struct desk *d)
{
	term_stop(&d->term);
	fake_stop(&d->fake);
	fs_remove_tree(d->home);
}

/*
 * Show every page of the open review, the last one for as long as it takes.
 * What is still on its way to the console may add pages meanwhile.
 */
static inline void desk_read_to_end(struct desk *d)
{
	const int64_t until = clock_mono_us() + DEADLINE_US;

	while (!term_has(&d->term, "A approves, R rejects")) {
		char *screen = term_text(&d->term), page[32];
		const char *at = strstr(screen, "page ");
		int now = 0, all = 0;

		ck_assert(at && sscanf(at, "page %d/%d", &now, &all) == 2);
		ck_assert_msg(clock_mono_us() < until, "no end to:\n%s",
			      screen);
		free(screen);
		if (now == all) {
			term_read(&d->term, 100);
			continue;
		}
		term_send(&d->term, " ");
		snprintf(page, sizeof(page), "page %d/", now + 1);
		term_expect(&d->term, page);
	}
}

static inline int screen_suite(TCase *c)
{
	Suite *s = suite_create("screens");
	SRunner *r;
	int failed;

	json_setup();
	tcase_set_timeout(c, UNIT_TIMEOUT);
	suite_add_tcase(s, c);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
