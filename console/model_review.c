/* See model_review.h: what the review says and whether its digest holds. */
#include "console/model_review.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/err.h"
#include "common/jcs.h"
#include "common/json.h"
#include "common/mem.h"
#include "console/safe.h"
#include "console/span.h"

void review_number(const char *digest, const char *nonce, char out[5])
{
	char *both = xasprintf("%s%s", digest, nonce);
	uint8_t raw[SHA256_RAW];
	uint32_t n;

	sha256_raw(both, strlen(both), raw);
	n = (uint32_t)raw[0] << 24 | (uint32_t)raw[1] << 16 |
	    (uint32_t)raw[2] << 8 | raw[3];
	snprintf(out, 5, "%04u", n % 10000);
	free(both);
}

void review_free(struct review *r)
{
	if (!r)
		return;
	review_drop_facts(r);
	json_decref(r->request);
	free(r->id);
	free(r->mark);
	free(r->chain);
	free(r->asked);
	free(r->criterion);
	json_decref(r->decisions);
	json_decref(r->last_no);
	free(r->rule);
	free(r->undo);
	free(r->digest);
	free(r->signer);
	free(r->expires_at);
	free(r->to_sign);
	free(r->wrong);
	free(r->nonce);
	free(r->task_id);
	free(r->requester);
	free(r->what);
	free(r->to);
	free(r->seen);
	free(r->run_id);
	free(r->said);
	free(r);
}

/* What is hashed has to be the one form of what is shown. */
static const char *check_canonical(struct review *r, const char *canonical)
{
	struct err err = {0};
	char *again;
	bool same;

	r->request = json_parse(canonical, strlen(canonical), &err);
	err_fini(&err);
	if (!r->request)
		return "the request is not strict JSON";
	again = jcs_text(r->request, NULL, &err);
	err_fini(&err);
	same = again && !strcmp(again, canonical);
	free(again);
	if (!same)
		return "the request is not in canonical form";
	if (strcmp(json_str(r->request, "approval_id") ?
			   json_str(r->request, "approval_id") : "", r->id))
		return "the request is another approval's";
	return NULL;
}

static bool same_text(const json_t *a, const json_t *b, const char *key)
{
	const char *x = json_str(a, key), *y = json_str(b, key);

	return !y || (x && !strcmp(x, y));
}

static const char *check_digest(struct review *r, const char *canonical,
				const json_t *approval)
{
	const char *why;

	sha256_hex(canonical, strlen(canonical), r->local);
	why = check_canonical(r, canonical);
	if (why)
		return why;
	if (strcmp(r->local, r->digest))
		return "the digest of these bytes is not the agent's";
	if (json_str(approval, "request_sha256") &&
	    strcmp(json_str(approval, "request_sha256"), r->local))
		return "the approval has another digest";
	if (!same_text(r->request, approval, "tool") ||
	    !same_text(r->request, approval, "task_id") ||
	    !same_text(r->request, approval, "requester"))
		return "the approval says something else than the request";
	return NULL;
}

/* An observer gets no review: the request itself is hashed instead. */
static char *canonical_of(const json_t *answer, const json_t *approval)
{
	const char *text = json_str(answer, "canonical");
	const json_t *request = json_object_get(approval, "request");

	if (text)
		return xstrdup(text);
	return request ? jcs_text(request, NULL, NULL) : NULL;
}

static char *time_text(const char *text)
{
	char out[CLOCK_TEXT] = "";
	int64_t us;

	if (text && clock_parse(text, 0, &us))
		clock_text(us, out);
	return *out ? xasprintf("%.19sZ", out) : xstrdup("");
}

