/*
 * The one door. Every request of every transport comes through here, and
 * nothing else calls an operation: who is it, may they, in this mode, under
 * this policy; and whatever its fate, it is recorded.
 */
#pragma once
#include <stdbool.h>

struct agent;
struct call;

/*
 * On a worker: authenticate, check scope and arguments, prepare; a read also
 * runs. Always followed by gate_apply, whatever came out; before that by
 * gate_slow if there is c->slow.
 */
void gate_admit(struct agent *a, struct call *c);
/* What gate_admit left in c->slow, on a thread that may take its time. */
void gate_slow(struct agent *a, struct call *c);
/* What came of a call on the writer. */
enum applied {
	APPLIED,		/* the answer is complete */
	APPLY_WAITS,		/* it waits for a run (c->waits_*) */
	APPLY_PROPOSED,		/* it waits for the remote (c->draft) */
	APPLY_AGAIN,		/* it waits for another call: give it again */
	APPLY_HELD,		/* refused with many: see account_release */
};
/* On the writer: mode, policy, the change itself; the request's record. */
enum applied gate_apply(struct agent *a, struct call *c);
/* A call that waited is over: its answer now, and its record. */
void gate_finish(struct agent *a, struct call *c);
/*
 * May this bearer call op at all? For a transport that must not take a large
 * body from just anybody; decides nothing, gate_admit does. Any thread.
 */
bool gate_may(struct agent *a, const struct call *c);
