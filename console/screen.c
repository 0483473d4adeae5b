/* See screen.h. */
#define NCURSES_WIDECHAR 1
#include "console/screen.h"

#include "common/err.h"		/* before ncurses: both have an ERR */
#include <langinfo.h>
#include <ncurses.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <term.h>
#include <unistd.h>

#include "common/mem.h"
#include "console/keys.h"
#include "console/screen_text.h"

#define FALLBACK_TERM "xterm-256color"
#define ESC_DELAY_MS 25
#define KEY_PASTE_BEGIN (KEY_MAX + 1)
#define KEY_PASTE_END (KEY_MAX + 2)
#define PASTE_ON "\033[?2004h"
#define PASTE_OFF "\033[?2004l"

struct screen {
	SCREEN *term;
	struct frame last;	/* what ncurses was told */
	bool ascii, pasting, whole;
	enum depth depth;
	attr_t marks[STYLE_count];
	int pairs[STYLE_count];
};

/* 1: it can show screens; 0: it cannot place its cursor; -1: not known. */
static int look_up(const char *name)
{
	int why, usable;

	if (setupterm(name, STDOUT_FILENO, &why))
		return -1;
	usable = cursor_address != NULL;
	del_curterm(cur_term);
	return usable;
}

static SCREEN *open_term(char **remark, struct err *err)
{
	const char *name = getenv("TERM");
	int usable = name && *name ? look_up(name) : -1;
	SCREEN *term;

	*remark = NULL;
	if (usable < 0) {
		*remark = xasprintf("this terminal's type, %s, is not known "
				    "here: treated as " FALLBACK_TERM,
				    name && *name ? name : "none");
		name = FALLBACK_TERM;
		setenv("TERM", name, 1);
	} else if (!usable) {
		err_set(err, ERR_invalid_request, "the terminal \"%s\" cannot "
			"place its cursor; the commands work on it, see "
			"kircerta --help", name);
		return NULL;
	}
	term = newterm(name, stdout, stdin);
	if (!term)
		err_set(err, ERR_invalid_request, "no terminal description "
			"for \"%s\"; install ncurses-base", name);
	return term;
}

static attr_t attrs_of(unsigned marks)
{
	return (marks & LOOK_BOLD ? A_BOLD : 0) |
	       (marks & LOOK_DIM ? A_DIM : 0) |
	       (marks & LOOK_UNDERLINE ? A_UNDERLINE : 0) |
	       (marks & LOOK_REVERSE ? A_REVERSE : 0);
}

/* Eight colours know no bright ones: bold stands in. */
static int colour_here(int colour, attr_t *marks)
{
	if (colour < 8 || COLORS >= 16)
		return colour;
	*marks |= A_BOLD;
	return colour - 8;
}

static void set_looks(struct screen *s, const struct theme *theme, bool mono)
{
	s->depth = DEPTH_MONO;
	if (!mono && has_colors()) {
		start_color();
		use_default_colors();
		s->depth = COLORS >= 256 ? DEPTH_FULL : DEPTH_FEW;
	}
	for (int i = 0; i < STYLE_count; i++) {
		struct look l = theme->looks[s->depth][i];

		s->marks[i] = attrs_of(l.marks);
		if (s->depth == DEPTH_MONO || (l.fg < 0 && l.bg < 0))
			continue;
		s->pairs[i] = i + 1;
		init_extended_pair(i + 1, colour_here(l.fg, &s->marks[i]),
				   l.bg > 7 && COLORS < 16 ? l.bg - 8 : l.bg);
	}
}

static void modes_on(void)
{
	raw();
	noecho();
	nonl();
	keypad(stdscr, TRUE);
	nodelay(stdscr, TRUE);
	idlok(stdscr, TRUE);
	leaveok(stdscr, FALSE);
	set_escdelay(ESC_DELAY_MS);
	define_key("\033[200~", KEY_PASTE_BEGIN);
	define_key("\033[201~", KEY_PASTE_END);
}

struct screen *screen_open(const struct theme *theme, bool mono,
			   char **remark, struct err *err)
{
	SCREEN *term = open_term(remark, err);
	struct screen *s;

	if (!term)
		return NULL;
	s = xcalloc(1, sizeof(*s));
	s->term = term;
	s->ascii = strcmp(nl_langinfo(CODESET), "UTF-8");
	s->whole = true;
	modes_on();
	set_looks(s, theme, mono);
	signal(SIGTSTP, SIG_DFL);	/* ^Z is a key; stopping is ours */
	terminal_write(PASTE_ON);
	return s;
}

