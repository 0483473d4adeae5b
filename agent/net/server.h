/*
 * What the parts of the network share. All of it belongs to the loop's
 * thread; the one thing that others may do is uv_async_send(&net->wake).
 */
#pragma once
#include <libwebsockets.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "agent/core/core.h"
#include "agent/net/listen.h"
#include "agent/ops/auth.h"
#include "agent/ops/op.h"
#include "agent/store/settings.h"

struct err;
struct feed;
struct peer;
struct relay;
struct tls_server;

#define PEER_BUCKETS 4096u
#define SLICE 65536u			/* bytes given to one lws_write */
#define SCRATCH (2 * SLICE)
#define CALLS_MAX 1000u			/* in flight, over all connections */
#define BODIES_MAX ((size_t)256 << 20)	/* bytes of bodies being read in */
#define SECOND 1000000LL		/* in microseconds */

struct accepted {		/* who comes, while lws makes its own of it */
	uint32_t address;
	struct from from;
	struct relay *relay;	/* NULL: lws has the connection itself */
	struct peer *peer;	/* what was made of it */
};

struct net {
	struct agent *agent;
	struct core *core;		/* while net_run serves */
	struct feed *feed;
	struct lws_context *context;
	struct lws_vhost *vhost;
	struct lws_protocol_vhost_options wall_header;	/* see server.c */
	char *wall;
	char host[64], url[96];
	int port;

	uv_loop_t loop;
	void *loops[1];
	uv_async_t wake;
	uv_signal_t term, interrupt, hangup;
	uv_timer_t tick, gather, grace;
	struct listener listeners[LISTENERS_MAX];
	size_t n_listeners;
	struct tls_server *tls;		/* of what is not the UNIX socket */
	char *unix_path;		/* NULL: there is none */
	int unix_lock;
	bool unix_bound;
	unsigned peers_max;

	struct peer *peers[PEER_BUCKETS];	/* by id */
	uint64_t last_id;
	struct accepted accepted;	/* who comes just now */
	struct relay *relays;
	size_t n_relays;
	size_t n_peers, calls, body_bytes;
	struct call *later;		/* answers that wait for a quiet loop */
	struct call *refusals, **refusals_tail;	/* of floods, a few a turn */
	char correlation_id[129];	/* of the upgrade being answered */
	bool look;			/* a token has changed: watch_look */
	enum auth_state auth;		/* as it is on record */
	unsigned tokens_seen;		/* version of the file of tokens */
	int64_t apart, slept;		/* see steps.h */
	int64_t used_at;		/* when to save their last uses */
	bool poke;			/* lws has to look at its timers */
	bool stopping;			/* the core takes no more */
	int64_t stopped_at;
	unsigned char scratch[LWS_PRE + SCRATCH];
};

extern const struct lws_protocols net_protocols[];

/* Bind and make the lws context; n->url, n->port. */
int server_open(struct net *n, const char *listen_at, struct err *err);
/*
 * Are too many calls in flight? Those of a flood that wait do not count, and
 * who is known has as much room again, which no stranger can take.
 */
bool net_full(const struct net *n, bool known);
/* Into the core; the answer finds p (NULL: nobody waits) by its ticket. */
void net_submit(struct net *n, struct peer *p, struct call *c);
/* Slow work; run and done as core.h says. */
void net_work(struct net *n, struct work *w);
/* Free a call; an upload left in it is thrown away by a worker. */
void net_call_free(struct net *n, struct call *c);
/* Hand out what the core has finished. */
void net_deliver(struct net *n);
/* At the end of whatever libuv called and lws did not. */
void net_leave(struct net *n);
