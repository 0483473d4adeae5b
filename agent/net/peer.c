/* See peer.h. */
#include "agent/net/peer.h"

#include <stdlib.h>
#include <sys/socket.h>

#include "agent/net/feed.h"
#include "agent/net/file.h"
#include "agent/net/listen.h"
#include "agent/net/relay.h"
#include "agent/net/server.h"
#include "agent/net/upload.h"
#include "agent/net/watch.h"
#include "agent/net/ws.h"
#include "common/clock.h"
#include "common/mem.h"

#define UNWRITABLE (10 * SECOND)

struct peer *peer_new(struct net *n, struct lws *wsi)
{
	struct peer *p = xcalloc(1, sizeof(*p));
	struct peer **bucket;

	p->net = n;
	p->wsi = wsi;
	p->id = ++n->last_id;
	bucket = &n->peers[p->id % PEER_BUCKETS];
	p->next = *bucket;
	*bucket = p;
	n->n_peers++;
	lws_set_opaque_user_data(wsi, p);
	return p;
}

struct call *peer_call(const struct peer *p, enum via via)
{
	struct call *c = call_new(via, NULL);

	c->peer = p->address;
	c->from = p->from;
	return c;
}

struct peer *peer_of(struct lws *wsi)
{
	return lws_get_opaque_user_data(wsi);
}

struct peer *peer_by_id(struct net *n, uint64_t id)
{
	struct peer *p = n->peers[id % PEER_BUCKETS];

	while (p && p->id != id)
		p = p->next;
	return p;
}

/* Whoever goes away in the middle of a request leaves its record. */
static void leave_record(struct peer *p)
{
	struct call *c = p->call;

	p->call = NULL;
	if (!c->err.code)
		err_set(&c->err, ERR_bad_framing,
			"the connection ended before the body did");
	net_submit(p->net, NULL, c);
}

void peer_closed(struct peer *p)
{
	p->state = PEER_DEAD;
	p->deadline = 0;
	p->net->body_bytes -= p->body.cap;
	buf_fini(&p->body);
	upload_abort(p);
	file_close(p);
	ws_free(p);
	watch_end(p);
	sub_close(p->sub);
	p->sub = NULL;
	if (p->call)
		leave_record(p);
}

void peer_free(struct peer *p)
{
	struct peer **at = &p->net->peers[p->id % PEER_BUCKETS];

	peer_closed(p);
	while (*at != p)
		at = &(*at)->next;
	*at = p->next;
	p->net->n_peers--;
	if (p->relay)
		relay_left(p->relay);
	listen_resume(p->net);
	lws_set_opaque_user_data(p->wsi, NULL);
	free(p);
}

void peer_kill(struct peer *p)
{
	struct linger now = {1, 0};	/* what is unsent is forgotten */

	setsockopt(lws_get_socket_fd(p->wsi), SOL_SOCKET, SO_LINGER, &now,
		   sizeof(now));
	if (p->relay)
		relay_cut(p->relay);
	p->state = PEER_DEAD;
	p->deadline = 0;
	lws_rx_flow_control(p->wsi, 0);
	lws_set_timeout(p->wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_ASYNC);
	p->net->poke = true;
}

void peer_end(struct peer *p, bool reading)
{
	p->state = PEER_DEAD;
	p->deadline = 0;
	lws_rx_flow_control(p->wsi, reading);
	p->net->poke = true;
	lws_set_timeout(p->wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_SYNC);
}

void peer_wants(struct peer *p)
{
	if (p->state == PEER_DEAD)
		return;
	if (!p->deadline)
		p->deadline = clock_mono_us() + UNWRITABLE;
	lws_callback_on_writable(p->wsi);
}

void peer_moved(struct peer *p)
{
	p->deadline = 0;
	p->beat_at = clock_mono_us() + 10 * SECOND;
}

void peer_each(struct net *n, void (*fn)(struct peer *p))
{
	struct peer *p, *next;

	for (size_t i = 0; i < PEER_BUCKETS; i++)
		for (p = n->peers[i]; p; p = next) {
			next = p->next;
			fn(p);
		}
}

/*
 * lws_service_adjust_timeout() is 0 if input is stashed for a connection
 * that is being read from; this one is not, until its flow is opened. It
 * stays open where nothing waits: until the loop turns nobody reads.
 */
enum piped peer_piped(struct peer *p)
{
	struct lws_context *context = p->net->context;
	bool others, now;

	if (p->raw)
		return PIPED_NO;
	others = !lws_service_adjust_timeout(context, 1, 0);
	lws_rx_flow_control(p->wsi, 1);
	now = !lws_service_adjust_timeout(context, 1, 0);
	if (!others && !now)
		return PIPED_NO;
	lws_rx_flow_control(p->wsi, 0);
	return others ? PIPED_MAYBE : PIPED_YES;
}
