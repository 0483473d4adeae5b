/* The review as a machine: time and keys in, calls to the agent out. */
#include "common/clock.h"
#include "tests/unit/console_bench.h"

START_TEST(the_number_is_the_one_the_agent_would_compute)
{
	char number[5];

	/* SHA-256("abc") begins with ba7816bf */
	review_number("ab", "c", number);
	ck_assert_str_eq(number, "2319");
	review_number("", "abc", number);
	ck_assert_str_eq(number, "2319");
}
END_TEST

START_TEST(the_one_way_sends_digest_nonce_and_permission)
{
	struct bench b;

	bench_init(&b, 24);
	read_to_end(&b);
	key(&b, 'A');
	ck_assert_int_eq(b.m->review->phase, REVIEW_CONFIRM);
	later(&b, REVIEW_ARM_US);
	type(&b, b.m->review->number);
	ck_assert_int_eq(b.approvals, 0);
	key(&b, UI_ENTER);
	ck_assert_int_eq(b.approvals, 1);
	ck_assert_str_eq(json_str(b.sent, "id"), ID);
	ck_assert_str_eq(json_str(b.sent, "nonce"), "n0");
	ck_assert_str_eq(json_str(b.sent, "request_sha256"),
			 b.m->review->local);
	ck_assert(json_is_set(b.sent, "allow_external_publish"));
	ck_assert_int_eq(b.m->review->phase, REVIEW_ACCEPTED);
	bench_fini(&b);
}
END_TEST

START_TEST(the_gate_opens_a_second_after_the_last_page_came)
{
	struct bench b;

	bench_init(&b, 14);
	key(&b, UI_ENTER);
	ck_assert_int_gt(b.m->review->pages, 2);
	later(&b, 10 * REVIEW_GATE_US);
	key(&b, 'A');
	ck_assert_int_eq(b.m->review->phase, REVIEW_READING);
	key(&b, 'G');		/* the last page alone is not enough */
	later(&b, REVIEW_GATE_US);
	key(&b, 'A');
	ck_assert_int_eq(b.m->review->phase, REVIEW_READING);
	key(&b, 'g');
	for (int i = 0; i < b.m->review->pages; i++)
		key(&b, ' ');
	later(&b, REVIEW_GATE_US - 1);
	key(&b, 'A');
	ck_assert_int_eq(b.m->review->phase, REVIEW_READING);
	later(&b, 1);
	key(&b, 'A');
	ck_assert_int_eq(b.m->review->phase, REVIEW_CONFIRM);
	bench_fini(&b);
}
END_TEST

START_TEST(another_size_has_to_be_read_anew)
{
	struct bench b;

	bench_init(&b, 24);
	read_to_end(&b);
	frame_fini(&b.f);
	frame_init(&b.f, 15, 60, true);
	draw(&b);
	key(&b, 'A');
	ck_assert_int_eq(b.m->review->phase, REVIEW_READING);
	bench_fini(&b);
}
END_TEST

START_TEST(keys_before_it_is_armed_are_nothing)
{
	struct bench b;
	char number[5];

	bench_init(&b, 24);
	read_to_end(&b);
	key(&b, 'A');
	snprintf(number, sizeof(number), "%s", b.m->review->number);
	type(&b, number);
	ck_assert_str_eq(b.m->review->typed, "");
	later(&b, REVIEW_ARM_US - 1);
	type(&b, number);
	key(&b, UI_ENTER);
	ck_assert_str_eq(b.m->review->typed, "");
	ck_assert_int_eq(b.approvals, 0);
	ck_assert(b.ui->flush);		/* and the loop is to drop the rest */
	bench_fini(&b);
}
END_TEST

START_TEST(every_opening_has_another_number_source)
{
	struct bench b;
	char first[16];

	bench_init(&b, 24);
	key(&b, UI_ENTER);
	snprintf(first, sizeof(first), "%s", b.m->review->nonce);
	key(&b, 'q');
	ck_assert_ptr_null(b.m->review);
	key(&b, UI_ENTER);
	ck_assert_str_ne(b.m->review->nonce, first);
	bench_fini(&b);
}
END_TEST

