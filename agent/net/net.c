/* See net.h: the order in which it all begins and ends. */
#include "agent/net/net.h"

#include <stdlib.h>

#include "agent/net/feed.h"
#include "agent/net/http.h"
#include "agent/net/listen.h"
#include "agent/net/loop.h"
#include "agent/net/peer.h"
#include "agent/net/ready.h"
#include "agent/net/relay.h"
#include "agent/net/reply.h"
#include "agent/net/server.h"
#include "agent/net/tls.h"
#include "agent/net/upload.h"
#include "agent/net/watch.h"
#include "agent/net/ws.h"
#include "common/err.h"
#include "common/log.h"
#include "common/mem.h"

#define REFUSALS_TURN 16u

int net_open(struct net **out, struct agent *a, const char *listen_at,
	     struct err *err)
{
	struct net *n = xcalloc(1, sizeof(*n));

	n->agent = a;
	n->unix_lock = -1;
	if (loop_open(n, err)) {
		free(n);
		return -1;
	}
	if (server_open(n, listen_at, err)) {
		net_close(n);
		return -1;
	}
	*out = n;
	return 0;
}

const char *net_url(const struct net *n)
{
	return n->url;
}

static void wake(void *arg)
{
	uv_async_send(&((struct net *)arg)->wake);
}

static void stop(struct net *n)
{
	log_info("stopping");
	ready_tell("STOPPING=1");
	watch_look(n);			/* while that can be recorded */
	peer_each(n, http_stop);
	relay_stop(n);
	listen_stop(n);
	n->stopping = true;
	core_stop(n->core, "SIGTERM");
	do
		net_deliver(n);
	while (n->refusals);
	loop_stop(n);
}

int net_run(struct net *n, struct err *err)
{
	int rc = core_open(&n->core, n->agent, wake, n, err);

	if (!rc) {
		n->feed = feed_new(n);
		loop_start(n);
		log_info("listening on %s", n->url);
		if (n->unix_path)
			log_info("listening on unix:%s", n->unix_path);
		ready_tell("READY=1");
		uv_run(&n->loop, UV_RUN_DEFAULT);
		stop(n);
	}
	n->stopping = true;
	for (struct call *c = n->later, *next; c; c = next) {
		next = c->next;
		call_free(c);
	}
	n->later = NULL;
	core_free(n->core);
	n->core = NULL;
	return rc;
}

void net_close(struct net *n)
{
	if (!n)
		return;
	n->stopping = true;
	loop_close(n);
	feed_free(n->feed);
	tls_close(n->tls);
	free(n->unix_path);
	free(n->wall);
	free(n);
}

bool net_full(const struct net *n, bool known)
{
	unsigned most = known ? 2 * CALLS_MAX : CALLS_MAX;

	return n->core && n->calls >= most + core_folded(n->core);
}

void net_submit(struct net *n, struct peer *p, struct call *c)
{
	if (n->stopping) {
		net_call_free(n, c);
		if (p)
			peer_kill(p);
		return;
	}
	if (p) {
		c->ticket = p->ticket = p->id << 16 | (p->ticket + 1) % 65535;
		c->counts = !c->err.code;	/* else nearly over */
		n->calls += c->counts;
	}
	core_submit(n->core, c);
}

void net_work(struct net *n, struct work *w)
{
	if (!n->stopping) {
		core_work(n->core, w);
		return;
	}
	w->run(w, n->agent, NULL);
	w->done(w);
}

void net_call_free(struct net *n, struct call *c)
{
	upload_discard(n, c->upload);
	c->upload = NULL;
	call_free(c);
}

static void answer(struct net *n, struct call *c)
{
	struct peer *p = peer_by_id(n, c->ticket >> 16);

	if (p && p->ws && p->state == PEER_SOCKET)
		ws_answer(p, c);
	else if (p && p->state == PEER_BUSY && p->ticket == c->ticket)
		reply_send(p, c);
	else
		net_call_free(n, c);
}

static void deliver_later(struct net *n)
{
	struct call *next;

	next = n->later;
	n->later = NULL;
	for (struct call *c = next; c; c = next) {
		next = c->next;
		answer(n, c);
	}
}

static void refuse_later(struct net *n, struct call *c)
{
	if (!n->refusals)
		n->refusals_tail = &n->refusals;
	c->next = NULL;
	*n->refusals_tail = c;
	n->refusals_tail = &c->next;
}

/* A flood's answers come in lots; between a few of them others get a turn. */
static void refuse_some(struct net *n)
{
	struct call *c;

	for (unsigned i = 0; i < REFUSALS_TURN && (c = n->refusals); i++) {
		n->refusals = c->next;
		answer(n, c);
	}
	if (n->refusals)
		uv_async_send(&n->wake);
}

void net_deliver(struct net *n)
{
	struct done *next;

	deliver_later(n);
	for (struct done *d = core_take(n->core); d; d = next) {
		struct call *c = d->call;
		struct work *w = d->work;

		next = d->next;
		d->call = NULL;
		d->work = NULL;
		feed_push(n->feed, d->records, d->n_records);
		if (w)
			w->done(w);
		if (c) {
			n->calls -= c->counts;
			core_unfold(n->core, c);
			if (c->folded)
				refuse_later(n, c);
			else
				answer(n, c);
		}
		done_free(d);
	}
	refuse_some(n);
	if (n->look)
		watch_look(n);
}

void net_leave(struct net *n)
{
	if (n->poke && n->context)
		lws_cancel_service(n->context);
	n->poke = false;
}
