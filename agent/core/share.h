/*
 * Shared mode: the remote's main is the arbiter. What calls propose becomes
 * commits on top of ours, is pushed, and is recorded and answered when the
 * remote has it; what others pushed is fetched and taken in. share_mode, see
 * remote.h, does what has gathered, as one batch.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/ops/op.h"

struct call;
struct core;
struct err;
struct remote;
struct share;

/* accept: what remote has now is taken once, whatever it was before. */
struct share *share_new(struct core *k, bool accept);
/* No more turns are taken: who waits is told. NULL is fine, as below. */
void share_stop(struct share *s);
void share_free(struct share *s);

/* Calls whose intent is durable, from the writer; taken over. */
void share_propose(struct share *s, struct call *first, struct call *last);
/* Not REMOTE_UP: *err says why. Any thread. */
enum remote_state share_state(struct share *s, struct err *err);
/* How many calls wait for the remote now. */
size_t share_waiting(struct share *s);