START_TEST(a_lost_line_closes_it_and_the_nonce_is_not_used_again)
{
	struct bench b;
	char first[16];

	bench_init(&b, 24);
	read_to_end(&b);
	snprintf(first, sizeof(first), "%s", b.m->review->nonce);
	key(&b, 'A');
	later(&b, REVIEW_ARM_US);
	type(&b, b.m->review->number);
	model_lost(b.m, LINK_RETRY, "gone", 500000);
	key(&b, UI_ENTER);
	ck_assert_int_eq(b.approvals, 0);
	ck_assert_int_ne(b.m->review->phase, REVIEW_CONFIRM);
	hello(&b);
	draw(&b);
	ck_assert_int_eq(b.approvals, 0);
	ck_assert_str_ne(b.m->review->nonce, first);
	key(&b, 'A');		/* and it has to be read again */
	ck_assert_int_eq(b.m->review->phase, REVIEW_READING);
	bench_fini(&b);
}
END_TEST

START_TEST(expiry_is_looked_at_until_the_last_moment)
{
	struct bench b;

	bench_init(&b, 24);
	read_to_end(&b);
	key(&b, 'A');
	later(&b, REVIEW_ARM_US);
	type(&b, b.m->review->number);
	b.m->now_us = b.m->review->until_us;
	ui_key(b.ui, UI_ENTER, false);
	serve(&b);
	ck_assert_int_eq(b.approvals, 0);
	ck_assert_str_eq(b.m->review->said, "EXPIRED, nothing was sent");
	bench_fini(&b);
}
END_TEST

static void happens(struct bench *b, const char *type, json_t *data)
{
	json_t *r = json_pack("{s:i, s:s, s:s, s:s, s:o}", "seq",
			      (int)b->m->seq + 1, "type", type, "actor", "ana",
			      "run_id", "r-7", "data", data);

	model_event(b->m, r);
	json_decref(r);
	serve(b);
}

static json_t *about(const char *starts_at)
{
	json_t *d = json_pack("{s:s}", "approval_id", ID);

	if (starts_at)
		json_set_str(d, "starts_at", starts_at);
	return d;
}

START_TEST(what_follows_a_decision_is_told_and_never_guessed)
{
	struct bench b;
	char at[CLOCK_TEXT];

	bench_init(&b, 24);
	read_to_end(&b);
	key(&b, 'A');
	later(&b, REVIEW_ARM_US);
	type(&b, b.m->review->number);
	key(&b, UI_ENTER);
	happens(&b, "approval_granted", about(NULL));
	ck_assert(strstr(b.m->review->said, "ACCEPTED seq 8"));
	clock_text(b.m->wall_us + REVIEW_SILENT_US, at);
	happens(&b, "run_queued", about(at));
	ck_assert(strstr(b.m->review->said, "u cancels until"));
	later(&b, REVIEW_SILENT_US + 1);
	ck_assert(!strstr(b.m->review->said, "UNKNOWN"));
	later(&b, REVIEW_SILENT_US);
	ck_assert(strstr(b.m->review->said, "UNKNOWN, check audit"));
	happens(&b, "approval_used", about(NULL));
	ck_assert_str_eq(b.m->review->said, "RUNNING as r-7");
	ck_assert(!review_may_cancel(b.m));
	happens(&b, "tool_failed", json_object());
	ck_assert(strstr(b.m->review->said, "FAILED, see run r-7"));
	happens(&b, "run_reconciled", json_object());
	ck_assert(strstr(b.m->review->said, "IT IS KNOWN"));
	happens(&b, "stage_opened", json_object());
	ck_assert(strstr(b.m->review->said, "second approval waits"));
	happens(&b, "stage_held", json_object());
	ck_assert(strstr(b.m->review->said, "no second step follows"));
	bench_fini(&b);
}
END_TEST

