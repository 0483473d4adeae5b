/* What the two files of the relay share: see relay.h. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "agent/store/peers.h"

struct net;
struct peer;
struct tls;

#define RELAY_DRAIN (2 * SECOND)	/* for the other side to end, too */

struct way {
	char *left;		/* what could not be passed on yet */
	size_t at, len;
	bool end;		/* nothing more comes */
	bool told;		/* and the other side knows */
};

struct relay {
	struct relay *next, **link;
	struct net *net;
	struct peer *peer;	/* NULL: not yet, or no more */
	struct tls *tls;	/* NULL: in clear */
	bool shaking;
	int outer, inner;	/* inner: our end of the pair, or -1 */
	uv_poll_t polls[2];	/* of them, in this order */
	unsigned handles;	/* of those that are open */
	struct way in, out;
	uint64_t received;	/* bytes for lws */
	bool reset;		/* the connection broke */
	bool left;		/* lws is gone */
	bool cut;
	bool dropped;		/* only its memory is still there */
	struct from from;
	uint32_t address;
	int64_t deadline;	/* monotonic; 0: none */
};

/* Pass on what can be, in both directions, and the ends. */
void relay_move(struct relay *r);
void relay_drop(struct relay *r);	/* at once; memory goes later */
void relay_forget_unread(struct relay *r);
