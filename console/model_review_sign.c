/*
 * Signing a decision: the statement says what was shown and hashed here, not
 * what the agent says it was; only whose name it is in, and until when it is
 * good, are the agent's words.
 */
#include <stdlib.h>
#include <string.h>

#include "common/jcs.h"
#include "common/json.h"
#include "common/mem.h"
#include "console/model_review.h"
#include "console/safe.h"
#include "console/sign.h"

void review_read_sign(struct review *r, const json_t *answer,
		      const json_t *approval)
{
	const json_t *sign = json_object_get(answer, "statement");
	const json_t *fields = json_object_get(sign, "fields");
	const char *by = json_str(fields, "by");
	const char *space = json_str(sign, "namespace");

	if (!by || !space || strcmp(space, SIGN_SPACE))
		return;
	r->signer = xstrdup(by);
	r->expires_at = xstrdup(json_str(approval, "expires_at"));
	r->must_sign = json_is_set(sign, "required");
}

char *review_statement(const struct review *r, const char *reason, bool allow)
{
	json_t *v = json_pack("{s:i,s:s,s:O?,s:O?,s:s,s:s,s:s?,s:s,s:b,s:s?}",
		"v", 1, "decision", "approve",
		"agent", json_object_get(r->request, "agent"),
		"approval_id", json_object_get(r->request, "approval_id"),
		"request_sha256", r->local, "nonce", r->nonce, "by",
		r->signer, "reason", reason, "allow_external_publish", allow,
		"expires_at", r->expires_at);
	char *text = v ? jcs_text(v, NULL, NULL) : NULL;

	json_decref(v);
	return text;
}

bool review_signs(const struct model *m)
{
	return m->signing_key && m->review && m->review->signer;
}

void review_sign(struct model *m, const char *reason)
{
	struct review *r = m->review;

	free(r->to_sign);		/* of a try before */
	r->to_sign = review_statement(r, reason, r->allows);
	r->phase = REVIEW_SIGNING;
	review_say(m, STYLE_attention, xasprintf("SIGNING with %s: touch it "
		   "if it waits for that; q: nothing is sent",
		   m->signing_key));
}

void review_signed(struct model *m, const char *nonce, const char *signature,
		   const char *why)
{
	struct review *r = m->review;

	if (!r || r->phase != REVIEW_SIGNING || strcmp(r->nonce, nonce))
		return;
	if (signature) {
		review_send(m, signature);
		return;
	}
	review_leave_confirm(m, "");
	review_say(m, STYLE_danger, xasprintf("NOT SIGNED, nothing was sent: "
		   "%s; try ssh-add %s", why, m->signing_key));
}
