/*
 * A connection, from its beginning until lws destroys it. One request is in
 * flight at a time, and while it is, nothing is read. Every state that waits
 * for the other side has a deadline.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/ops/call.h"
#include "agent/store/peers.h"
#include "common/buf.h"

struct actor;
struct file;
struct lws;
struct net;
struct relay;
struct sub;
struct upload;
struct ws;

enum peer_state {
	PEER_IDLE,		/* between requests */
	PEER_BODY,		/* a body comes in */
	PEER_BUSY,		/* the call is in the core; reading is off */
	PEER_FLUSH,		/* answered; the bytes are on their way */
	PEER_FILE,		/* a file is on its way */
	PEER_STREAM,		/* server-sent events */
	PEER_SOCKET,		/* a websocket */
	PEER_RAW,		/* not HTTP: CONNECT or an unknown method */
	PEER_DEAD,		/* being closed */
};

struct peer {
	struct peer *next;	/* in its bucket */
	struct net *net;
	struct lws *wsi;
	uint64_t id, ticket;	/* ticket: id << 16 and a serial number */
	enum peer_state state;
	int64_t deadline;	/* monotonic; 0: none */
	bool raw;		/* lws speaks raw with it */
	bool close_after;	/* no further request on this connection */
	uint32_t address;	/* IPv4, network order; 0: unknown */
	struct from from;
	struct relay *relay;	/* NULL: none between it and lws */
	uint64_t claimed;	/* bytes of requests that leave records, */
	uint32_t segments;	/* and what they came in; see rest.h */
	bool last;		/* what comes now is no other request */
	bool piped;		/* more came before the answer was out */
	bool over;		/* its end was told */
	unsigned tries;		/* to send an answer that needs quiet */

	struct call *call;	/* while its body comes in */
	struct buf body;
	uint64_t want, got;	/* bytes of the body */
	struct upload *upload;
	struct file *file;
	struct sub *sub;
	size_t sent;		/* bytes of the event that sub is at */
	int64_t beat_at;	/* when to say ping */
	bool beat;		/* and it is due */
	struct ws *ws;
	struct actor *who;	/* of a stream or websocket: see watch.h */
};

struct peer *peer_new(struct net *n, struct lws *wsi);
/* A new call of it; the caller owns it. */
struct call *peer_call(const struct peer *p, enum via via);
struct peer *peer_of(struct lws *wsi);			/* NULL: none yet */
struct peer *peer_by_id(struct net *n, uint64_t id);
/* The connection is gone: let go of what it holds. May come twice. */
void peer_closed(struct peer *p);
void peer_free(struct peer *p);
/* Cut it off, in a callback of lws or out of it. */
void peer_kill(struct peer *p);
/* End it politely; only outside lws's callbacks, and p may be gone then. */
void peer_end(struct peer *p, bool reading);
/* Ask to be called when it can be written to; one that never can is cut. */
void peer_wants(struct peer *p);
/* It was writable. */
void peer_moved(struct peer *p);
/* Call fn for every peer; it may kill the one it is given. */
void peer_each(struct net *n, void (*fn)(struct peer *p));

/*
 * Has the peer sent more than one request? Only lws knows what it has
 * stashed, and says no more than "somebody's input waits". Reading is on
 * again if the answer is no.
 */
enum piped { PIPED_NO, PIPED_YES, PIPED_MAYBE };
enum piped peer_piped(struct peer *p);
