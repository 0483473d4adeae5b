/*
 * What an approval is bound to besides its request: the policy it was asked
 * under, what its task and its tool's manifest said then, the mode it was
 * given in, and the tokens of who asked and who decided. As soon as a record changes one of these the approval is stale,
 * and it is looked at once more when its run starts. Writer only.
 */
#pragma once
#include <jansson.h>
#include <stdint.h>

#include "agent/ops/op.h"
#include "common/sha256.h"

struct bounds;			/* which approvals are open, what changed */

struct bounds *bounds_new(void);
void bounds_free(struct bounds *b);

/*
 * SHA-256 of the RFC 8785 form of what a task says is to be done: {id, title,
 * request_text, acceptance_criteria, side_effect_level, attempt}. -1: it has
 * no such form.
 */
int task_digest(const json_t *task, char hex[SHA256_HEX]);
/* Note in a new approval what it is bound to; task may be NULL. */
void approval_bind(struct agent *a, json_t *approval, const json_t *task);
/* What came apart since, fit to be read; NULL: nothing. */
const char *approval_drift(struct agent *a, const json_t *approval);
/*
 * End every approval that is open and not bound any more, as stale, with the
 * run that waits for it: after another policy or other tools were loaded, and
 * at the start.
 */
void approval_end_unbound(struct agent *a, const struct call *c);

/* A record brought this document. */
void approval_touched(struct agent *a, const char *kind, const json_t *doc);
/* The operation is over: end what its records have made stale. */
void approval_settle(struct agent *a, const struct call *c);
