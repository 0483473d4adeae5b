/*
 * What is recorded of requests: one record for each, whatever its fate,
 * before its answer; and one for many where strangers are refused in floods.
 * Writer only.
 */
#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct agent;
struct call;
struct from;

/* Who a connection is from, for a record: over what, peer, certificate. */
void account_where(json_t *data, const struct from *from, uint32_t address);

/* The record of this request; if it cannot be made, c->err says so. */
void account_request(struct agent *a, struct call *c);
/* What else a refusal leaves: that somebody tried what they may not. */
void account_refusal(struct agent *a, struct call *c);
/*
 * It could not say who it is. Where that was said too often it is refused as
 * too_many, with the seconds to wait.
 */
void account_failed(struct agent *a, struct call *c);
/* Is this refusal one of a flood? Then it is held, c with it. */
bool account_holds(struct agent *a, struct call *c);
/*
 * Record what has been held long enough (see fold_due) and return the calls
 * to be answered once that is durable; linked by next.
 */
struct call *account_release(struct agent *a);