START_TEST(two_warnings_ring_before_it_expires)
{
	struct bench b;

	bench_init(&b, 24);
	key(&b, UI_ENTER);
	b.m->bells = 0;
	later(&b, 449 * 1000000LL);
	ck_assert_int_eq(b.m->bells, 0);
	later(&b, 2 * 1000000LL);
	ck_assert_int_eq(b.m->bells, 1);
	later(&b, 330 * 1000000LL);
	ck_assert_int_eq(b.m->bells, 2);
	later(&b, 60 * 1000000LL);
	ck_assert_int_eq(b.m->bells, 2);
	bench_fini(&b);
}
END_TEST

/* A member that nobody knows is still read by the operator. */
START_TEST(every_member_of_the_request_is_among_the_facts)
{
	json_t *r = request(ID), *answer, *v;
	struct review *rv;
	char *text, hex[SHA256_HEX];
	const char *key_of;

	json_set_str(r, "surprise", "also publishes your keys");
	text = jcs_text(r, NULL, NULL);
	sha256_hex(text, strlen(text), hex);
	answer = json_pack("{s:s, s:s, s:s, s:{s:s, s:s}}", "canonical", text,
			   "request_sha256", hex, "nonce", "n", "approval",
			   "id", ID, "state", "pending");
	rv = review_read(ID, answer, 0);
	review_facts(rv, NULL);
	ck_assert_ptr_null(rv->wrong);
	json_object_foreach (r, key_of, v) {
		char *want = json_is_string(v) ?
			     xstrdup(json_string_value(v)) :
			     xstrdup(key_of);
		bool seen = !strcmp(key_of, "args") ||
			    !strcmp(key_of, "artifacts") || json_is_null(v);

		for (size_t i = 0; i < rv->fact_count; i++)
			seen |= strstr(rv->facts[i].text, want) != NULL;
		ck_assert_msg(seen, "%s is not shown", key_of);
		free(want);
	}
	review_free(rv);
	json_decref(answer);
	json_decref(r);
	free(text);
}
END_TEST

/* Is this among the facts of such a request? */
static bool told(const json_t *request, const char *want)
{
	char *text = jcs_text(request, NULL, NULL), hex[SHA256_HEX];
	struct review *rv;
	json_t *answer;
	bool seen = false;

	sha256_hex(text, strlen(text), hex);
	answer = json_pack("{s:s, s:s, s:s, s:{s:s, s:s}}", "canonical", text,
			   "request_sha256", hex, "nonce", "n", "approval",
			   "id", ID, "state", "pending");
	rv = review_read(ID, answer, 0);
	review_facts(rv, NULL);
	for (size_t i = 0; i < rv->fact_count; i++)
		seen |= strstr(rv->facts[i].text, want) != NULL;
	review_free(rv);
	json_decref(answer);
	free(text);
	return seen;
}

