/*
 * A decision takes every page shown, A, the displayed number and Enter.
 * Nothing else that an operator, a paste or a broken line can do sends one.
 */
#include "tests/screens/harness.h"

#define SENT "\"approval.approve\""

static void open_review(struct desk *d, const char *scenario,
			const char *token)
{
	desk_start(d, scenario, token, 24, 80, "review", NULL);
	term_expect(&d->term, "page 1/");
}

static void number_of(struct desk *d, char out[5])
{
	char *screen = term_text(&d->term);
	char *at = strstr(screen, "Type the number ");

	ck_assert(at);
	snprintf(out, 5, "%.4s", at + strlen("Type the number "));
	free(screen);
}

static void begin(struct desk *d)
{
	desk_read_to_end(d);
	term_send(&d->term, "A");
	term_expect(&d->term, "paste is refused");
}

/* Something harmless went all the way: what came before was handled. */
static void nothing_was_sent(struct desk *d)
{
	int before = fake_count(&d->fake, "\"audit.chain\""), tries = 0;

	term_send(&d->term, "\033");
	do {		/* at once with the ESC it is another key */
		int64_t until = clock_mono_us() + 2000000;

		ck_assert_msg(tries++ < 10, "5 never shows the audit");
		term_settle(&d->term);
		term_send(&d->term, "5");
		while (!term_has(&d->term, "AUDIT") && clock_mono_us() < until)
			term_read(&d->term, 100);
	} while (!term_has(&d->term, "AUDIT"));
	term_send(&d->term, "c");
	fake_expect_more(&d->fake, "\"audit.chain\"", before);
	ck_assert_int_eq(fake_count(&d->fake, SENT), 0);
}

START_TEST(read_to_the_end_and_the_number_typed_it_is_approved)
{
	struct desk d;
	char number[5];

	open_review(&d, "plain", "admin");
	term_expect(&d.term, "ALLOWS");
	begin(&d);
	term_expect(&d.term, "YOU APPROVE  youtube.upload, PUBLIC  TO "
		    "@kircerta-demo");
	number_of(&d, number);
	term_send(&d.term, number);
	term_expect(&d.term, number);
	term_send(&d.term, "\r");
	fake_expect(&d.fake, SENT);
	fake_expect(&d.fake, "\"allow_external_publish\": true");
	term_expect(&d.term, "ACCEPTED seq 41");
	fake_order(&d.fake, "{\"used\": true}");
	term_expect(&d.term, "PUBLISHED, receipt r-77");
	ck_assert_int_eq(fake_count(&d.fake, SENT), 1);
	desk_stop(&d);
}
END_TEST

START_TEST(a_task_that_allows_publishing_is_not_told_to_again)
{
	struct desk d;
	char number[5];

	open_review(&d, "allowed", "admin");
	begin(&d);
	ck_assert(!term_has(&d.term, "and allow task"));
	number_of(&d, number);
	term_send(&d.term, number);
	term_send(&d.term, "\r");
	term_expect(&d.term, "ACCEPTED");
	ck_assert_int_eq(fake_count(&d.fake, "allow_external_publish"), 0);
	desk_stop(&d);
}
END_TEST

START_TEST(an_accepted_one_can_be_cancelled_before_it_starts)
{
	struct desk d;
	char number[5];

	open_review(&d, "plain", "admin");
	begin(&d);
	number_of(&d, number);
	term_send(&d.term, number);
	term_send(&d.term, "\r");
	term_expect(&d.term, "u cancels until");
	term_send(&d.term, "u");
	term_expect(&d.term, "CANCELLED");
	fake_expect(&d.fake, "\"approval.cancel\"");
	desk_stop(&d);
}
END_TEST

START_TEST(before_the_end_was_read_A_does_nothing)
{
	struct desk d;

	open_review(&d, "plain", "admin");
	term_send(&d.term, "A");
	term_expect(&d.term, "read to the end first");
	term_send(&d.term, "A0000\rA\r\r");
	nothing_was_sent(&d);
	desk_stop(&d);
}
END_TEST

START_TEST(a_wrong_number_sends_nothing_and_three_begin_anew)
{
	struct desk d;
	char number[5];

	open_review(&d, "plain", "admin");
	begin(&d);
	number_of(&d, number);
	number[3] = (char)(number[3] == '9' ? '0' : number[3] + 1);
	for (int i = 0; i < 2; i++) {
		term_send(&d.term, number);
		term_send(&d.term, "\r");
		term_expect(&d.term, "that is not the number");
	}
	term_send(&d.term, number);
	term_send(&d.term, "\r");
	term_expect(&d.term, "wrong number three times");
	nothing_was_sent(&d);
	desk_stop(&d);
}
END_TEST

START_TEST(a_paste_is_refused_even_of_the_right_number)
{
	struct desk d;
	char number[5];

	open_review(&d, "plain", "admin");
	begin(&d);
	number_of(&d, number);
	term_send(&d.term, "\033[200~");
	term_send(&d.term, number);
	term_send(&d.term, "\r\033[201~");
	term_expect(&d.term, "paste is refused here");
	term_send(&d.term, "\r");
	term_expect(&d.term, "that is not the number");
	nothing_was_sent(&d);
	desk_stop(&d);
}
END_TEST

START_TEST(what_was_typed_ahead_is_forgotten)
{
	struct desk d;
	char number[5], ahead[8];

	open_review(&d, "plain", "admin");
	desk_read_to_end(&d);
	term_send(&d.term, "A");
	term_expect(&d.term, "Type the number");
	number_of(&d, number);
	term_send(&d.term, "q");
	term_expect(&d.term, "left: nothing was sent");
	/* the number is still the same: now it comes with A, in one go */
	snprintf(ahead, sizeof(ahead), "A%s\r", number);
	term_send(&d.term, ahead);
	term_expect(&d.term, "Type the number");
	term_expect(&d.term, "paste is refused");
	ck_assert(term_has(&d.term, "Number: [    ]"));
	nothing_was_sent(&d);
	desk_stop(&d);
}
END_TEST

