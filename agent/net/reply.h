/*
 * Answers on the wire. Always sent outside lws's callbacks, for only there
 * can one see whether the peer has sent more than it may.
 */
#pragma once

struct call;
struct peer;

/* Takes c over. The peer may be gone after. */
void reply_send(struct peer *p, struct call *c);
/* Writable again: 0, or -1 to hang up. */
int reply_flushed(struct peer *p);
/* Inside a callback: head and text at once; for an upgrade that the gate took back. */
int reply_now(struct peer *p, struct call *c);
