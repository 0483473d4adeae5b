/* Signing in the console: between the number and the call, and nowhere else. */
#include "tests/unit/console_bench.h"

#define KEY "/keys/ana"

static void bench_key(struct bench *b, const char *signer, bool must)
{
	bench_init(b, 24);
	b->signer = signer;
	b->must_sign = must;
	b->m->signing_key = xstrdup(KEY);
	read_to_end(b);
}

static void confirm(struct bench *b)
{
	key(b, 'A');
	later(b, REVIEW_ARM_US);
	type(b, b->m->review->number);
	key(b, UI_ENTER);
}

START_TEST(the_number_has_the_statement_signed_and_only_then_it_is_sent)
{
	struct bench b;
	struct review *r;
	char *want;

	bench_key(&b, "ana", true);
	confirm(&b);
	r = b.m->review;
	ck_assert_int_eq(r->phase, REVIEW_SIGNING);
	ck_assert(strstr(r->said, KEY));
	want = xasprintf("{\"agent\":\"studio-1\",\"allow_external_publish\":"
			 "true,\"approval_id\":\"" ID "\",\"by\":\"ana\","
			 "\"decision\":\"approve\",\"expires_at\":"
			 "\"2026-01-02T03:04:05.000000Z\",\"nonce\":\"n0\","
			 "\"reason\":\"read to the end and confirmed in the "
			 "console\",\"request_sha256\":\"%s\",\"v\":1}",
			 r->local);
	ck_assert_str_eq(r->to_sign, want);
	free(want);
	review_signed(b.m, "n7", "another's", NULL);
	serve(&b);
	ck_assert_int_eq(b.approvals, 0);
	review_signed(b.m, "n0", "SIGNATURE", NULL);
	serve(&b);
	ck_assert_int_eq(b.approvals, 1);
	ck_assert_str_eq(json_str(b.sent, "signature"), "SIGNATURE");
	ck_assert_str_eq(json_str(b.sent, "reason"),
			 "read to the end and confirmed in the console");
	ck_assert(json_is_set(b.sent, "allow_external_publish"));
	review_signed(b.m, "n0", "SIGNATURE", NULL);
	serve(&b);
	ck_assert_int_eq(b.approvals, 1);
	bench_fini(&b);
}
END_TEST

START_TEST(a_key_that_does_not_sign_sends_nothing_and_may_be_tried_again)
{
	struct bench b;

	bench_key(&b, "ana", true);
	confirm(&b);
	review_signed(b.m, "n0", NULL, "no such key");
	serve(&b);
	ck_assert_int_eq(b.m->review->phase, REVIEW_READING);
	ck_assert(strstr(b.m->review->said, "NOT SIGNED, nothing was sent: "
			 "no such key"));
	review_signed(b.m, "n0", "too late", NULL);
	serve(&b);
	ck_assert_int_eq(b.approvals, 0);
	confirm(&b);
	review_signed(b.m, "n0", "SIGNATURE", NULL);
	serve(&b);
	ck_assert_int_eq(b.approvals, 1);
	bench_fini(&b);
}
END_TEST

static void lost(struct bench *b)
{
	model_lost(b->m, LINK_RETRY, "gone", 500000);
}

static void lost_and_back(struct bench *b)
{
	lost(b);
	hello(b);
	draw(b);
}

static void left(struct bench *b) { key(b, 'q'); }

static void expired(struct bench *b)
{
	b->m->now_us = b->m->review->until_us;
}

static void expired_on_screen(struct bench *b)
{
	expired(b);
	draw(b);
}

static void silent(struct bench *b) { b->m->silent_us = 20000000; }

static void task_changed(struct bench *b)
{
	struct task *t = model_task(b->m, TASK);

	t->allow_publish = !t->allow_publish;
	review_changed(b->m);
}

START_TEST(what_comes_between_makes_the_signature_worthless)
{
	void (*const between[])(struct bench *b) = {
		lost, lost_and_back, left, expired, expired_on_screen, silent,
		task_changed,
	};

	for (size_t i = 0; i < ARRAY_LEN(between); i++) {
		struct bench b;

		bench_key(&b, "ana", true);
		confirm(&b);
		ck_assert_int_eq(b.m->review->phase, REVIEW_SIGNING);
		between[i](&b);
		review_signed(b.m, "n0", "SIGNATURE", NULL);
		serve(&b);
		ck_assert_msg(!b.approvals, "%zu", i);
		bench_fini(&b);
	}
}
END_TEST

START_TEST(what_cannot_be_signed_does_not_begin)
{
	static const struct {
		const char *key, *signer;
		bool must;
		const char *why;
	} cases[] = {
		{NULL, "ana", true, "it counts only signed"},
		{NULL, "ana", false, NULL},
		{KEY, "ana", false, NULL},
		{KEY, NULL, false, NULL},	/* an agent that knows none */
		{KEY, "bob", false, "in another name"},
		{KEY, "bob", true, "in another name"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct bench b;
		const char *why;

		bench_key(&b, cases[i].signer, cases[i].must);
		if (!cases[i].key)
			xfree(b.m->signing_key);
		why = review_hindered(b.m, true);
		ck_assert_msg(!why == !cases[i].why, "%zu: %s", i,
			      why ? why : "");
		ck_assert(!why || strstr(why, cases[i].why));
		if (!why) {
			confirm(&b);
			ck_assert_int_eq(b.approvals, !cases[i].key ||
					 !cases[i].signer);
		}
		bench_fini(&b);
	}
}
END_TEST

TESTS("console sign",
      the_number_has_the_statement_signed_and_only_then_it_is_sent,
      a_key_that_does_not_sign_sends_nothing_and_may_be_tried_again,
      what_comes_between_makes_the_signature_worthless,
      what_cannot_be_signed_does_not_begin)
