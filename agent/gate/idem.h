/*
 * Idempotency-Key (draft-ietf-httpapi-idempotency-key-header): the first
 * successful answer is kept with the records of what it did, so that the
 * same request again, also after a crash, has no second effect.
 */
#pragma once
#include <jansson.h>
#include <stdbool.h>

#include "common/sha256.h"

struct agent;
struct call;

/* Under which name its answer is kept; false: it has no key. */
bool idem_key(const struct call *c, char hex[SHA256_HEX]);

/*
 * Before a crash the same request was about to make something: it is given
 * that id again (c->made_id), so that it is not made twice.
 */
void idem_resume(struct agent *a, struct call *c);
/* What idem_resume finds: a put of the record that says so. NULL: no key. */
json_t *idem_intent(struct agent *a, const struct call *c);

/* True: c has its answer already, or an error for another body. */
bool idem_replay(struct agent *a, struct call *c);
/* Keep the answer that the call was just given. */
void idem_keep(struct agent *a, struct call *c);
