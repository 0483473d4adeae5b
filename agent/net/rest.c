/* See rest.h. */
#include "agent/net/rest.h"

#include "agent/net/peer.h"
#include "agent/net/relay.h"
#include "agent/net/server.h"
#include "agent/net/socket.h"

#define HEAD_MAX 16384u			/* as in server.c */

static bool traffic_of(const struct peer *p, struct traffic *t)
{
	const int fd = lws_get_socket_fd(p->wsi);

	return p->relay ? relay_traffic(p->relay, fd, t) :
			  socket_traffic(fd, t);
}

void rest_mark(struct peer *p)
{
	struct traffic t;

	if (p->last || !traffic_of(p, &t))
		return;
	p->claimed = t.received - t.unread;
	p->segments = t.segments;
}

/*
 * Bytes since the mark. The kernel counts a FIN as one; of a connection that
 * was reset it no longer says whether there was one, but which of the bytes
 * came in a segment.
 */
static uint64_t since_mark(const struct peer *p, const struct traffic *t)
{
	uint64_t n = t->received - p->claimed;

	if (n && (t->fin || (t->reset && (n > 1 ||
					  t->segments == p->segments))))
		n--;
	return n;
}

static void leave(struct peer *p, enum err_code code, const char *what,
		  uint64_t bytes)
{
	struct call *c = peer_call(p, VIA_HTTP);

	p->last = true;
	err_set(&c->err, code, bytes ? "%s (%llu bytes)" : "%s", what,
		(unsigned long long)bytes);
	net_submit(p->net, NULL, c);
}

static void leave_head(struct peer *p, const struct traffic *t, uint64_t n)
{
	if (n >= HEAD_MAX)
		leave(p, ERR_headers_too_large, "the head is too large", n);
	else if (t->open)
		leave(p, ERR_request_timeout,
		      "the head did not arrive in time", n);
	else if (t->fin || t->reset)
		leave(p, ERR_bad_framing,
		      "the connection ended before the head did", n);
	else
		leave(p, ERR_bad_framing, "the head cannot be read as HTTP/1.1", n);
}

void rest_record(struct peer *p)
{
	struct traffic t;
	uint64_t n;

	p->over = true;
	if (p->last || p->call || p->ws ||
	    !traffic_of(p, &t))
		return;
	n = since_mark(p, &t);
	if (n && p->state == PEER_IDLE)
		leave_head(p, &t, n);
	else if (n || p->piped)
		leave(p, ERR_bad_framing, "more came behind a request before "
		      "its answer, and was not read", n);
}

void rest_refused(struct peer *p)
{
	if (!p->over && !p->last)
		leave(p, ERR_bad_framing, p->state == PEER_IDLE ?
		      "HTTP/1.1 is upgraded to a websocket only" :
		      "an upgrade came before the answer was out", 0);
}

void rest_stop(struct peer *p)
{
	struct traffic t;
	uint64_t n;

	if (p->state != PEER_IDLE || p->last ||
	    !traffic_of(p, &t))
		return;
	n = since_mark(p, &t);
	if (n)
		leave(p, ERR_stopping, "the agent stops", n);
}