START_TEST(bytes_that_do_not_match_the_digest_cannot_be_approved)
{
	struct desk d;

	open_review(&d, "mismatch", "admin");
	term_expect(&d.term, "STOP");
	term_send(&d.term, "   ");
	term_expect(&d.term, "MISMATCH");
	term_send(&d.term, "A");
	term_expect(&d.term, "A: MISMATCH");
	nothing_was_sent(&d);
	desk_stop(&d);
}
END_TEST

START_TEST(who_asked_cannot_approve)
{
	struct desk d;

	open_review(&d, "own", "admin");
	term_send(&d.term, "   A");
	term_expect(&d.term, "another admin has to decide");
	nothing_was_sent(&d);
	desk_stop(&d);
}
END_TEST

START_TEST(an_observer_reads_but_has_no_keys_to_decide)
{
	struct desk d;

	open_review(&d, "plain", "observer");
	term_expect(&d.term, "LIVE OBSERVER");
	ck_assert(!term_has(&d.term, "A approve"));
	ck_assert(!term_has(&d.term, "R reject"));
	term_send(&d.term, "   A");
	term_expect(&d.term, "OBSERVER");
	term_send(&d.term, "R");
	nothing_was_sent(&d);
	ck_assert_int_eq(fake_count(&d.fake, "approval.review"), 0);
	desk_stop(&d);
}
END_TEST

START_TEST(a_cut_line_closes_the_confirm_step)
{
	struct desk d;
	char number[5];

	open_review(&d, "plain", "admin");
	begin(&d);
	number_of(&d, number);
	term_send(&d.term, number);
	fake_order(&d.fake, "{\"cut\": true}");
	term_expect(&d.term, "connection lost: nothing was sent");
	term_send(&d.term, "\r");
	term_expect(&d.term, "LIVE");
	nothing_was_sent(&d);
	desk_stop(&d);
}
END_TEST

START_TEST(cut_after_sending_it_is_unknown_until_the_record_comes)
{
	struct desk d;
	char number[5];

	open_review(&d, "plain", "admin");
	fake_order(&d.fake, "{\"silent\": true}");
	begin(&d);
	number_of(&d, number);
	term_send(&d.term, number);
	term_send(&d.term, "\r");
	term_expect(&d.term, "SENT");
	fake_expect(&d.fake, SENT);
	fake_order(&d.fake, "{\"refuse\": true, \"cut\": true}");
	term_expect(&d.term, "UNKNOWN, check audit");
	fake_order(&d.fake, "{\"used\": true, \"refuse\": false}");
	term_send(&d.term, "r");
	term_expect(&d.term, "PUBLISHED");
	ck_assert_int_eq(fake_count(&d.fake, SENT), 1);
	desk_stop(&d);
}
END_TEST

START_TEST(after_its_time_nothing_is_sent)
{
	struct desk d;

	open_review(&d, "soon", "admin");
	term_send(&d.term, "  ");
	term_expect(&d.term, "EXPIRED, nothing was sent");
	term_send(&d.term, "A");
	nothing_was_sent(&d);
	desk_stop(&d);
}
END_TEST

START_TEST(a_rejection_needs_a_reason)
{
	struct desk d;

	open_review(&d, "plain", "admin");
	term_send(&d.term, "R");
	term_expect(&d.term, "reason for rejecting");
	term_send(&d.term, "\r");
	term_expect(&d.term, "a rejection needs a reason: nothing was sent");
	term_expect(&d.term, "reason for rejecting");
	term_send(&d.term, "not this channel\r");
	term_expect(&d.term, "REJECTED");
	fake_expect(&d.fake, "\"reason\": \"not this channel\"");
	ck_assert_int_eq(fake_count(&d.fake, SENT), 0);
	desk_stop(&d);
}
END_TEST

START_TEST(being_suspended_or_too_small_closes_the_confirm_step)
{
	struct desk d;

	open_review(&d, "plain", "admin");
	begin(&d);
	term_send(&d.term, "\032");
	term_expect(&d.term, "nothing was sent");
	term_send(&d.term, "A");
	term_expect(&d.term, "paste is refused");
	term_resize(&d.term, 8, 80);
	term_expect(&d.term, "40x10");
	term_resize(&d.term, 24, 80);
	term_expect(&d.term, "nothing was sent");
	nothing_was_sent(&d);
	desk_stop(&d);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		read_to_the_end_and_the_number_typed_it_is_approved,
		a_task_that_allows_publishing_is_not_told_to_again,
		an_accepted_one_can_be_cancelled_before_it_starts,
		before_the_end_was_read_A_does_nothing,
		a_wrong_number_sends_nothing_and_three_begin_anew,
		a_paste_is_refused_even_of_the_right_number,
		what_was_typed_ahead_is_forgotten,
		bytes_that_do_not_match_the_digest_cannot_be_approved,
		who_asked_cannot_approve,
		an_observer_reads_but_has_no_keys_to_decide,
		a_cut_line_closes_the_confirm_step,
		cut_after_sending_it_is_unknown_until_the_record_comes,
		after_its_time_nothing_is_sent,
		a_rejection_needs_a_reason,
		being_suspended_or_too_small_closes_the_confirm_step,
	};
	TCase *c = tcase_create("approval");

	for (size_t i = 0; i < ARRAY_LEN(tests); i++)
		tcase_add_test(c, tests[i]);
	return screen_suite(c);
}
