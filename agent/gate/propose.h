/*
 * Shared mode: a change that somebody asked for is made in a draft first and
 * goes to the remote; it becomes a change when the remote has it. Meanwhile
 * its task is busy, and so is its Idempotency-Key: who comes later waits.
 * Without a shared remote none of this does anything. Writer only.
 */
#pragma once
#include <stdbool.h>

struct agent;
struct call;

/* Is what it is about busy with another call? Then it has to come again. */
bool propose_held(struct agent *a, const struct call *c);
/*
 * Back from the remote? True: it is decided, c->err says if not well. False:
 * it was not there, or has to be done again from the start.
 */
bool propose_returned(struct agent *a, struct call *c);
/* Around the change itself: true if it is to be made in a draft. */
bool propose_begin(struct agent *a, const struct call *c);
/*
 * The change is made, or was refused: that is recorded at once. Else it is a
 * proposal (c->draft), or, with the remote away, done here or refused.
 */
void propose_end(struct agent *a, struct call *c);
/* It is answered: let go what it held. False: that was nothing. */
bool propose_release(struct agent *a, struct call *c);
