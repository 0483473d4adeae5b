/* The console as an operator sees it, at the sizes that have to work. */
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

START_TEST(every_screen_looks_as_drawn)
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
		{"1\r", "page 1/", "review"},
	};
	struct desk d;

	desk_start(&d, "plain", "admin", sizes[_i].rows, sizes[_i].cols, NULL,
		   NULL);
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		term_send(&d.term, steps[i].keys);
		term_expect(&d.term, steps[i].shows);
		golden(&d, steps[i].name);
	}
	desk_read_to_end(&d);
	golden(&d, "review_end");
	term_send(&d.term, "A");
	term_expect(&d.term, "paste is refused");
	golden(&d, "confirm");
	desk_stop(&d);
}
END_TEST

START_TEST(a_task_tells_what_is_missing_and_how_it_came_about)
{
	static const struct { const char *keys, *shows, *name; } steps[] = {
		{"2", "25% publish", "working"},
		{"\r", "! not complete", "task"},
		{"A", "kircerta decide TASK", NULL},
		{"h", "pushed", "history"},
		{"\r", "\"attempt\": 1", "revision"},
	};
	struct desk d;
	int asked;

	desk_start(&d, "redone", "admin", sizes[_i].rows, sizes[_i].cols,
		   NULL, NULL);
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		term_send(&d.term, steps[i].keys);
		term_expect(&d.term, steps[i].shows);
		if (steps[i].name)
			golden(&d, steps[i].name);
	}
	term_send(&d.term, "qqh");
	term_expect(&d.term, "[3]");
	asked = fake_count(&d.fake, "task.history");
	fake_order(&d.fake, "{\"event\": {\"type\": \"task_updated\", "
		   "\"task_id\": \"t-01jd3k9x7m2q0003\"}}");
	fake_expect_more(&d.fake, "task.history", asked);
	term_send(&d.term, "Q");
	ck_assert_int_eq(term_end(&d.term), 0);
	desk_stop(&d);
}
END_TEST

START_TEST(an_empty_agent_is_no_error)
{
	struct desk d;

	desk_start(&d, "empty", "admin", 24, 80, NULL, NULL);
	term_expect(&d.term, "no tasks yet");
	golden(&d, "empty");
	term_send(&d.term, "Q");
	ck_assert_int_eq(term_end(&d.term), 0);
	desk_stop(&d);
}
END_TEST

START_TEST(what_all_tasks_need_is_said_before_what_some_tools_do)
{
	struct desk d;

	desk_start(&d, "troubled", "admin", 24, 80, NULL, NULL);
	term_expect(&d.term, "FAILED 1   HEALTH ! ssot_remote");
	term_expect(&d.term, "HEALTH ! ssot_remote: See the network");
	term_expect(&d.term, "~  (7: more)");
	term_send(&d.term, "Q");
	ck_assert_int_eq(term_end(&d.term), 0);
	desk_stop(&d);
}
END_TEST

START_TEST(a_very_small_terminal_still_says_how_it_stands)
{
	struct desk d;

	desk_start(&d, "plain", "admin", 24, 80, NULL, NULL);
	term_expect(&d.term, "render captions");
	term_resize(&d.term, 8, 38);
	term_expect(&d.term, "40x10 or more");
	term_resize(&d.term, 24, 80);
	term_expect(&d.term, "render captions");
	term_send(&d.term, "Q");
	ck_assert_int_eq(term_end(&d.term), 0);
	desk_stop(&d);
}
END_TEST

START_TEST(events_show_without_a_key_and_never_move_the_focus)
{
	struct desk d;

	desk_start(&d, "plain", "admin", 24, 80, "tasks", NULL);
	term_expect(&d.term, "[5]");
	fake_order(&d.fake, "{\"task\": {\"id\": \"t-01jd3k9x7m2q0002\", "
		   "\"title\": \"renamed while watched\"}, \"event\": "
		   "{\"type\": \"task_updated\", "
		   "\"task_id\": \"t-01jd3k9x7m2q0002\"}}");
	term_expect(&d.term, "renamed while watched");
	term_settle(&d.term);
	d.term.raw.len = 0;
	fake_order(&d.fake, "{\"approval\": 8}");
	term_expect(&d.term, "! 2 approvals");
	term_expect(&d.term, "2 TASKS");
	while (!memchr(d.term.raw.data, '\a', d.term.raw.len)) {
		term_stirs(&d.term);
		term_read(&d.term, 0);
	}
	desk_stop(&d);
}
END_TEST

