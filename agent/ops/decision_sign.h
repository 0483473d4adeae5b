/*
 * Decisions that a person's own key signs, so that neither this program nor
 * who has its home can make one. What is signed is the statement, an RFC 8785
 * object {v, decision, agent, approval_id, request_sha256, nonce, by, reason,
 * allow_external_publish, expires_at}, as an SSH signature for the purpose
 * DECISION_SPACE. Verified when it is decided and again when its run starts.
 */
#pragma once
#include <jansson.h>

#include "agent/ops/op.h"

#define DECISION_SPACE "approval@kircerta"

/*
 * Can the files that say who may sign be used? -1: *err says which is not,
 * and nobody can decide there. Any thread.
 */
int decision_ready(struct agent *a, struct err *err);
/*
 * What a review says of it: {namespace, required, fields}; in the fields
 * reason and allow_external_publish are to be set to what is decided. New.
 */
json_t *decision_template(struct agent *a, const struct call *c,
			  const json_t *approval, const char *nonce);
/*
 * Verify the call's signature of its decision on this approval. *proof is
 * {statement, signature, key} or, where none was sent and none is needed,
 * NULL; owned. -1: refused, and recorded.
 */
int decision_signed(struct agent *a, const struct call *c,
		    const json_t *approval, json_t **proof, struct err *err);
/* Put it into the last decision of a new approval; takes proof. */
void decision_keep(json_t *approval, json_t *proof);
/* Put the last decision's proof, if it has one, into a record's data. */
void decision_show(const json_t *approval, json_t *data);
/*
 * The run is about to start on this approval: are its arguments those that
 * were approved, by as many people as it takes, and do their signatures hold
 * now? NULL, or the policy_denied reason.
 */
const char *decision_refuses(struct agent *a, const json_t *run,
			     const json_t *approval);
