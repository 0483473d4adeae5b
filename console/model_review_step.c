/* The steps of a decision. Every way but the one leads back to reading. */
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "common/mem.h"
#include "console/model_review.h"
#include "console/model_take.h"
#include "console/safe.h"

#define MISSES_MAX 3
#define REASON "read to the end and confirmed in the console"

void review_say(struct model *m, enum style style, char *text)
{
	free(m->review->said);
	m->review->said = text;
	m->review->said_style = style;
	m->stamp++;
}

void review_again(struct review *r, const char *why)
{
	free(r->said);
	r->said = xstrdup(why);
	r->said_style = STYLE_attention;
	r->pages = 0;
	r->gate = false;
	r->last_page_us = 0;
	mem_wipe(r->typed, sizeof(r->typed));
	if (r->phase == REVIEW_CONFIRM || r->phase == REVIEW_SIGNING)
		r->phase = REVIEW_READING;
}

static void count_page(struct review *r, int page, int64_t now)
{
	bool all = true;

	r->seen[page] = true;
	for (int i = 0; i < r->pages; i++)
		all &= r->seen[i];
	if (r->last_page_us && now - r->last_page_us >= REVIEW_GATE_US)
		r->gate |= all;
	if (page != r->pages - 1)
		r->last_page_us = 0;
	else if (!r->last_page_us)
		r->last_page_us = now;
}

void review_shown(struct model *m, int page, int pages)
{
	struct review *r = m->review;

	if (!r || r->phase != REVIEW_READING || page < 0 || page >= pages)
		return;
	if (pages != r->pages) {	/* another size: read it there */
		free(r->seen);
		r->seen = xcalloc((size_t)pages, sizeof(*r->seen));
		r->pages = pages;
		r->gate = false;
		r->last_page_us = 0;
	}
	count_page(r, page, m->now_us);
}

static bool expired(const struct model *m)
{
	return m->review->until_us && m->now_us >= m->review->until_us;
}

/* Reasons in the order in which they are told. */
static bool is_offline(const struct model *m) { return m->link != LINK_LIVE; }
static bool is_lagging(const struct model *m) { return m->silent_us; }
static bool is_observer(const struct model *m) { return !model_may_decide(m); }
static bool is_loading(const struct model *m)
{
	return m->review->phase == REVIEW_LOADING;
}
static bool is_over(const struct model *m)
{
	return m->review->phase > REVIEW_READING;
}
static bool is_decided(const struct model *m)
{
	return m->review->state->rank;
}
static bool has_no_nonce(const struct model *m) { return !*m->review->nonce; }
static bool is_wrong(const struct model *m) { return m->review->wrong; }
static bool is_own(const struct model *m)
{
	return *m->actor && !strcmp(m->review->requester, m->actor);
}
static bool is_unhashed(const struct model *m) { return m->review->unhashed; }
static bool is_task_unknown(const struct model *m)
{
	return m->review->external && *m->review->task_id &&
	       !m->review->task_known;
}
static bool is_unsigned(const struct model *m)
{
	return m->review->must_sign && !m->signing_key;
}
static bool is_in_other_name(const struct model *m)
{
	return review_signs(m) && strcmp(m->review->signer, m->actor);
}
static bool is_unread(const struct model *m) { return !m->review->gate; }

static const struct {
	bool (*holds)(const struct model *m);
	bool reject_too;
	const char *why;
} hindrances[] = {
	{is_offline, true, "not connected"},
	{is_lagging, true, "LAG: the agent does not answer"},
	{is_observer, true, "OBSERVER: this token may not decide"},
	{is_loading, true, "loading"},
	{is_over, true, "already under way"},
	{is_decided, true, "it is decided already"},
	{expired, true, "EXPIRED, nothing was sent"},
	{is_wrong, false, "MISMATCH: what is shown is not what was hashed"},
	{has_no_nonce, false, "the agent gave no review nonce"},
	{is_own, false, "you asked for it: another admin has to decide"},
	{is_unhashed, false, "a file has no verified hash"},
	{is_task_unknown, false, "its task is not loaded"},
	{is_unsigned, false, "it counts only signed: see agent.signing-key of "
			     "console.conf"},
	{is_in_other_name, false, "the agent asks for a signature in another "
				  "name"},
	{is_unread, false, "read to the end first"},
};

const char *review_hindered(const struct model *m, bool approve)
{
	if (!m->review)
		return "no review is open";
	for (size_t i = 0; i < ARRAY_LEN(hindrances); i++)
		if ((approve || hindrances[i].reject_too) &&
		    hindrances[i].holds(m))
			return hindrances[i].why;
	return NULL;
}

bool review_begin(struct model *m)
{
	struct review *r = m->review;

	review_tick(m);
	if (review_hindered(m, true))
		return false;
	r->phase = REVIEW_CONFIRM;
	r->armed_us = m->now_us + REVIEW_ARM_US;
	memset(r->typed, 0, sizeof(r->typed));
	review_say(m, STYLE_note, NULL);
	return true;
}

static bool typing(const struct model *m)
{
	return m->review && m->review->phase == REVIEW_CONFIRM &&
	       m->now_us >= m->review->armed_us;
}

void review_digit(struct model *m, char digit)
{
	size_t n;

	if (!typing(m) || digit < '0' || digit > '9')
		return;
	n = strlen(m->review->typed);
	if (n < 4)
		m->review->typed[n] = digit;
	m->stamp++;
}