START_TEST(a_quiet_console_writes_nothing)
{
	int64_t until = clock_mono_us() + DEADLINE_US;
	struct desk d;

	desk_start(&d, "plain", "admin", 24, 80, "tasks", NULL);
	term_expect(&d.term, "[5]");
	while (wait_for(d.term.fd, 2500)) {	/* it may still begin */
		ck_assert_msg(clock_mono_us() < until, "it writes while idle");
		term_read(&d.term, 0);
	}
	desk_stop(&d);
}
END_TEST

START_TEST(a_lost_connection_is_said_kept_and_made_again)
{
	struct desk d;

	desk_start(&d, "plain", "admin", 24, 80, NULL, NULL);
	term_expect(&d.term, "render captions");
	fake_order(&d.fake, "{\"refuse\": true, \"cut\": true}");
	term_expect(&d.term, "RECONNECT");
	term_expect(&d.term, "render captions");
	/* what happens meanwhile is not lost */
	fake_order(&d.fake, "{\"event\": {\"type\": \"while_away\"}}");
	fake_order(&d.fake, "{\"refuse\": false}");
	term_send(&d.term, "r");
	term_expect(&d.term, "LIVE");
	term_send(&d.term, "5");
	term_expect(&d.term, "while_away");
	fake_expect(&d.fake, "\"after_seq\": 40}}");
	fake_order(&d.fake, "{\"gap\": {\"from\": 42, \"to\": 173}}");
	term_expect(&d.term, "GAP 132 records");
	desk_stop(&d);
}
END_TEST

START_TEST(an_agent_that_falls_silent_is_said_to_lag)
{
	struct desk d;

	desk_start(&d, "plain", "admin", 24, 80, NULL, NULL);
	term_expect(&d.term, "render captions");
	fake_order(&d.fake, "{\"deaf\": true}");
	term_wait(&d.term, "LAG 1", true, 2 * DEADLINE_US);
	fake_order(&d.fake, "{\"deaf\": false, \"event\": {\"type\": \"x\"}}");
	term_expect(&d.term, "LIVE");
	desk_stop(&d);
}
END_TEST

START_TEST(a_refused_token_says_what_to_do)
{
	struct desk d;

	desk_start(&d, "plain", "stranger", 24, 80, NULL, NULL);
	term_expect(&d.term, "LOGIN NEEDED");
	term_expect(&d.term, "--token-file");
	term_expect(&d.term, "NEEDS YOU ?  (not connected)");
	ck_assert(!term_has(&d.term, "FAILED"));
	desk_stop(&d);
}
END_TEST

START_TEST(nothing_an_agent_wrote_reaches_the_terminal_unescaped)
{
	static const char *const never[] = {
		"\x1b]0;t", "\xe2\x80\xae", "\xe2\x80\x8b", "\xc2\x9b",
		"\x1b[31mred",
	};
	static const char *const keys[] = {
		"1", "2", "\r", "h", "\r", "2", "3", "\r", " ", " ", " ", "4", "5", "\r", "6",
		"7", "\r", "5", "c", "/red\r", "ftype:x\r", "x", "1", "!",
	};
	struct desk d;

	desk_start(&d, "hostile", "admin", sizes[_i].rows, sizes[_i].cols,
		   NULL, NULL);
	term_expect(&d.term, "<U+001B>");
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		term_send(&d.term, keys[i]);
		term_settle(&d.term);
	}
	for (size_t i = 0; i < ARRAY_LEN(never); i++)
		ck_assert_msg(!memmem(d.term.raw.data, d.term.raw.len,
				      never[i], strlen(never[i])),
			      "number %zu came through", i);
	term_send(&d.term, "1\r");
	term_expect(&d.term, "<U+202E>");
	desk_stop(&d);
}
END_TEST

START_TEST(colours_are_left_out_when_asked)
{
	struct desk d;

	desk_start(&d, "plain", "admin", 24, 80, NULL, "NO_COLOR=1");
	term_expect(&d.term, "render captions");
	for (char c = '0'; c <= '8'; c++) {
		char colour[] = {'\033', '[', '3', c, 0};

		ck_assert(!memmem(d.term.raw.data, d.term.raw.len, colour, 4));
	}
	desk_stop(&d);
}
END_TEST

START_TEST(an_unknown_terminal_is_taken_for_a_common_one)
{
	struct desk d;

	desk_start(&d, "plain", "admin", 24, 80, NULL, "TERM=xterm-kitty");
	term_expect(&d.term, "xterm-kitty, is not known here: treated as");
	term_expect(&d.term, "render captions");
	desk_stop(&d);
}
END_TEST

