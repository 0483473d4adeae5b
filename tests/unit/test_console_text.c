/* Text on its way to cells: made safe, broken, found, coloured. */
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/err.h"
#include "common/fs.h"
#include "console/filter.h"
#include "console/frame.h"
#include "console/keys.h"
#include "console/lines.h"
#include "console/model_type.h"
#include "console/picture.h"
#include "console/safe.h"
#include "console/span.h"
#include "console/theme.h"
#include "tests/unit/unit.h"

static char *row_of(const struct frame *f, int row)
{
	char *out = xcalloc((size_t)f->cols + 1, 1);

	for (int i = 0; i < f->cols; i++)
		out[i] = (char)frame_at(f, row, i)->ch[0];
	return out;
}

START_TEST(hosts_of_links_are_spelled_as_they_are_asked_for)
{
	static const char *const cases[][2] = {
		{"see https://example.org/notes", "example.org"},
		{"HTTP://a.b and http://c", "a.b\nc"},
		{"http://good.org@evil.com/", "evil.com"},
		{"http://ex\xd0\xb0mple.org/",
		 "ex\xd0\xb0mple.org  which is  xn--exmple-4nf.org"},
		{"http://b\xc3\xbc" "cher.de", "b\xc3\xbc" "cher.de  which is  "
		 "xn--bcher-kva.de"},
		{"ftp://x and x://y and :// and http://", ""},
		{"://", ""}, {"p://", ""}, {"", ""},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char *hosts = safe_hosts(cases[i][0]);

		ck_assert_str_eq(hosts, cases[i][1]);
		free(hosts);
	}
}
END_TEST

START_TEST(blocks_keep_their_lines_and_nothing_else)
{
	char *text = safe_block("a\r\nb\x1b\n\n\xe2\x80\xae");

	ck_assert_str_eq(text, "a<U+000D>\nb<U+001B>\n\n<U+202E>");
	free(text);
	text = safe_line(NULL);
	ck_assert_str_eq(text, "");
	free(text);
}
END_TEST

START_TEST(text_is_cut_at_the_edge_and_says_so)
{
	struct frame f;
	char *row;

	frame_init(&f, 1, 8, true);
	ck_assert_int_eq(frame_text(&f, 0, 0, 5, STYLE_ok, "1234567"), 5);
	row = row_of(&f, 0);
	ck_assert_str_eq(row, "1234~   ");
	free(row);
	ck_assert_int_eq(frame_text(&f, 0, 6, 9, STYLE_ok, "ab"), 2);
	ck_assert_int_eq(frame_text(&f, 0, 9, 9, STYLE_ok, "ab"), 0);
	ck_assert_int_eq(frame_text(&f, 5, 0, 9, STYLE_ok, "ab"), 2);
	frame_fini(&f);
}
END_TEST

START_TEST(marks_join_what_they_stand_on_two_at_most)
{
	struct frame f;
	char *row;

	setlocale(LC_ALL, "C.UTF-8");
	frame_init(&f, 1, 20, false);
	frame_text(&f, 0, 0, 20, STYLE_ok, "e\xcc\x81\xcc\x82\xcc\x83");
	ck_assert_int_eq((int)frame_at(&f, 0, 0)->ch[1], 0x301);
	ck_assert_int_eq((int)frame_at(&f, 0, 0)->ch[2], 0x302);
	row = row_of(&f, 0);
	ck_assert_str_eq(row, "e<U+0303>           ");
	free(row);
	frame_clear(&f);
	frame_text(&f, 0, 0, 20, STYLE_ok, "\xe4\xb8\xad!");
	ck_assert(frame_at(&f, 0, 1)->half);
	ck_assert_int_eq((int)frame_at(&f, 0, 2)->ch[0], '!');
	frame_fini(&f);
}
END_TEST

START_TEST(lines_break_at_spaces_and_lose_nothing)
{
	static const struct { const char *text; size_t n; const char *last; }
	cases[] = {
		{"one two three", 2, "three"},
		{"aaaaaaaaaaaaaaaaaaaaaaaaa", 3, "aaaaa"},
		{"a\n\nb", 3, "b"}, {"", 1, ""}, {"ends\n", 2, ""},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct lines l;
		size_t all = 0;

		lines_init(&l, 12, 2, true);
		lines_add(&l, "L", STYLE_ok, false, cases[i].text);
		ck_assert_int_eq((int)l.n, (int)cases[i].n);
		ck_assert_str_eq(l.at[l.n - 1].text, cases[i].last);
		for (size_t k = 0; k < l.n; k++)
			all += strlen(l.at[k].text);
		ck_assert(i == 2 || i == 4 || all == strlen(cases[i].text));
		lines_fini(&l);
	}
}
END_TEST

