/*
 * See share.h: a turn. Nothing is pushed that does not go on from what the
 * remote has, and nothing is proposed on top of a document that is not the
 * one it was made from: both are looked at again each time.
 */
#include <stdlib.h>
#include <string.h>

#include "agent/core/remote.h"
#include "agent/core/share_batch.h"
#include "agent/core/share_inner.h"
#include "agent/core/threads.h"
#include "common/clock.h"
#include "common/err.h"

#define BATCH_MAX 256		/* calls in one push */
#define RACES_MAX 20		/* lost in a row by one batch */
#define OTHERS_US 5000000	/* for so long others are thought of */
#define YIELD_MAX_US 500000
#define PATIENCE_MAX 128	/* pushes */

static void send(struct share *s, struct remote *r, struct call **calls,
		 size_t n);

/* Is it one of them that the remote does not want? Halves will tell. */
static void refused(struct share *s, struct remote *r, struct call **calls,
		    size_t n, const struct remote_said *said)
{
	if (n == 1) {
		share_refuse(s, calls, n, said->words);
		return;
	}
	send(s, r, calls, n / 2);
	send(s, r, calls + n / 2, n - n / 2);
}

static void pushed(struct share *s, struct remote *r, struct call **calls,
		   size_t n, const struct share_batch *b)
{
	share_land(s->core, b, calls, n);
	share_no_longer(s, n);
	s->look_at = clock_mono_us() + remote_interval(r);
	remote_distance(r, b->commit, b->commit);
}

/* Chosen and committed; how many. The others are given back. */
static size_t prepare(struct share *s, struct remote *r,
		      struct share_batch *b, struct call **calls, size_t n)
{
	struct err err = {0};
	size_t fit;

	if (share_settle(s, &err) || stores_anchor(s->core, &b->on, &err) ||
	    share_sift(s->core, b, calls, n, &fit, &err)) {
		share_trouble(s, r, &err);
		share_give_back(s, calls, n, PROPOSED_AWAY);
		return 0;
	}
	share_again(s, calls + fit, n - fit);
	if (!fit || !share_commit(s->core, b, calls, fit, &err))
		return fit;
	share_trouble(s, r, &err);
	share_give_back(s, calls, fit, PROPOSED_AWAY);
	return 0;
}

/* Nobody was seen for long: is it time to look whether somebody waits? */
static bool is_time(struct share *s)
{
	if (++s->wins < s->patience)
		return false;
	s->wins = 0;
	s->patience = s->patience < PATIENCE_MAX ? s->patience * 2 :
						   PATIENCE_MAX;
	return true;
}

/*
 * Who wins at once is the first to be ready again, and would win for ever:
 * where others push too, it lets them, and now and then where none was seen,
 * for who always loses is not seen. And those who were answered now may have
 * more to say, which goes along with what has gathered already.
 */
static void yield(struct share *s, size_t n, int lost, int64_t took_us)
{
	int64_t now = clock_mono_us(), pause;
	bool others = s->others_at && now - s->others_at < OTHERS_US;

	if (others)
		s->patience = PATIENCE;
	if (others ? !lost : is_time(s))
		pause = took_us * 3;
	else
		pause = n > 1 ? took_us / 8 : 0;
	s->ready_at = now + (pause < YIELD_MAX_US ? pause : YIELD_MAX_US);
}

/*
 * One batch, all the way: the calls are somebody else's then. What lost a
 * race goes on top of the winner at once if that changed nothing of its.
 */
static void send(struct share *s, struct remote *r, struct call **calls,
		 size_t n)
{
	struct remote_said said = {0};
	struct share_batch b = {0};
	enum push end = PUSH_STALE;
	int64_t began = 0;
	int races = 0;

	for (; end == PUSH_STALE && races < RACES_MAX; races++) {
		began = clock_mono_us();
		n = prepare(s, r, &b, calls, n);
		if (!n)
			return;
		end = remote_push(r, b.commit, &said);
		if (end == PUSH_STALE && share_catch_up(s, r))
			end = PUSH_AWAY;
	}
	if (end == PUSH_OK) {
		pushed(s, r, calls, n, &b);
		yield(s, n, races - 1, clock_mono_us() - began);
	} else if (end == PUSH_REFUSED) {
		refused(s, r, calls, n, &said);
	} else if (end == PUSH_STALE) {
		share_again(s, calls, n);
	} else {
		if (share_state(s, NULL) == REMOTE_UP)
			share_away(s, r, &said);
		share_give_back(s, calls, n, PROPOSED_AWAY);
	}
}

/* What was done here first: bring it there. */
static void push_own(struct share *s, struct remote *r)
{
	struct remote_said said = {0};
	char tip[SSOT_HEX];

	remote_ours(r, tip);
	if (!*tip || !strcmp(tip, remote_agreed(r)))
		return;
	switch (remote_push(r, tip, &said)) {
	case PUSH_OK:
		s->look_at = clock_mono_us() + remote_interval(r);
		remote_distance(r, tip, tip);
		break;
	case PUSH_STALE:
		s->look_at = 0;
		break;
	case PUSH_REFUSED:
	case PUSH_AWAY:
		share_away(s, r, &said);
		break;
	}
}

/* The operator wants it tried now. */
static bool is_asked(struct share *s, struct remote *r)
{
	return remote_hurried(r) && share_state(s, NULL) != REMOTE_UP;
}

/* Not long, so that what is done meanwhile is seen in health. */
static int64_t wait_alone(struct share *s, struct remote *r, int64_t us)
{
	char tip[SSOT_HEX];

	remote_ours(r, tip);
	if (strcmp(tip, s->counted)) {
		remote_distance(r, tip, remote_agreed(r));
		strcpy(s->counted, tip);
	}
	return us < remote_interval(r) ? us : remote_interval(r);
}

static int64_t turn(struct remote *r, void *own)
{
	struct share *s = remote_core(r)->share;
	struct call **calls;
	size_t n, i = 0;
	int64_t now = clock_mono_us();

	(void)own;
	if (now < s->ready_at && share_state(s, NULL) == REMOTE_UP)
		return s->ready_at - now;
	calls = share_gather(s, &n);
	if ((now >= s->look_at || is_asked(s, r)) && !share_catch_up(s, r))
		push_own(s, r);
	while (i < n && share_state(s, NULL) == REMOTE_UP) {
		size_t some = n - i < BATCH_MAX ? n - i : BATCH_MAX;

		send(s, r, calls + i, some);
		i += some;
	}
	share_give_back(s, calls + i, n - i, PROPOSED_AWAY);
	free(calls);
	now = clock_mono_us();
	if (s->look_at <= now)
		return 0;
	return share_state(s, NULL) == REMOTE_UP ? s->look_at - now :
	       wait_alone(s, r, s->look_at - now);
}

const struct remote_mode share_mode = {0, turn};