START_TEST(without_utf8_all_is_spelled_out)
{
	struct desk d;

	desk_start(&d, "plain", "admin", 24, 80, NULL, "LC_ALL=C");
	term_expect(&d.term, "render captions");
	fake_order(&d.fake, "{\"task\": {\"id\": \"t-01jd3k9x7m2q0002\", "
		   "\"title\": \"caf\\u00e9\"}, \"event\": {\"type\": "
		   "\"task_updated\", \"task_id\": \"t-01jd3k9x7m2q0002\"}}");
	term_expect(&d.term, "caf<U+00E9>");
	desk_stop(&d);
}
END_TEST

START_TEST(a_hangup_ends_it_and_interrupt_does_not)
{
	struct desk d;

	desk_start(&d, "plain", "admin", 24, 80, NULL, NULL);
	term_expect(&d.term, "render captions");
	term_send(&d.term, "\003");
	term_expect(&d.term, "Q quits");
	term_send(&d.term, "q");
	term_expect(&d.term, "this is the first screen");
	kill(d.term.pid, SIGHUP);
	ck_assert_int_eq(term_end(&d.term), 129);
	desk_stop(&d);
}
END_TEST

START_TEST(lists_are_found_filtered_followed_and_frozen)
{
	struct desk d;

	desk_start(&d, "many", "admin", 24, 80, "tasks", NULL);
	term_expect(&d.term, "[2500]");
	term_expect(&d.term, ">..m2q2500");
	term_send(&d.term, "/number 77\r");
	term_expect(&d.term, "task number 77");
	term_send(&d.term, "fstate:WAIT number -7\r");
	term_expect(&d.term, "of 2500]");
	term_send(&d.term, "xfnonsense:x\r");
	term_expect(&d.term, "there is no \"nonsense:\"");
	term_send(&d.term, "x5");
	term_expect(&d.term, "FOLLOW");
	term_send(&d.term, "k");
	term_expect(&d.term, "PAUSED");
	fake_order(&d.fake, "{\"event\": {\"type\": \"one_more\"}}");
	term_expect(&d.term, "PAUSED +1 new");
	term_send(&d.term, "F");
	term_expect(&d.term, "one_more");
	term_send(&d.term, "ftype:verdict_submited\r");
	term_expect(&d.term, "no type verdict_submited is known: "
			     "verdict_submitted?");
	term_send(&d.term, "xftype:heartbeat\r");
	term_expect(&d.term, "nothing fits the filter; x clears it");
	term_send(&d.term, "x");
	term_expect(&d.term, "one_more");
	term_send(&d.term, "p");
	term_expect(&d.term, "FROZEN");
	fake_order(&d.fake, "{\"event\": {\"type\": \"unseen_yet\"}}");
	term_settle(&d.term);
	ck_assert(!term_has(&d.term, "unseen_yet"));
	term_send(&d.term, "p");
	term_expect(&d.term, "unseen_yet");
	term_send(&d.term, ":evid\r");
	term_expect(&d.term, "EVIDENCE");
	desk_stop(&d);
}
END_TEST

/* Bytes that it takes to show something, once it is settled. */
START_TEST(to_stop_is_typed_out_and_shown_loudly)
{
	struct desk d;

	desk_start(&d, "plain", "admin", sizes[_i].rows, sizes[_i].cols,
		   "tasks", NULL);
	term_expect(&d.term, "[5]");
	term_send(&d.term, "S");
	term_expect(&d.term, "type stop, then Enter:");
	golden(&d, "stop");
	term_send(&d.term, "\033[200~stop\033[201~");
	term_expect(&d.term, "paste is refused here");
	term_send(&d.term, "Stop\r");
	term_expect(&d.term, "that was not \"stop\": nothing was sent");
	term_send(&d.term, "Sstop\033S\r");
	term_expect(&d.term, "that was not");
	ck_assert_int_eq(fake_count(&d.fake, "system.mode"), 0);
	term_send(&d.term, "Sstop\r");
	term_expect(&d.term, "MODE STOPPED");
	fake_expect(&d.fake, "{\"mode\": \"stopped\", \"reason\": "
		    "\"stopped in the console\"}");
	term_send(&d.term, "1");
	term_expect(&d.term, "render captions");
	term_settle(&d.term);
	golden(&d, "stopped");
	term_resize(&d.term, 8, 38);
	term_expect(&d.term, "STOPPED !1");
	term_resize(&d.term, sizes[_i].rows, sizes[_i].cols);
	term_send(&d.term, "Snormal\r");
	term_expect(&d.term, "not sent: normal or guarded, and a reason");
	term_send(&d.term, "  \r");
	term_expect(&d.term, "not sent: normal or guarded, and a reason");
	ck_assert_int_eq(fake_count(&d.fake, "system.mode"), 1);
	term_send(&d.term, "a false alarm\r");
	term_gone(&d.term, "MODE");
	fake_expect(&d.fake, "{\"mode\": \"normal\", \"reason\": "
		    "\"a false alarm\"}");
	desk_stop(&d);
}
END_TEST

