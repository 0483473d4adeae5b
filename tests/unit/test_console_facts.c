/* What a review shows: all of what will be sent, and what it may mean. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "tests/unit/console_bench.h"

#define WORDS 1750		/* of 7 bytes: 12 KiB */

/* Takes the words that are on the screen, from the n-th on; the next one. */
static int words_on(const struct frame *f, int n)
{
	for (int row = 0; row < f->rows; row++)
		for (int col = 0; col + 6 < f->cols; col++) {
			char word[8] = "";

			for (int i = 0; i < 6; i++)
				word[i] = (char)frame_at(f, row, col + i)->ch[0];
			if (*word == 'w' && strspn(word + 1, "0123456789") ==
			    5 && atoi(word + 1) == n)
				n++;
		}
	return n;
}

/* What will be sent is on the screen, all of it, however much it is. */
START_TEST(twelve_kibibytes_are_read_whole_on_a_small_terminal)
{
	char *text = xmalloc(WORDS * 7 + 1);
	struct bench b;
	int n = 0;

	for (int i = 0; i < WORDS; i++)
		snprintf(text + i * 7, 8, "w%05d ", i);
	bench_init(&b, 24);
	frame_fini(&b.f);
	frame_init(&b.f, 19, 46, true);
	b.text = text;
	key(&b, UI_ENTER);
	ck_assert_ptr_null(b.m->review->wrong);
	ck_assert_int_gt(b.m->review->pages, 20);
	for (int page = 0; page < b.m->review->pages; page++) {
		key(&b, 'A');
		ck_assert_int_eq(b.m->review->phase, REVIEW_READING);
		n = words_on(&b.f, n);
		key(&b, ' ');
	}
	ck_assert_int_eq(words_on(&b.f, n), WORDS);
	later(&b, REVIEW_GATE_US);
	key(&b, 'A');
	ck_assert_int_eq(b.m->review->phase, REVIEW_CONFIRM);
	bench_fini(&b);
	free(text);
}
END_TEST

static bool has_fact(const struct review *rv, const char *text)
{
	for (size_t i = 0; i < rv->fact_count; i++)
		if (strstr(rv->facts[i].text, text))
			return true;
	return false;
}

/* From the agent's registry; what it does not say is taken to be the worst. */
START_TEST(it_says_what_can_be_undone_who_said_no_and_which_line_asks)
{
	static const struct { const char *undo, *words; } cases[] = {
		{"reversible", "reversible: it can be taken back"},
		{"compensable", "another step makes it good"},
		{"irreversible", "leaves this machine, irreversible"},
		{"harmless", "leaves this machine, irreversible"},
		{NULL, "leaves this machine, irreversible"},
	};
	json_t *r = request(ID);

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		json_t *a = json_pack("{s:s, s:s, s:O, s:s?, s:s, s:{s:s, s:s,"
			" s:s}}", "id", ID, "state", "pending", "request", r,
			"reversibility", cases[i].undo, "rule",
			"agent.conf:3 policy.x = approve", "last_decision",
			"by", "bob", "decision", "reject", "reason", "ugly");
		struct review *rv = review_read(ID, a, 0);

		review_facts(rv, NULL);
		ck_assert_msg(has_fact(rv, cases[i].words), "%s",
			      cases[i].words);
		ck_assert(has_fact(rv, "agent.conf:3 policy.x = approve"));
		ck_assert(has_fact(rv, "before, reject by bob: ugly"));
		review_free(rv);
		json_decref(a);
	}
	json_decref(r);
}
END_TEST

TESTS("console_facts",
      twelve_kibibytes_are_read_whole_on_a_small_terminal,
      it_says_what_can_be_undone_who_said_no_and_which_line_asks)