void review_erase(struct model *m)
{
	size_t n;

	if (!typing(m))
		return;
	n = strlen(m->review->typed);
	if (n)
		m->review->typed[n - 1] = 0;
	m->stamp++;
}

void review_leave_confirm(struct model *m, const char *why)
{
	if (!m->review || (m->review->phase != REVIEW_CONFIRM &&
			   m->review->phase != REVIEW_SIGNING))
		return;
	m->review->phase = REVIEW_READING;
	memset(m->review->typed, 0, sizeof(m->review->typed));
	review_say(m, STYLE_note, xstrdup(why));
}

static void missed(struct model *m)
{
	struct review *r = m->review;

	memset(r->typed, 0, sizeof(r->typed));
	if (++r->misses >= MISSES_MAX) {
		review_again(r, "wrong number three times: nothing was sent, "
				"read it again");
		r->misses = 0;
		return;
	}
	review_say(m, STYLE_danger, xstrdup("that is not the number; "
				     "nothing was sent"));
}

static bool late(struct model *m)
{
	if (!expired(m) && !is_lagging(m))
		return false;
	review_leave_confirm(m, expired(m) ? "EXPIRED, nothing was sent" :
					     "LAG: nothing was sent");
	return true;
}

void review_enter(struct model *m)
{
	struct review *r = m->review;

	if (!typing(m))
		return;
	if (late(m))
		return;
	if (strlen(r->number) != 4 || strcmp(r->typed, r->number)) {
		missed(m);
		return;
	}
	if (review_signs(m))
		review_sign(m, REASON);
	else
		review_send(m, NULL);
}

void review_send(struct model *m, const char *signature)
{
	struct review *r = m->review;
	json_t *params;

	if (late(m))
		return;
	params = review_approve_params(r, REASON, r->allows);
	if (signature)
		json_set_str(params, "signature", signature);
	if (model_decide(m, ASK_approve, r->id, params)) {
		review_leave_confirm(m, "not connected, nothing was sent");
		return;
	}
	r->phase = REVIEW_SENT;
	r->sent_us = m->now_us;
	review_say(m, STYLE_note, xstrdup("SENT"));
}

void review_reject(struct model *m, const char *reason)
{
	json_t *p = json_object();

	json_set_str(p, "id", m->review ? m->review->id : "");
	json_set_str(p, "reason", reason);
	if (review_hindered(m, false) || !*reason) {
		json_decref(p);
		return;
	}
	if (!model_decide(m, ASK_reject, m->review->id, p)) {
		m->review->phase = REVIEW_SENT;
		m->review->sent_us = m->now_us;
		review_say(m, STYLE_note, xstrdup("rejection SENT"));
	}
}

bool review_may_cancel(const struct model *m)
{
	return m->review && m->review->phase == REVIEW_ACCEPTED &&
	       !m->review->run_id && model_may_decide(m);
}

void review_cancel(struct model *m)
{
	if (!review_may_cancel(m))
		return;
	model_ask(m, ASK_cancel, m->review->id);
	review_say(m, STYLE_note, xstrdup("cancel SENT"));
}

void review_lost(struct model *m)
{
	struct review *r = m->review;

	if (!r)
		return;
	review_leave_confirm(m, "connection lost: nothing was sent");
	if (r->phase == REVIEW_SENT)
		review_say(m, STYLE_danger, xstrdup("connection lost after sending: "
					     "UNKNOWN, check audit"));
	if (r->phase == REVIEW_READING)
		r->phase = REVIEW_LOADING;
	m->stamp++;
}

/* The bell rings at half of the time and two minutes before the end. */
static int64_t warn(struct model *m)
{
	struct review *r = m->review;
	int64_t late = r->until_us - REVIEW_LATE_US, next;

	if (!r->until_us || r->phase >= REVIEW_SENT || r->state->rank)
		return 0;
	next = r->half_us > r->warned_us ? r->half_us : late;
	if (next <= r->warned_us)
		return 0;
	if (m->now_us < next)
		return next;
	m->bells += m->now_us < r->until_us;
	r->warned_us = next;
	return warn(m);
}

static int64_t sooner(int64_t a, int64_t b)
{
	return !a ? b : !b ? a : a < b ? a : b;
}

int64_t review_tick(struct model *m)
{
	struct review *r = m->review;
	int64_t since, at = 0;

	if (!r)
		return 0;
	if (r->phase == REVIEW_READING && r->last_page_us && !r->gate) {
		count_page(r, r->pages - 1, m->now_us);
		at = r->gate ? 0 : r->last_page_us + REVIEW_GATE_US;
		m->stamp += r->gate;
	}
	if (r->phase != REVIEW_READING && expired(m))
		review_leave_confirm(m, "EXPIRED, nothing was sent");
	if (r->phase == REVIEW_CONFIRM && m->now_us < r->armed_us)
		at = r->armed_us;
	since = r->phase == REVIEW_SENT ? r->sent_us :
		r->phase == REVIEW_ACCEPTED && !r->run_id ? r->accepted_us : 0;
	if (since && m->now_us >= since + REVIEW_SILENT_US) {
		if (!r->silent)
			review_say(m, STYLE_attention, xstrdup(
				r->phase == REVIEW_SENT ?
				"no answer: UNKNOWN, check audit" :
				"ACCEPTED, but no run was heard of: UNKNOWN, "
				"check audit"));
		r->silent = true;
	} else if (since) {
		at = since + REVIEW_SILENT_US;
	}
	return sooner(at, warn(m));
}