START_TEST(what_runs_first_and_what_comes_then_is_told)
{
	static const struct { const char *key, *value, *want; } cases[] = {
		{"effective_args", "{\"privacy\":\"nobody\"}", "nobody"},
		{"effective_args", "{\"privacy\":\"nobody\",\"x\":\"y\"}",
		 "{\"privacy\":\"nobody\",\"x\":\"y\"}"},
		{"effective_args", "{}", "effective_args"},
		{"effective_args", "\"a text\"", "a text"},
		{"second_step", "\"a.tool\"", "then a.tool"},
		{"second_step", "7777", "second_step 7777"},
		{"staged_run", "\"r-one\"", "second step of r-one"},
		{"staged_run", "[\"r-two\"]", "r-two"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		json_t *r = request(ID);

		json_object_set_new(r, "args", json_pack("{s:s}", "privacy",
							 "everybody"));
		json_object_set_new(r, cases[i].key, json_loads(
			cases[i].value, JSON_DECODE_ANY, NULL));
		ck_assert_msg(told(r, cases[i].want), "case %zu: %s", i,
			      cases[i].want);
		ck_assert(told(r, "everybody"));
		json_decref(r);
	}
}
END_TEST

START_TEST(a_review_that_could_deceive_is_wrong)
{
	static const struct { const char *canonical, *why; } cases[] = {
		{"{\"approval_id\":\"" ID "\",\"tool\":\"a\",\"tool\":\"b\"}",
		 "strict JSON"},
		{"{\"tool\":\"a\",\"approval_id\":\"" ID "\"}",
		 "canonical form"},
		{"{ \"approval_id\":\"" ID "\"}", "canonical form"},
		{"{\"approval_id\":\"a-other\"}", "another approval's"},
		{"{\"approval_id\":\"" ID "\",\"tool\":\"b\"}",
		 "something else"},
		{"nonsense", "strict JSON"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const char *c = cases[i].canonical;
		char hex[SHA256_HEX];
		struct review *r;
		json_t *answer;

		sha256_hex(c, strlen(c), hex);
		answer = json_pack("{s:s, s:s, s:s, s:{s:s, s:s, s:s}}",
				   "canonical", c, "request_sha256", hex,
				   "nonce", "n", "approval", "id", ID,
				   "state", "pending", "tool", "a");
		r = review_read(ID, answer, 0);
		ck_assert_msg(r->wrong && strstr(r->wrong, cases[i].why),
			      "case %zu: %s", i, r->wrong);
		review_facts(r, NULL);
		review_free(r);
		json_decref(answer);
	}
}
END_TEST

/* Does the last line of the screen begin with this? */
static bool last_line(struct bench *b, const char *text)
{
	const struct cell *row = &b->f.cells[(b->f.rows - 1) * b->f.cols];

	for (int i = 0; text[i]; i++)
		if (row[i].ch[0] != (uint32_t)text[i])
			return false;
	return true;
}

START_TEST(typing_goes_nowhere_when_its_prompt_is_gone)
{
	struct bench b;

	bench_init(&b, 24);
	read_to_end(&b);
	key(&b, 'A');
	later(&b, REVIEW_ARM_US);
	type(&b, "1");
	model_lost(b.m, LINK_RETRY, "x", 1);
	draw(&b);
	ck_assert(last_line(&b, "connection lost: nothing was sent"));
	type(&b, "23Q15u:");
	ck_assert(!b.ui->quit && b.m->review);
	ck_assert_int_eq(b.ui->prompt, PROMPT_NONE);
	ck_assert_int_eq(b.ui->depth, 2);
	key(&b, UI_ENTER);
	type(&b, "Q");
	ck_assert(b.ui->quit);
	bench_fini(&b);
}
END_TEST

START_TEST(a_reason_is_asked_for_until_it_can_be_sent)
{
	struct bench b;

	bench_init(&b, 24);
	read_to_end(&b);
	type(&b, "R");
	key(&b, UI_ENTER);
	ck_assert_int_eq(b.ui->prompt, PROMPT_REASON);
	ck_assert_ptr_nonnull(strstr(b.ui->note, "needs a reason"));
	key(&b, UI_BACKSPACE);
	type(&b, "Q");
	ck_assert(!b.ui->quit);
	model_lost(b.m, LINK_RETRY, "x", 1);
	key(&b, UI_ENTER);
	ck_assert_ptr_nonnull(strstr(b.ui->note, "not connected: nothing"));
	ck_assert_int_eq(b.ui->prompt, PROMPT_REASON);
	key(&b, UI_ESC);
	ck_assert_int_eq(b.ui->prompt, PROMPT_NONE);
	bench_fini(&b);
}
END_TEST

TESTS("console_review",
      the_number_is_the_one_the_agent_would_compute,
      the_one_way_sends_digest_nonce_and_permission,
      the_gate_opens_a_second_after_the_last_page_came,
      another_size_has_to_be_read_anew,
      keys_before_it_is_armed_are_nothing,
      every_opening_has_another_number_source,
      typing_goes_nowhere_when_its_prompt_is_gone,
      a_reason_is_asked_for_until_it_can_be_sent,
      a_lost_line_closes_it_and_the_nonce_is_not_used_again,
      what_follows_a_decision_is_told_and_never_guessed,
      two_warnings_ring_before_it_expires,
      expiry_is_looked_at_until_the_last_moment,
      every_member_of_the_request_is_among_the_facts,
      what_runs_first_and_what_comes_then_is_told,
      a_review_that_could_deceive_is_wrong)
