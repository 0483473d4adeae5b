/*
 * See loop.h. All time is kept by one tick: lws's own timers only run when
 * lws has been called, so after touching it from here it is poked.
 */
#include "agent/net/loop.h"

#include <signal.h>
#include <stdlib.h>

#include "agent/net/feed.h"
#include "agent/net/http.h"
#include "agent/net/listen.h"
#include "agent/net/peer.h"
#include "agent/net/relay.h"
#include "agent/net/server.h"
#include "agent/net/sse.h"
#include "agent/net/watch.h"
#include "agent/net/ws.h"
#include "agent/store/webhook_secrets.h"
#include "common/clock.h"
#include "common/err.h"

#define TICK_MS 500
#define GRACE_MS 20
#define GOODBYE (2 * SECOND)

static void on_wake(uv_async_t *h)
{
	struct net *n = h->data;

	if (!n->core)
		return;
	net_deliver(n);
	net_leave(n);
}

static void on_signal(uv_signal_t *h, int number)
{
	(void)number;
	uv_stop(h->loop);
}

static void on_hangup(uv_signal_t *h, int number)
{
	struct net *n = h->data;

	(void)number;
	webhook_secrets_reload(n->agent->webhook_secrets);
	if (n->core)
		core_reload(n->core);
}

/* lws counts from the last byte; we count from the first. */
static void tick_peer(struct peer *p)
{
	int64_t now = clock_mono_us();

	if (p->state == PEER_DEAD)
		return;
	if (p->state == PEER_BODY || p->state == PEER_BUSY)
		lws_set_timeout(p->wsi, NO_PENDING_TIMEOUT, 0);
	if (p->deadline && now >= p->deadline)
		http_late(p);
	else if (p->state == PEER_STREAM)
		sse_tick(p, now);
	else if (p->state == PEER_SOCKET)
		ws_tick(p);
}

static void on_tick(uv_timer_t *t)
{
	struct net *n = t->data;

	peer_each(n, tick_peer);
	relay_tick(n);
	watch_tick(n, clock_mono_us());
	listen_resume(n);
	net_leave(n);
}

int loop_open(struct net *n, struct err *err)
{
	int rc = uv_loop_init(&n->loop);

	if (rc)
		return err_set(err, ERR_io, "libuv: %s", uv_strerror(rc));
	n->loops[0] = &n->loop;
	uv_async_init(&n->loop, &n->wake, on_wake);
	uv_signal_init(&n->loop, &n->term);
	uv_signal_init(&n->loop, &n->interrupt);
	uv_signal_init(&n->loop, &n->hangup);
	uv_timer_init(&n->loop, &n->tick);
	uv_timer_init(&n->loop, &n->gather);
	uv_timer_init(&n->loop, &n->grace);
	n->wake.data = n->hangup.data = n;
	n->tick.data = n->gather.data = n->grace.data = n;
	return 0;
}

void loop_start(struct net *n)
{
	uv_signal_start(&n->term, on_signal, SIGTERM);
	uv_signal_start(&n->interrupt, on_signal, SIGINT);
	uv_signal_start(&n->hangup, on_hangup, SIGHUP);
	uv_timer_start(&n->tick, on_tick, TICK_MS, TICK_MS);
	listen_start(n);
}

/* Who has something coming gets it; who waits for nothing goes now. */
static void part(struct peer *p)
{
	if (p->state == PEER_SOCKET)
		ws_goodbye(p);
	else if (p->state == PEER_STREAM)
		peer_wants(p);
	else if (p->state != PEER_FILE && p->state != PEER_DEAD &&
		 !lws_partial_buffered(p->wsi))
		peer_end(p, false);
}

static void on_grace(uv_timer_t *t)
{
	struct net *n = t->data;

	peer_each(n, part);
	net_leave(n);
	relay_tick(n);
	if ((!n->n_peers && !n->n_relays) ||
	    clock_mono_us() - n->stopped_at > GOODBYE)
		uv_stop(&n->loop);
}

void loop_stop(struct net *n)
{
	n->stopped_at = clock_mono_us();
	uv_timer_stop(&n->tick);
	feed_gather(n->feed);
	uv_timer_start(&n->grace, on_grace, 0, GRACE_MS);
	uv_run(&n->loop, UV_RUN_DEFAULT);
}

void loop_close(struct net *n)
{
	uv_handle_t *handles[] = {
		(uv_handle_t *)&n->wake, (uv_handle_t *)&n->term,
		(uv_handle_t *)&n->interrupt,
		(uv_handle_t *)&n->hangup, (uv_handle_t *)&n->tick,
		(uv_handle_t *)&n->gather, (uv_handle_t *)&n->grace,
	};

	listen_close(n);
	if (n->context)
		lws_context_destroy(n->context);	/* begins to close */
	relay_close(n);
	for (size_t i = 0; i < sizeof(handles) / sizeof(*handles); i++)
		uv_close(handles[i], NULL);
	uv_run(&n->loop, UV_RUN_DEFAULT);
	if (n->context)
		lws_context_destroy(n->context);	/* frees itself */
	uv_loop_close(&n->loop);
}
