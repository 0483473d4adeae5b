/* What becomes of a decision: the agent's answer, then its records. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/json.h"
#include "common/mem.h"
#include "console/model_review.h"
#include "console/model_take.h"
#include "console/safe.h"

static void say(struct model *m, enum style style, char *text)
{
	free(m->review->said);
	m->review->said = text;
	m->review->said_style = style;
	m->stamp++;
}

static void say_accepted(struct model *m)
{
	struct review *r = m->review;
	char seq[32] = "";

	if (r->seq)
		snprintf(seq, sizeof(seq), " seq %lld", (long long)r->seq);
	say(m, STYLE_ok, xasprintf("ACCEPTED%s; u cancels until it starts",
				   seq));
}

static void refused(struct model *m, const json_t *problem)
{
	static const char *const reread[] = {"approval_stale", "nonce_used"};
	struct review *r = m->review;
	const char *code = json_str(problem, "error_code");

	for (size_t i = 0; code && i < ARRAY_LEN(reread); i++)
		if (!strcmp(code, reread[i])) {
			r->phase = REVIEW_READING;
			review_again(r, "CHANGED since you read it: nothing "
					"was sent, read it again");
			review_live(m);
			return;
		}
	r->phase = REVIEW_OVER;
	say(m, STYLE_danger, problem_text(problem));
}

static void accepted(struct model *m, enum ask_kind kind, const char *state)
{
	struct review *r = m->review;

	r->state = state_find(ITEM_APPROVAL, state);
	if (kind == ASK_reject) {
		r->phase = REVIEW_OVER;
		say(m, STYLE_ok, xstrdup("REJECTED"));
	} else if (kind == ASK_cancel) {
		r->phase = REVIEW_OVER;
		say(m, STYLE_ok, xstrdup("CANCELLED: it will not run"));
	} else if (!r->state->rank) {
		r->phase = REVIEW_OVER;
		say(m, STYLE_ok, xstrdup("ACCEPTED; another admin's "
					 "approval is still needed"));
	} else if (r->phase == REVIEW_SENT) {
		r->phase = REVIEW_ACCEPTED;
		r->accepted_us = m->now_us;
		say_accepted(m);
	}
}

void review_decided(struct model *m, const struct ask *ask,
		    const json_t *result, const json_t *problem)
{
	struct review *r = m->review;
	struct item *it = result ? item_decode(ITEM_APPROVAL, result) : NULL;

	if (it)
		items_put(&m->approvals, it);
	if (!r || strcmp(r->id, ask->id))
		return;
	if (m->link != LINK_LIVE)
		return;			/* review_lost said what is known */
	if (problem && ask->kind == ASK_cancel)
		say(m, STYLE_danger, problem_text(problem));
	else if (problem)
		refused(m, problem);
	else
		accepted(m, ask->kind, json_str(result, "state"));
}

/* Ours: on the record. Another's while this is read: there is news to read. */
static void granted(struct model *m, const struct record *rec)
{
	struct review *r = m->review;

	if (r->phase < REVIEW_SENT) {
		r->phase = REVIEW_READING;
		review_live(m);
		return;
	}
	if (strcmp(rec->actor, m->actor))
		return;
	r->seq = rec->seq;
	if (r->phase == REVIEW_SENT) {
		r->phase = REVIEW_ACCEPTED;
		r->accepted_us = m->now_us;
	}
	if (r->phase == REVIEW_ACCEPTED && !r->run_id)
		say_accepted(m);
}

/* The grace period begins: no receipt is expected before it is over. */
static void queued(struct model *m, const struct record *rec)
{
	struct review *r = m->review;
	char at[CLOCK_TEXT];

	if (r->phase != REVIEW_ACCEPTED || r->run_id || !rec->starts_us)
		return;
	if (rec->starts_us > m->wall_us)
		r->accepted_us = m->now_us + rec->starts_us - m->wall_us;
	clock_text(rec->starts_us, at);
	say(m, STYLE_ok, xasprintf("ACCEPTED seq %lld; u cancels until "
				   "%.8sZ",
				   (long long)r->seq, at + 11));
}

static void used(struct model *m, const struct record *rec)
{
	struct review *r = m->review;

	if (r->phase < REVIEW_SENT || !*rec->run_id || r->run_id)
		return;
	r->run_id = xstrdup(rec->run_id);
	say(m, STYLE_active, xasprintf("RUNNING as %s", r->run_id));
}

static void ended(struct model *m, const char *word, const char *who)
{
	struct review *r = m->review;

	if (r->phase == REVIEW_SENT)	/* the answer to ours says it */
		return;
	review_again(r, "");
	r->phase = REVIEW_OVER;
	say(m, STYLE_attention, xasprintf("%s by %s meanwhile", word, who));
}

static void approval_record(struct model *m, const struct record *rec)
{
	static const struct { const char *type, *word; } ends[] = {
		{"approval_rejected", "REJECTED"},
		{"approval_expired", "EXPIRED"},
		{"approval_stale", "STALE"},
		{"approval_cancelled", "CANCELLED"},
	};

	if (!strcmp(rec->type, "approval_used") ||
	    !strcmp(rec->type, "tool_started"))
		used(m, rec);
	if (!strcmp(rec->type, "approval_granted"))
		granted(m, rec);
	if (!strcmp(rec->type, "run_queued"))
		queued(m, rec);
	for (size_t i = 0; i < ARRAY_LEN(ends); i++)
		if (!strcmp(rec->type, ends[i].type) &&
		    m->review->phase != REVIEW_OVER)
			ended(m, ends[i].word, rec->actor);
}

/* The run that used the approval has come to its end. */
static void run_record(struct model *m, const struct record *rec)
{
	static const struct { const char *type, *word; enum style style; }
	ends[] = {
		{"tool_finished", "PUBLISHED, receipt", STYLE_ok},
		{"tool_failed", "FAILED, see run", STYLE_danger},
		{"outcome_unknown", "OUTCOME UNKNOWN, reconcile run",
		 STYLE_danger},
		{"run_reconciled", "IT IS KNOWN what came of run",
		 STYLE_attention},
		{"stage_opened", "HIDDEN YET, the second approval waits; run",
		 STYLE_attention},
		{"stage_held", "HIDDEN, and no second step follows; see run",
		 STYLE_danger},
	};
	struct review *r = m->review;

	for (size_t i = 0; i < ARRAY_LEN(ends); i++)
		if (!strcmp(rec->type, ends[i].type)) {
			r->phase = REVIEW_OVER;
			say(m, ends[i].style,
			    xasprintf("%s %s (seq %lld)", ends[i].word,
				      r->run_id, (long long)rec->seq));
		}
}

void review_event(struct model *m, const struct record *rec)
{
	struct review *r = m->review;

	if (!r)
		return;
	if (!strcmp(rec->approval_id, r->id))
		approval_record(m, rec);
	if (r->run_id && !strcmp(rec->run_id, r->run_id))
		run_record(m, rec);
}

/* An approval read again: for the open review only its state matters. */
void review_approval(struct model *m, const json_t *approval)
{
	struct review *r = m->review;
	const char *id = json_str(approval, "id");

	if (!r || !id || strcmp(id, r->id))
		return;
	if (r->phase == REVIEW_LOADING) {
		review_answer(m, approval, NULL);
		return;
	}
	r->state = state_find(ITEM_APPROVAL, json_str(approval, "state"));
	m->stamp++;
}