struct review *review_read(const char *id, const json_t *answer,
			   int64_t now_us)
{
	struct review *r = xcalloc(1, sizeof(*r));
	const json_t *approval = json_object_get(answer, "approval");
	const char *digest = json_str(answer, "request_sha256"), *why;
	const char *nonce = json_str(answer, "nonce");
	char *canonical;
	int64_t left;

	if (!approval)
		approval = answer;
	canonical = canonical_of(answer, approval);
	r->id = xstrdup(json_str(approval, "id") ? json_str(approval, "id") :
						   id);
	r->digest = safe_line(digest);
	if (!strstr(r->id, id))		/* ids may be shortened */
		why = "the agent answered for another approval";
	else if (!canonical)
		why = "the agent did not send what was hashed";
	else
		why = check_digest(r, canonical, approval);
	r->wrong = xstrdup(why);
	r->nonce = xstrdup(nonce ? nonce : "");
	if (nonce)
		review_number(r->local, nonce, r->number);
	r->state = state_find(ITEM_APPROVAL, json_str(approval, "state"));
	r->external = !json_str(approval, "kind") ||
		      !strcmp(json_str(approval, "kind"), "external_publish");
	r->task_id = safe_line(json_str(r->request, "task_id"));
	r->requester = safe_line(json_str(r->request, "requester"));
	left = json_int(answer, "expires_in_s",
			json_int(approval, "expires_in_s", -1));
	r->until_us = left < 0 ? 0 : now_us + left * SPAN_S;
	r->half_us = left < 0 ? 0 : now_us + left * SPAN_S / 2;
	r->required = json_int(approval, "required", 1);
	r->decisions = json_incref(json_object_get(approval, "decisions"));
	r->last_no = json_incref(json_object_get(approval, "last_decision"));
	r->rule = safe_line(json_str(approval, "rule"));
	r->undo = safe_line(json_str(approval, "reversibility"));
	r->chain = safe_line(json_str(approval, "correlation_id"));
	r->asked = time_text(json_str(approval, "created_at"));
	r->criterion = safe_block(json_str(approval, "criterion_text"));
	review_read_sign(r, answer, approval);
	r->mark = xasprintf("%s %s %zu", r->local, r->state->word,
			    json_array_size(r->decisions));
	r->phase = REVIEW_READING;
	free(canonical);
	return r;
}

json_t *review_approve_params(const struct review *r, const char *reason,
			      bool allow)
{
	json_t *p = json_object();

	json_set_str(p, "id", r->id);
	json_set_str(p, "request_sha256", r->local);
	json_set_str(p, "nonce", r->nonce);
	json_set_str(p, "reason", reason);
	if (allow)
		json_object_set_new(p, "allow_external_publish", json_true());
	return p;
}

void review_open(struct model *m, const char *id)
{
	review_close(m);
	m->review = xcalloc(1, sizeof(*m->review));
	m->review->id = xstrdup(id);
	m->review->state = state_find(ITEM_APPROVAL, NULL);
	m->stamp++;
	review_live(m);
}

void review_close(struct model *m)
{
	review_free(m->review);
	m->review = NULL;
	m->stamp++;
}

/* A review is opened anew on every connection: nonces are never carried on. */
void review_live(struct model *m)
{
	struct review *r = m->review;

	if (!r || m->link != LINK_LIVE || r->phase > REVIEW_CONFIRM)
		return;
	r->phase = REVIEW_LOADING;
	model_ask(m, model_may_decide(m) ? ASK_review : ASK_approval, r->id);
}

/* A shortened id was opened: from now on it has its whole name. */
static void replace(struct model *m, struct review *fresh)
{
	struct review *old = m->review;

	if (old->mark && strcmp(old->mark, fresh->mark)) {
		fresh->said = xstrdup("CHANGED since you read it: "
				      "read it again");
		fresh->said_style = STYLE_attention;
	} else if (old->said) {
		fresh->said = old->said;
		fresh->said_style = old->said_style;
		old->said = NULL;
	}
	review_free(old);
	m->review = fresh;
}

void review_answer(struct model *m, const json_t *result,
		   const json_t *problem)
{
	struct review *r = m->review;
	const json_t *approval = json_object_get(result, "approval");
	struct item *it;

	if (!r || r->phase != REVIEW_LOADING)
		return;
	if (problem) {
		/* decided or expired: it can still be read */
		free(r->said);
		r->said = safe_line(json_str(problem, "detail"));
		r->said_style = STYLE_danger;
		if (r->mark)
			r->phase = REVIEW_OVER;
		else if (m->link == LINK_LIVE)
			model_ask(m, ASK_approval, r->id);
		return;
	}
	replace(m, review_read(r->id, result, m->now_us));
	r = m->review;
	it = item_decode(ITEM_APPROVAL, approval ? approval : result);
	if (it) {
		((struct approval *)it)->until_us = r->until_us;
		items_put(&m->approvals, it);
	}
	if (*r->task_id)
		model_ask(m, ASK_task, r->task_id);
	review_changed(m);
}

/* What approving would do beyond the request can change while it is read. */
void review_changed(struct model *m)
{
	struct review *r = m->review;
	const struct task *t;
	bool allows;

	if (!r || !r->request)
		return;
	t = model_task(m, r->task_id);
	allows = t && r->external && !t->allow_publish;
	if (r->task_known && allows != r->allows &&
	    r->phase < REVIEW_SENT)
		review_again(r, "CHANGED since you read it: the task's "
				"permission to publish. Read it again");
	r->task_known = t;
	r->allows = allows;
	review_facts(r, t);
	m->stamp++;
}
