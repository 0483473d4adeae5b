/* Which refusals are recorded by themselves, and what becomes of the rest. */
#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <string.h>

#include "agent/gate/fold.h"
#include "agent/ops/call.h"
#include "agent/ops/signature.h"
#include "agent/store/settings_webhook.h"

#define SECOND 1000000LL
#define WALL 1700000000000000LL

static uint64_t tickets;

/* One refusal; is it held? If not it is freed here. */
static bool refuse(struct fold *f, uint32_t peer, enum err_code code,
		   bool waits, int64_t now)
{
	struct call *c = call_new(VIA_HTTP, NULL);

	c->peer = htonl(peer);
	c->ticket = waits ? ++tickets : 0;
	err_set(&c->err, code, "no");
	if (fold_hold(f, c, now, WALL + now))
		return true;
	call_free(c);
	return false;
}

static unsigned held_of(struct fold *f, uint32_t peer, enum err_code code,
			unsigned n, int64_t now)
{
	unsigned held = 0;

	for (unsigned i = 0; i < n; i++)
		held += refuse(f, peer, code, true, now + i);
	return held;
}

/* Take all; returns how many requests they were, *lots in how many. */
static uint64_t take_all(struct fold *f, unsigned *lots)
{
	struct folded d;
	uint64_t n = 0;

	for (*lots = 0; fold_take(f, &d); ++*lots) {
		n += d.count;
		for (struct call *c = d.calls, *next; c; c = next) {
			next = c->next;
			call_free(c);
		}
	}
	ck_assert_int_eq(fold_due(f), INT64_MAX);
	return n;
}

START_TEST(the_first_twenty_a_second_are_recorded_each)
{
	struct fold *f = fold_new();
	unsigned lots;

	ck_assert_uint_eq(held_of(f, 1, ERR_unauthenticated, 20, 0), 0);
	ck_assert_int_eq(fold_due(f), INT64_MAX);
	ck_assert_uint_eq(held_of(f, 1, ERR_unauthenticated, 30, 1000), 30);
	ck_assert_uint_eq(held_of(f, 1, ERR_not_found, 21, 2000), 1);
	ck_assert_uint_eq(held_of(f, 2, ERR_unauthenticated, 21, 3000), 1);
	ck_assert_uint_eq(take_all(f, &lots), 32);
	ck_assert_uint_eq(lots, 3);
	ck_assert_uint_eq(held_of(f, 1, ERR_unauthenticated, 21, 3 * SECOND),
			  1);
	take_all(f, &lots);
	fold_free(f);
}
END_TEST

START_TEST(it_is_due_when_the_first_has_waited_long_enough)
{
	struct fold *f = fold_new();
	struct folded d;

	held_of(f, 1, ERR_not_found, 20, 0);
	ck_assert(refuse(f, 1, ERR_not_found, true, 5000));
	ck_assert(refuse(f, 1, ERR_not_found, true, 9000));
	ck_assert_int_eq(fold_due(f), 5000 + FOLD_US);
	fold_hurry(f);
	ck_assert_int_eq(fold_due(f), 0);
	ck_assert(fold_take(f, &d));
	ck_assert_uint_eq(d.count, 2);
	ck_assert_int_eq(d.first, WALL + 5000);
	ck_assert_int_eq(d.last, WALL + 9000);
	ck_assert_uint_eq(ntohl(d.peer), 1);
	ck_assert_int_eq(d.code, ERR_not_found);
	ck_assert_str_eq(d.calls->correlation_id, "");
	call_free(d.calls->next);
	call_free(d.calls);
	ck_assert(!fold_take(f, &d));
	fold_hurry(f);
	ck_assert_int_eq(fold_due(f), INT64_MAX);
	fold_free(f);
}
END_TEST

START_TEST(who_is_gone_is_counted_and_not_kept)
{
	struct fold *f = fold_new();
	struct folded d;

	held_of(f, 1, ERR_bad_framing, 20, 0);
	for (int i = 0; i < 50; i++)
		ck_assert(refuse(f, 1, ERR_bad_framing, false, 100));
	ck_assert(fold_take(f, &d));
	ck_assert_uint_eq(d.count, 50);
	ck_assert_ptr_null(d.calls);
	fold_free(f);
}
END_TEST

