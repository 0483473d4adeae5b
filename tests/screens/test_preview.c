/* Pictures as cells: fetched, hashed, decoded in a cage, drawn. */
#include "tests/screens/harness.h"

#define MANY 300

/* Cells of the picture that have a background of their own. */
static int dyed_cells(struct term *t)
{
	int n = 0;

	for (int row = 3; row < t->rows - 2; row++)
		for (int col = 0; col < t->cols; col++) {
			VTermScreenCell cell;

			vterm_screen_get_cell(t->screen, (VTermPos){row, col},
					      &cell);
			n += !VTERM_COLOR_IS_DEFAULT_BG(&cell.bg);
		}
	return n;
}

/* Until there are more than MANY of them, or none. */
static void expect_dyed(struct term *t, bool many)
{
	int64_t until = clock_mono_us() + DEADLINE_US;

	while (many ? dyed_cells(t) <= MANY : dyed_cells(t)) {
		ck_assert_msg(clock_mono_us() < until, "%d cells are dyed",
			      dyed_cells(t));
		term_read(t, 100);
	}
}

static void open_preview(struct desk *d, const char *scenario,
			 char *environment)
{
	desk_start(d, scenario, "admin", 24, 80, "evidence", environment);
	term_expect(&d->term, "thumb.png");
	term_send(&d->term, "o");
	term_expect(&d->term, "PREVIEW");
	term_gone(&d->term, "fetching");
}

START_TEST(a_picture_is_drawn_in_cells)
{
	struct desk d;

	open_preview(&d, "plain", NULL);
	expect_dyed(&d.term, true);
	term_send(&d.term, "q");
	term_expect(&d.term, "EVIDENCE");
	expect_dyed(&d.term, false);
	desk_stop(&d);
}
END_TEST

START_TEST(without_colours_it_is_drawn_in_ascii)
{
	struct desk d;
	int64_t until = clock_mono_us() + DEADLINE_US;
	char *row;

	open_preview(&d, "plain", "NO_COLOR=1");
	while (row = term_row(&d.term, 10), strlen(row) <= 10) {
		ck_assert_msg(clock_mono_us() < until, "%s", row);
		free(row);
		term_read(&d.term, 100);
	}
	term_settle(&d.term);
	ck_assert_int_eq(dyed_cells(&d.term), 0);
	for (char *c = row; *c; c++)
		ck_assert(!(*c & 0x80));
	free(row);
	desk_stop(&d);
}
END_TEST

START_TEST(bytes_with_another_hash_are_not_shown)
{
	struct desk d;

	open_preview(&d, "corrupt", NULL);
	term_expect(&d.term, "x the bytes do not have this hash: not shown");
	term_send(&d.term, "qv");
	term_expect(&d.term, "x NOT verified");
	desk_stop(&d);
}
END_TEST

START_TEST(what_is_no_picture_is_said_to_be_none)
{
	struct desk d;

	open_preview(&d, "text", NULL);
	term_expect(&d.term, "this is no PNG or JPEG picture");
	term_send(&d.term, "qv");
	term_expect(&d.term, "+ verified here");
	desk_stop(&d);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		a_picture_is_drawn_in_cells,
		without_colours_it_is_drawn_in_ascii,
		bytes_with_another_hash_are_not_shown,
		what_is_no_picture_is_said_to_be_none,
	};
	TCase *c = tcase_create("preview");

	for (size_t i = 0; i < ARRAY_LEN(tests); i++)
		tcase_add_test(c, tests[i]);
	return screen_suite(c);
}
