/* A random walk through the console that must never approve by chance. */
#include "tests/unit/console_bench.h"

/*
 * Random keys, pastes, waits, cuts and resizes: whatever is approved was
 * approved by A and then the displayed number, typed key by key, unbroken.
 */
static bool watch_key(struct bench *b, uint32_t k, bool pasted,
		      char trail[6])
{
	struct review *r = b->m->review;
	bool confirming = r && r->phase == REVIEW_CONFIRM;
	bool right = confirming && !strcmp(trail, r->number);
	int before = b->approvals;
	size_t n = strlen(trail);
	bool armed = confirming && b->m->now_us >= r->armed_us;

	ui_key(b->ui, k, pasted);
	serve(b);
	if (b->approvals != before)
		return k == UI_ENTER && !pasted && right;
	r = b->m->review;
	if (!confirming || !r || r->phase != REVIEW_CONFIRM)
		*trail = 0;
	else if (!pasted && armed && k >= '0' && k <= '9' && n < 4)
		trail[n] = (char)k, trail[n + 1] = 0;
	else if (!pasted && armed && k == UI_BACKSPACE && n)
		trail[n - 1] = 0;
	else if (!pasted && armed && k == UI_ENTER)
		*trail = 0;
	return true;
}

static void shake(struct bench *b, unsigned *seed)
{
	static const uint32_t keys[] = {
		UI_ENTER, UI_ENTER, ' ', ' ', ' ', 'A', 'A', 'A', 'R', 'q',
		UI_ESC, UI_BACKSPACE, 'g', 'G', 'u', '3', ':', 'x', 'y', '!',
	};
	char trail[6] = "";

	for (int i = 0; i < 4000; i++) {
		unsigned dice = (unsigned)rand_r(seed) % 100;
		struct review *r = b->m->review;
		uint32_t k = keys[(unsigned)rand_r(seed) % ARRAY_LEN(keys)];

		if (dice < 40 && r && r->phase == REVIEW_CONFIRM) {
			size_t n = strlen(trail);	/* mostly the right one */

			k = n < 4 ? (uint32_t)r->number[n] : UI_ENTER;
			if (dice < 8)
				k = '0' + dice;
		}
		if (dice > 96) {
			model_lost(b->m, LINK_RETRY, "x", 1);
			hello(b);
			*trail = 0;
		}
		ck_assert(watch_key(b, k, dice == 50 || dice == 51, trail));
		b->m->now_us += dice < 60 ? 400000 : 1000;
		b->m->stamp++;
		draw(b);
	}
}

START_TEST(no_keys_without_A_and_the_number_ever_approve)
{
	unsigned seed = 4711;
	int approved = 0;

	for (int round = 0; round < 20; round++) {
		struct bench b;

		bench_init(&b, round % 2 ? 24 : 15);
		shake(&b, &seed);
		approved += b.approvals;
		bench_fini(&b);
	}
	ck_assert_int_gt(approved, 0);	/* the walk does get there */
}
END_TEST

TESTS("console_walk", no_keys_without_A_and_the_number_ever_approve)
