/* The console as an operator sees it. */
#include "tests/screens/harness.h"

static const struct { int rows, cols; } sizes[] = {
	{19, 46}, {24, 80}, {50, 200},
};

static void golden(struct desk *d, const char *what)
{
	char *name = xasprintf("%s_%dx%d", what, d->term.cols, d->term.rows);

	term_golden(&d->term, name);
	free(name);
}

START_TEST(every_screen_looks_as_drawn_at_three_sizes)
{
	static const struct { const char *keys, *shows, *name; } steps[] = {
		{"", "render captions", "home"},
		{"2", "[5]", "tasks"},
		{"3", "expires in", "approvals"},
		{"5", "FOLLOW", "audit"},
		{"c", "complete", "chain"},
		{"6", "thumb.png", "evidence"},
		{"7", "OBS is off", "health"},
		{"?", "the keys of this screen", "help"},
	};
	struct desk d;

	desk_start(&d, "plain", "admin", sizes[_i].rows, sizes[_i].cols, NULL,
		   NULL);
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		term_send(&d.term, steps[i].keys);
		term_expect(&d.term, steps[i].shows);
		golden(&d, steps[i].name);
	}
	term_send(&d.term, "Q");
	ck_assert_int_eq(term_end(&d.term), 0);
	desk_stop(&d);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("console");
	TCase *c = tcase_create("console");
	SRunner *r;
	int failed;

	tcase_set_timeout(c, UNIT_TIMEOUT);
	tcase_add_loop_test(c, every_screen_looks_as_drawn_at_three_sizes, 0,
			    ARRAY_LEN(sizes));
	suite_add_tcase(s, c);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