START_TEST(who_decides_a_publish_can_stop_instead)
{
	struct desk d;

	desk_start(&d, "plain", "admin", 24, 80, "review", NULL);
	term_expect(&d.term, "page 1/");
	desk_read_to_end(&d);
	term_send(&d.term, "A");
	term_expect(&d.term, "paste is refused");
	term_send(&d.term, "12Sstop\r");
	term_expect(&d.term, "MODE STOPPED");
	ck_assert_int_eq(fake_count(&d.fake, "approval.approve"), 0);
	desk_stop(&d);
}
END_TEST

START_TEST(an_observer_stops_nothing)
{
	struct desk d;

	desk_start(&d, "plain", "observer", 24, 80, NULL, NULL);
	term_expect(&d.term, "render captions");
	term_send(&d.term, "S");
	term_expect(&d.term, "only an admin can change the mode");
	term_send(&d.term, "stop\r");
	term_settle(&d.term);
	ck_assert_int_eq(fake_count(&d.fake, "system.mode"), 0);
	desk_stop(&d);
}
END_TEST

START_TEST(a_stop_that_is_not_recorded_says_so)
{
	struct desk d;

	desk_start(&d, "sealed", "admin", 24, 80, NULL, NULL);
	term_expect(&d.term, "render captions");
	term_send(&d.term, "Sstop\r");
	term_expect(&d.term, "not on the record yet");
	term_expect(&d.term, "MODE STOPPED");
	desk_stop(&d);
}
END_TEST

static size_t bytes_for(struct desk *d, const char *keys)
{
	term_settle(&d->term);
	d->term.raw.len = 0;
	term_send(&d->term, keys);
	term_stirs(&d->term);
	term_settle(&d->term);
	return d->term.raw.len;
}

START_TEST(few_bytes_go_over_the_line)
{
	static const struct { int rows, cols; size_t paint; } most[] = {
		{24, 80, 3000}, {40, 120, 5000}, {50, 200, 7000},
	};
	struct desk d;
	size_t n;

	desk_start(&d, "many", "admin", most[_i].rows, most[_i].cols, "tasks",
		   NULL);
	term_expect(&d.term, "[2500]");
	n = bytes_for(&d, "\014");
	ck_assert_msg(n <= most[_i].paint, "painting: %zu bytes", n);
	n = bytes_for(&d, "j");
	ck_assert_msg(n <= 150 || most[_i].cols >= 100, "a row: %zu", n);
	bytes_for(&d, " ");
	bytes_for(&d, " ");
	n = bytes_for(&d, "j");
	ck_assert_msg(n <= 400 || most[_i].cols >= 100, "scrolling: %zu", n);
	printf("%dx%d: scrolling by one %zu bytes\n", most[_i].cols,
	       most[_i].rows, n);
	desk_stop(&d);
}
END_TEST

int main(void)
{
	const struct { const TTest *test; int times; } tests[] = {
		{every_screen_looks_as_drawn, ARRAY_LEN(sizes)},
		{a_task_tells_what_is_missing_and_how_it_came_about,
		 ARRAY_LEN(sizes)},
		{an_empty_agent_is_no_error, 1},
		{what_all_tasks_need_is_said_before_what_some_tools_do, 1},
		{a_very_small_terminal_still_says_how_it_stands, 1},
		{events_show_without_a_key_and_never_move_the_focus, 1},
		{a_quiet_console_writes_nothing, 1},
		{a_lost_connection_is_said_kept_and_made_again, 1},
		{an_agent_that_falls_silent_is_said_to_lag, 1},
		{a_refused_token_says_what_to_do, 1},
		{nothing_an_agent_wrote_reaches_the_terminal_unescaped,
		 ARRAY_LEN(sizes)},
		{colours_are_left_out_when_asked, 1},
		{an_unknown_terminal_is_taken_for_a_common_one, 1},
		{without_utf8_all_is_spelled_out, 1},
		{a_hangup_ends_it_and_interrupt_does_not, 1},
		{few_bytes_go_over_the_line, 3},
		{to_stop_is_typed_out_and_shown_loudly, ARRAY_LEN(sizes)},
		{who_decides_a_publish_can_stop_instead, 1},
		{an_observer_stops_nothing, 1},
		{a_stop_that_is_not_recorded_says_so, 1},
		{lists_are_found_filtered_followed_and_frozen, 1},
	};
	TCase *c = tcase_create("console");

	for (size_t i = 0; i < ARRAY_LEN(tests); i++)
		tcase_add_loop_test(c, tests[i].test, 0, tests[i].times);
	return screen_suite(c);
}