void screen_close(struct screen *s)
{
	if (!s)
		return;
	terminal_write(PASTE_OFF);
	endwin();
	delscreen(s->term);
	frame_fini(&s->last);
	free(s);
}

void screen_size(const struct screen *s, int *rows, int *cols)
{
	(void)s;
	*rows = LINES;
	*cols = COLS;
}

bool screen_ascii(const struct screen *s)
{
	return s->ascii;
}

bool screen_mono(const struct screen *s)
{
	return s->depth == DEPTH_MONO;
}

static void put_cell(struct screen *s, int row, int col, const struct cell *c)
{
	wchar_t text[4] = {(wchar_t)c->ch[0], (wchar_t)c->ch[1],
			   (wchar_t)c->ch[2], 0};
	attr_t marks = s->marks[c->style];
	int pair = s->pairs[c->style];
	cchar_t out;

	if (c->dyed && s->depth == DEPTH_FULL) {
		pair = alloc_pair(c->fg, c->bg);
		marks = A_NORMAL;
	}
	if (setcchar(&out, text, marks, 0, &pair) == OK)
		mvadd_wch(row, col, &out);
}

static void put_row(struct screen *s, const struct frame *f, int row)
{
	for (int col = 0; col < f->cols; col++) {
		const struct cell *now = frame_at(f, row, col);
		const struct cell *was = frame_at(&s->last, row, col);

		if (now->half || (!s->whole && !memcmp(now, was, sizeof(*now))))
			continue;
		put_cell(s, row, col, now);
	}
}

void screen_show(struct screen *s, const struct frame *f)
{
	size_t bytes = (size_t)f->rows * (size_t)f->cols * sizeof(*f->cells);

	if (s->last.rows != f->rows || s->last.cols != f->cols) {
		frame_fini(&s->last);
		frame_init(&s->last, f->rows, f->cols, f->ascii);
		s->whole = true;
	}
	if (s->whole)
		erase();
	for (int row = 0; row < f->rows; row++)
		put_row(s, f, row);
	memcpy(s->last.cells, f->cells, bytes);
	s->whole = false;
	move(f->cursor_row, f->cursor_col);
	refresh();
}

static uint32_t key_of(wint_t code)
{
	static const struct { wint_t code; uint32_t key; } keys[] = {
		{KEY_ENTER, UI_ENTER}, {KEY_BACKSPACE, UI_BACKSPACE},
		{KEY_DC, UI_BACKSPACE}, {KEY_UP, UI_UP}, {KEY_DOWN, UI_DOWN},
		{KEY_LEFT, UI_LEFT}, {KEY_RIGHT, UI_RIGHT},
		{KEY_PPAGE, UI_PAGE_UP}, {KEY_NPAGE, UI_PAGE_DOWN},
		{KEY_HOME, UI_HOME}, {KEY_END, UI_END},
	};

	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (keys[i].code == code)
			return keys[i].key;
	return UI_OTHER;
}

static uint32_t char_of(wint_t c)
{
	return c == '\r' || c == '\n' ? (uint32_t)UI_ENTER :
	       c == 27 ? (uint32_t)UI_ESC :
	       c == 127 || c == 8 ? (uint32_t)UI_BACKSPACE : (uint32_t)c;
}

bool screen_read(struct screen *s, struct input *in)
{
	wint_t c;
	int rc = get_wch(&c);

	*in = (struct input){.key = UI_OTHER, .pasted = s->pasting};
	if (rc == ERR)
		return false;
	if (rc == OK)
		in->key = char_of(c);
	else if (c == KEY_PASTE_BEGIN)
		in->paste_began = s->pasting = true;
	else if (c == KEY_PASTE_END)
		s->pasting = false;
	else
		in->key = key_of(c);
	return true;
}

void screen_flush(struct screen *s)
{
	(void)s;
	flushinp();
}

void screen_resized(struct screen *s)
{
	struct winsize size;

	if (!ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) && size.ws_row &&
	    size.ws_col)
		resizeterm(size.ws_row, size.ws_col);
	s->whole = true;
}

void screen_redraw(struct screen *s)
{
	clearok(stdscr, TRUE);
	s->whole = true;
}

void screen_bell(struct screen *s)
{
	(void)s;
	beep();
}

void screen_copy(struct screen *s, const char *text)
{
	char *osc = clipboard_text(text);

	(void)s;
	fflush(stdout);
	terminal_write(osc);
	free(osc);
}

void screen_suspend(struct screen *s)
{
	terminal_write(PASTE_OFF);
	endwin();
	raise(SIGTSTP);
	screen_resized(s);
	refresh();
	terminal_write(PASTE_ON);
	screen_flush(s);
	screen_redraw(s);
}