START_TEST(what_is_left_is_said_as_coarsely_as_it_matters)
{
	static const struct { int64_t s; const char *text; int64_t next_s; }
	cases[] = {
		{690, "11m", 30}, {120, "2m", 0}, {119, "110s", 9},
		{31, "30s", 1}, {29, "29s", 0}, {1, "1s", 0},
	};
	char text[SPAN_TEXT];

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		int64_t next = span_left(cases[i].s * SPAN_S, text);

		ck_assert_str_eq(text, cases[i].text);
		ck_assert_int_eq(next, cases[i].next_s * SPAN_S + 1);
	}
	ck_assert_int_eq(span_left(0, text), 0);
	span_age(52 * SPAN_S, text);
	ck_assert_str_eq(text, "52s");
	span_age(3 * 86400 * SPAN_S, text);
	ck_assert_str_eq(text, "3d");
}
END_TEST

START_TEST(filters_follow_their_grammar)
{
	static const struct { const char *filter; bool fits; } cases[] = {
		{"type:publish|denied", true}, {"type:publish", false},
		{"-type:publish", true}, {"actor:coord*", true},
		{"actor:coord", false}, {"task:t-1?43", true},
		{"chain:c-4f1a reason", true}, {"since:1h", false},
		{"since:3h", true}, {"/appr.*red/", true}, {"/^nope/", false},
		{"-coordinator", false}, {"", true}, {"TYPE", false},
	};
	json_t *v = json_pack("{s:i, s:s, s:s, s:s, s:s, s:s, s:{s:s}}",
			      "seq", 7, "type", "policy_denied", "ts",
			      "1970-01-01T10:00:00Z", "actor", "coordinator",
			      "task_id", "t-1843", "correlation_id", "c-4f1a",
			      "data", "reason", "approval_required");
	struct item *it = item_decode(ITEM_RECORD, v);
	struct err err = {0};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct filter *f = filter_new(cases[i].filter, &err);

		ck_assert_ptr_nonnull(f);
		ck_assert_msg(filter_matches(f, it, 12 * 3600 * SPAN_S) ==
			      cases[i].fits, "%s", cases[i].filter);
		filter_free(f);
	}
	ck_assert_ptr_null(filter_new("bad:key", &err));
	ck_assert_ptr_null(filter_new("/(/", &err));
	item_free(it);
	json_decref(v);
	err_fini(&err);
}
END_TEST

START_TEST(filters_become_queries)
{
	static const char *const cases[][2] = {
		{"type:a|b since:2h", "type=a%2Cb&since=2h"},
		{"state:running two words", "state=running&q=two%20words"},
		{"task:t-1&x=y", "task_id=t-1%26x%3Dy"}, {"", ""},
	};
	struct err err = {0};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char *query = filter_query(cases[i][0], &err);

		ck_assert_str_eq(query, cases[i][1]);
		free(query);
	}
	ck_assert_ptr_null(filter_query("tool:x", &err));
	err_fini(&err);
}
END_TEST

static int read_theme(const char *text, struct theme *t, struct err *err)
{
	char path[] = "/tmp/kircerta-theme-XXXXXX";
	int fd = mkstemp(path), rc;

	ck_assert(fd >= 0 && !fs_write_all(fd, text, strlen(text)));
	rc = theme_read(t, path, err);
	close(fd);
	unlink(path);
	return rc;
}

START_TEST(a_theme_says_how_roles_look_and_errors_name_the_line)
{
	static const struct { const char *text, *says; } bad[] = {
		{"[style \"danger\"]\n\tcolor = 999\n", ":2:"},
		{"[style \"danger\"]\n\n\tcolour = red\n", ":3:"},
		{"[style \"peril\"]\ncolor = red\n", "no such role"},
		{"[style \"ok\"]\nmono = loud\n", "\"loud\""},
	};
	struct theme t;
	struct err err = {0};

	ck_assert(!read_theme("[theme]\nname = x\n[style \"danger\"]\n"
			      "color = 203 on default bold\n"
			      "color16 = brightred on black underline\n"
			      "mono = reverse\n[style \"ok\"]\n"
			      "color = \"#ff8700\"\n", &t, &err));
	ck_assert_int_eq(t.looks[DEPTH_FULL][STYLE_danger].fg, 203);
	ck_assert_int_eq(t.looks[DEPTH_FULL][STYLE_danger].bg, -1);
	ck_assert_int_eq((int)t.looks[DEPTH_FULL][STYLE_danger].marks,
			 LOOK_BOLD);
	ck_assert_int_eq(t.looks[DEPTH_FEW][STYLE_danger].fg, 9);
	ck_assert_int_eq(t.looks[DEPTH_FEW][STYLE_danger].bg, 0);
	ck_assert_int_eq((int)t.looks[DEPTH_MONO][STYLE_danger].marks,
			 LOOK_REVERSE);
	ck_assert_int_eq(t.looks[DEPTH_FULL][STYLE_ok].fg, 208);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		ck_assert(read_theme(bad[i].text, &t, &err));
		ck_assert_msg(strstr(err.detail, bad[i].says), "%s",
			      err.detail);
	}
	err_fini(&err);
}
END_TEST