START_TEST(an_id_of_ours_becomes_that_of_the_record)
{
	struct fold *f = fold_new();
	struct folded d;
	struct call *c[2];

	held_of(f, 1, ERR_not_found, 20, 0);
	for (int i = 0; i < 2; i++) {
		c[i] = call_new(VIA_HTTP, NULL);
		c[i]->peer = htonl(1);
		c[i]->ticket = 1;
		c[i]->own_id = i;
		strcpy(c[i]->correlation_id, "mine");
		err_set(&c[i]->err, ERR_not_found, "no");
		ck_assert(fold_hold(f, c[i], 100, WALL));
	}
	ck_assert(fold_take(f, &d));
	ck_assert_str_eq(c[0]->correlation_id, "mine");
	ck_assert_str_eq(c[1]->correlation_id, d.correlation_id);
	ck_assert(!strncmp(d.correlation_id, "c-", 2));
	call_free(c[0]);
	call_free(c[1]);
	fold_free(f);
}
END_TEST

/* However many they are, it stays small and every one is counted. */
START_TEST(a_flood_from_everywhere_is_counted_together)
{
	struct fold *f = fold_new();
	unsigned single = 0, lots;
	uint64_t held;

	for (uint32_t i = 0; i < 20000; i++)
		single += !refuse(f, 1000 + i % 5000, i % 2 ? ERR_not_found :
				  ERR_unauthenticated, i % 3 == 0, i);
	ck_assert_uint_eq(single, 200);
	held = take_all(f, &lots);
	ck_assert_uint_eq(single + held, 20000);
	ck_assert_uint_le(lots, 260);
	ck_assert_uint_eq(held_of(f, 9, ERR_not_found, 20, 3 * SECOND), 0);
	fold_free(f);
}
END_TEST

/* One refused event that shows this for its signature; is it held? */
static bool refuse_event(struct fold *f, const struct webhook_conf *hook,
			 const char *shown)
{
	const struct signature_shown part = {.part = {
		[WEBHOOK_SIGNATURE] = shown}};
	const struct webhook_key key = {.len = 16};
	struct call *c = call_new(VIA_HTTP, NULL);

	c->ticket = ++tickets;
	c->hook = hook;
	c->signature = signature_begin(WEBHOOK_GITHUB, &key, 1, &part);
	err_set(&c->err, ERR_bad_signature, "no");
	if (fold_hold(f, c, 0, WALL))
		return true;
	call_free(c);
	return false;
}

START_TEST(events_are_counted_by_their_source_and_what_is_wrong)
{
	static const struct webhook_conf hooks[2];
	struct fold *f = fold_new();
	struct folded d;
	unsigned held = 0, lots;

	for (int i = 0; i < 25; i++) {
		held += refuse_event(f, &hooks[0], NULL);
		held += refuse_event(f, &hooks[0], "sha1=x");
		held += refuse_event(f, &hooks[1], NULL);
	}
	ck_assert_uint_eq(held, 15);
	for (lots = 0; fold_take(f, &d); lots++) {
		ck_assert_uint_eq(d.count, 5);
		ck_assert_ptr_eq(d.hook, &hooks[lots == 2]);
		ck_assert_str_eq(d.why, lots == 1 ? "malformed" : "missing");
		for (struct call *c = d.calls, *next; c; c = next) {
			next = c->next;
			call_free(c);
		}
	}
	ck_assert_uint_eq(lots, 3);
	fold_free(f);
}
END_TEST

TESTS("fold", the_first_twenty_a_second_are_recorded_each,
      it_is_due_when_the_first_has_waited_long_enough,
      who_is_gone_is_counted_and_not_kept,
      an_id_of_ours_becomes_that_of_the_record,
      a_flood_from_everywhere_is_counted_together,
      events_are_counted_by_their_source_and_what_is_wrong)
