/* The parts of the screen tool that need no screen. */
#include "tests/unit/unit.h"

#include <string.h>

/* A tool is a program and in no archive; its plain parts are taken as text. */
#include "agent/tools/screen_area.c"
#include "agent/tools/screen_progress.c"

START_TEST(a_region_is_read_exactly_or_refused)
{
	static const struct { const char *text; bool ok; } cases[] = {
		{"0,0,800x600", true}, {"10,20,1x1", true},
		{"32767,32767,32767x32767", true},
		{"32768,0,1x1", false}, {"0,0,0x5", false},
		{"0,0,5x0", false}, {"0,0,800", false}, {"", false},
		{"-1,0,5x5", false}, {"0,0,5x5 ", false}, {" 0,0,5x5", false},
		{"0,0,5x5x5", false}, {"0,0,123456x5", false},
		{"0,0,+5x5", false}, {"a,b,cxd", false}, {",,x", false},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct area a;

		ck_assert_msg(area_parse(cases[i].text, &a) == cases[i].ok,
			      "\"%s\"", cases[i].text);
	}
}
END_TEST

START_TEST(a_window_is_a_number_of_32_bits_and_not_0)
{
	static const struct { const char *text; uint32_t id; } cases[] = {
		{"0x400003", 0x400003}, {"4194307", 4194307},
		{"0xFFFFFFFF", 0xffffffff}, {"4294967296", 0},
		{"0x", 0}, {"", 0}, {"0", 0}, {"-1", 0}, {"0x4g", 0},
		{"40 ", 0}, {"99999999999999999999", 0},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		uint32_t id = 0;
		bool ok = window_parse(cases[i].text, &id);

		ck_assert_msg(ok == (cases[i].id != 0), "\"%s\"",
			      cases[i].text);
		if (ok)
			ck_assert_uint_eq(id, cases[i].id);
	}
}
END_TEST

START_TEST(a_window_half_off_the_screen_is_cut_at_its_edge)
{
	const struct area screen = {0, 0, 640, 480};
	struct area a = {-50, 400, 100, 200}, off = {640, 0, 10, 10};

	ck_assert(!area_inside(&a, &screen));
	ck_assert(area_clip(&a, &screen));
	ck_assert_int_eq(a.x, 0);
	ck_assert_int_eq(a.w, 50);
	ck_assert_int_eq(a.h, 80);
	ck_assert(area_inside(&a, &screen));
	ck_assert(!area_clip(&off, &screen));
}
END_TEST

START_TEST(progress_is_read_in_whatever_pieces_it_comes)
{
	static const char text[] =
		"frame=12\nfps=10.0\ntotal_size=N/A\nout_time_us=N/A\n"
		"progress=continue\nframe=20\ntotal_size=4096\n"
		"out_time_us=1900000\nprogress=end\n";

	for (size_t step = 1; step < sizeof(text); step++) {
		struct progress p = {0};
		int blocks = 0;

		for (size_t at = 0; at < sizeof(text) - 1; at += step) {
			size_t left = sizeof(text) - 1 - at;

			blocks += progress_feed(&p, text + at,
						left < step ? left : step);
		}
		ck_assert_int_ge(blocks, 1);
		ck_assert_int_eq(p.frames, 20);
		ck_assert_int_eq(p.bytes, 4096);
		ck_assert_int_eq(p.out_us, 1900000);
	}
}
END_TEST

START_TEST(an_endless_line_of_progress_is_skipped)
{
	struct progress p = {0};
	char line[4096];

	memset(line, 'x', sizeof(line));
	ck_assert(!progress_feed(&p, "frame=7\n", 8));
	ck_assert(!progress_feed(&p, line, sizeof(line)));
	ck_assert(!progress_feed(&p, "\nframe=8\n", 9));
	ck_assert(progress_feed(&p, "progress=end\n", 13));
	ck_assert_int_eq(p.frames, 8);
}
END_TEST

TESTS("tools_screen",
      a_region_is_read_exactly_or_refused,
      a_window_is_a_number_of_32_bits_and_not_0,
      a_window_half_off_the_screen_is_cut_at_its_edge,
      progress_is_read_in_whatever_pieces_it_comes,
      an_endless_line_of_progress_is_skipped)
