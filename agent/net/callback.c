/*
 * What lws calls, by reason: a row each, and nothing for those not listed.
 * The reasons that would lead out of HTTP/1.1 are refused here.
 */
#include <string.h>

#include "agent/net/http.h"
#include "agent/net/peer.h"
#include "agent/net/rest.h"
#include "agent/net/server.h"
#include "agent/net/ws.h"

struct happening {
	struct net *net;
	struct lws *wsi;
	struct peer *peer;		/* NULL: none yet */
	void *in;
	size_t len;
};

typedef int handler(struct happening *h);

static struct peer *its_peer(struct happening *h)
{
	if (!h->peer)
		h->peer = peer_new(h->net, h->wsi);
	return h->peer;
}

static int on_accepted(struct happening *h)
{
	struct accepted *a = &h->net->accepted;
	struct peer *p = its_peer(h);

	p->address = a->address;
	p->from = a->from;
	p->relay = a->relay;
	a->peer = p;
	return 0;
}

/*
 * The token lws gives here may be freed memory (CVE-2025-11677): it is read
 * from the header table, where it is if it is the name there. Anything but a
 * websocket, h2c above all, is no.
 */
static int on_upgrade(struct happening *h)
{
	char name[16];

	if (lws_hdr_copy(h->wsi, name, sizeof(name), WSI_TOKEN_UPGRADE) <= 0 ||
	    strcasecmp(name, "websocket"))
		return http_upgrade(its_peer(h));
	return ws_upgrade(its_peer(h), h->in);
}

/* The last moment before lws forgets the request before. */
static int on_filter(struct happening *h)
{
	http_intruder(its_peer(h));
	return 0;
}

static int on_http(struct happening *h)
{
	struct peer *p = its_peer(h);

	if (p->state == PEER_IDLE)
		return http_request(p);
	peer_kill(p);	/* again: lws has set its own timeout since */
	return 0;
}

static int on_body(struct happening *h)
{
	return h->peer ? http_body(h->peer, h->in, h->len) : -1;
}

static int on_body_end(struct happening *h)
{
	return h->peer ? http_body_end(h->peer) : -1;
}

static int on_http_writeable(struct happening *h)
{
	return h->peer ? http_writeable(h->peer) : 0;
}

/* With no subprotocol or another one lws asks here, or goes on by itself. */
static int on_protocol(struct happening *h)
{
	return h->peer && h->peer->ws ? 0 : -1;
}

static int on_add_headers(struct happening *h)
{
	return h->peer && h->peer->ws ? ws_add_headers(h->peer, h->in) : 0;
}

static int on_established(struct happening *h)
{
	return h->peer ? ws_established(h->peer) : -1;
}

static int on_receive(struct happening *h)
{
	return h->peer ? ws_receive(h->peer, h->in, h->len) : -1;
}

static int on_ws_writeable(struct happening *h)
{
	return h->peer ? ws_writeable(h->peer) : -1;
}

/* CONNECT, or a method lws does not know: the bytes come as they are. */
static int on_raw(struct happening *h)
{
	struct peer *p = its_peer(h);

	if (p->state != PEER_IDLE)
		return -1;
	p->state = PEER_RAW;
	return 0;
}

static int on_raw_data(struct happening *h)
{
	return h->peer ? http_raw(h->peer, h->in, h->len) : -1;
}

static int on_closed(struct happening *h)
{
	if (h->peer) {
		rest_record(h->peer);
		ws_cut(h->peer);
		peer_closed(h->peer);
	}
	return 0;
}

static int on_destroy(struct happening *h)
{
	if (h->peer) {
		rest_refused(h->peer);
		peer_free(h->peer);
	}
	return 0;
}

static handler *const handlers[] = {
	[LWS_CALLBACK_SERVER_NEW_CLIENT_INSTANTIATED] = on_accepted,
	[LWS_CALLBACK_HTTP_CONFIRM_UPGRADE] = on_upgrade,
	[LWS_CALLBACK_FILTER_HTTP_CONNECTION] = on_filter,
	[LWS_CALLBACK_HTTP] = on_http,
	[LWS_CALLBACK_HTTP_BODY] = on_body,
	[LWS_CALLBACK_HTTP_BODY_COMPLETION] = on_body_end,
	[LWS_CALLBACK_HTTP_WRITEABLE] = on_http_writeable,
	[LWS_CALLBACK_FILTER_PROTOCOL_CONNECTION] = on_protocol,
	[LWS_CALLBACK_ADD_HEADERS] = on_add_headers,
	[LWS_CALLBACK_ESTABLISHED] = on_established,
	[LWS_CALLBACK_RECEIVE] = on_receive,
	[LWS_CALLBACK_SERVER_WRITEABLE] = on_ws_writeable,
	[LWS_CALLBACK_RAW_ADOPT] = on_raw,
	[LWS_CALLBACK_RAW_RX] = on_raw_data,
	[LWS_CALLBACK_RAW_CLOSE] = on_closed,
	[LWS_CALLBACK_CLOSED_HTTP] = on_closed,
	[LWS_CALLBACK_CLOSED] = on_closed,
	[LWS_CALLBACK_WSI_DESTROY] = on_destroy,
};

static int on_event(struct lws *wsi, enum lws_callback_reasons reason,
		    void *user, void *in, size_t len)
{
	struct happening h = {.wsi = wsi, .in = in, .len = len};

	(void)user;
	if ((size_t)reason >= sizeof(handlers) / sizeof(*handlers) ||
	    !handlers[reason])
		return 0;
	h.net = lws_context_user(lws_get_context(wsi));
	h.peer = peer_of(wsi);
	return handlers[reason](&h);
}

const struct lws_protocols net_protocols[] = {
	{.name = "http", .callback = on_event},
	{.name = "kircerta.v1", .callback = on_event,
	 .rx_buffer_size = SLICE},
	{0},
};