START_TEST(the_bundled_themes_read)
{
	static const char *const paths[] = {"themes/dark.theme",
					    "themes/mono.theme"};
	struct theme t;
	struct err err = {0};

	for (size_t i = 0; i < ARRAY_LEN(paths); i++)
		ck_assert_msg(!theme_read(&t, paths[i], &err), "%s",
			      err.detail);
	ck_assert_int_eq(t.looks[DEPTH_FULL][STYLE_danger].fg, -1);
	ck_assert_ptr_null(theme_path("none", &err));
	err_fini(&err);
}
END_TEST

START_TEST(a_picture_is_exact_and_plain_or_refused)
{
	static const struct { const char *data; size_t len; bool good; }
	cases[] = {
		{"KP1 1 1 1\n\0\0\0#\1\2", 16, true},
		{"KP1 1 1 1\n\0\0\0\33\1\2", 16, true},
		{"KP1 1 1 1\n\0\0\0#\1", 15, false},
		{"KP1 1 1 1\n\0\0\0#\1\2x", 17, false},
		{"KP1 9999 1 1\n", 13, false}, {"KP1 -1 1 1\n", 11, false},
		{"KP2 1 1 1\n\0\0\0#\1\2", 16, false}, {"", 0, false},
		{"KP1 1 1 1", 9, false},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct picture *p = picture_new("00");

		picture_take(p, cases[i].data, cases[i].len);
		ck_assert_msg(cases[i].good == (p->cells != NULL) &&
			      cases[i].good == !p->trouble, "case %zu", i);
		if (i == 1)
			ck_assert_int_eq((int)p->cells[0].ch, '?');
		picture_free(p);
	}
}
END_TEST

START_TEST(a_mistyped_type_is_told_from_one_that_nothing_fits)
{
	static const char finished[] =
		"no type tool_finshed is known: tool_finished?";
	static const struct { const char *filter, *whole, *part; } cases[] = {
		{"", NULL, NULL}, {"word state:x -type:nope", NULL, NULL},
		{"type:heartbeat since:2h", NULL, NULL},
		{"type:task_*|request", NULL, NULL},
		{"type:approval",
		 "no type approval is known: approval_requested?", NULL},
		{"x type:request|tool_finshed", finished, finished},
		{"type:heartbeat\x1b",
		 "no type heartbeat<U+001B> is known: heartbeat?",
		 "no type heartbeat<U+001B> is known: heartbeat?"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char *whole = type_unknown(cases[i].filter, false);
		char *part = type_unknown(cases[i].filter, true);

		ck_assert_pstr_eq(whole, cases[i].whole);
		ck_assert_pstr_eq(part, cases[i].part);
		free(whole);
		free(part);
	}
}
END_TEST

START_TEST(every_action_has_a_key_that_phones_have)
{
	for (int i = 1; i < ACT_COUNT; i++) {
		const char *shown = action_row((enum action)i)->shown;
		bool plain = strlen(shown) == 1 || !strcmp(shown, "enter") ||
			     !strcmp(shown, "space");
		bool control = i == ACT_redraw || i == ACT_suspend ||
			       i == ACT_interrupt;

		ck_assert_msg(plain || control, "%s",
			      action_row((enum action)i)->name);
	}
	ck_assert_int_eq(action_of_key('A'), ACT_approve);
	ck_assert_int_eq(action_of_key(UI_ENTER), ACT_open);
	ck_assert_int_eq(action_of_name("next_scr"), ACT_next_screen);
	ck_assert_int_eq(action_of_name("e"), ACT_evidence);
	ck_assert_int_eq(action_of_name("screen_"), ACT_none);
	ck_assert_int_eq(action_of_name(""), ACT_none);
}
END_TEST

TESTS("console_text",
      hosts_of_links_are_spelled_as_they_are_asked_for,
      blocks_keep_their_lines_and_nothing_else,
      text_is_cut_at_the_edge_and_says_so,
      marks_join_what_they_stand_on_two_at_most,
      lines_break_at_spaces_and_lose_nothing,
      what_is_left_is_said_as_coarsely_as_it_matters,
      filters_follow_their_grammar,
      filters_become_queries,
      a_theme_says_how_roles_look_and_errors_name_the_line,
      the_bundled_themes_read,
      a_picture_is_exact_and_plain_or_refused,
      a_mistyped_type_is_told_from_one_that_nothing_fits,
      every_action_has_a_key_that_phones_have)
