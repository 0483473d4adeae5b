/*
 * See relay.h: how a connection comes, joins lws, and goes. What it passes on
 * in between is in relay_move.c.
 */
#include "agent/net/relay.h"

#include <errno.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/net/listen.h"
#include "agent/net/peer.h"
#include "agent/net/relay_inner.h"
#include "agent/net/server.h"
#include "agent/net/socket.h"
#include "agent/net/tls.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"

#define PATIENCE (10 * SECOND)	/* for a handshake, and for the last bytes */

static void on_closed(uv_handle_t *h)
{
	struct relay *r = h->data;

	if (!--r->handles)
		free(r);
}

void relay_drop(struct relay *r)
{
	struct linger now = {1, 0};
	struct net *n = r->net;

	if (r->dropped)
		return;
	r->dropped = true;
	*r->link = r->next;
	if (r->next)
		r->next->link = r->link;
	n->n_relays--;
	if (r->cut)
		setsockopt(r->outer, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	for (unsigned i = 0; i < r->handles; i++)
		uv_close((uv_handle_t *)&r->polls[i], on_closed);
	close(r->outer);
	if (r->inner >= 0)
		close(r->inner);
	tls_free(r->tls);
	r->tls = NULL;
	free(r->in.left);
	free(r->out.left);
	listen_resume(n);
}

static void turn(struct relay *r);

static void on_poll(uv_poll_t *h, int status, int events)
{
	struct relay *r = h->data;
	struct net *n = r->net;

	(void)events;
	turn(r);
	if (status < 0 && !r->dropped && h == &r->polls[0] && !r->in.end) {
		r->reset = true;
		turn(r);
	}
	net_leave(n);
}

static void watch_one(struct relay *r, unsigned i, int events)
{
	if (events)
		uv_poll_start(&r->polls[i], events, on_poll);
	else
		uv_poll_stop(&r->polls[i]);
}

static void watch(struct relay *r)
{
	int outer = 0, inner = 0;

	if (!r->in.left && !r->in.end && (!r->left || r->out.told))
		outer |= UV_READABLE;
	if (r->out.left || (r->tls && tls_wants_write(r->tls)))
		outer |= UV_WRITABLE;
	if (!r->shaking && !r->out.left && !r->out.end)
		inner |= UV_READABLE;
	if (r->in.left)
		inner |= UV_WRITABLE;
	watch_one(r, 0, outer);
	if (r->inner >= 0)
		watch_one(r, 1, inner);
}

/* lws gets its end; it makes the peer, or closes it. */
static int join(struct relay *r)
{
	struct net *n = r->net;
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
		       pair))
		return -1;
	r->inner = pair[0];
	uv_poll_init(&n->loop, &r->polls[1], r->inner);
	r->polls[1].data = r;
	r->handles = 2;
	r->shaking = false;
	r->deadline = 0;
	n->accepted = (struct accepted){r->address, r->from, r, NULL};
	lws_adopt_socket_vhost(n->vhost, pair[1]);
	r->peer = n->accepted.peer;
	n->accepted = (struct accepted){0};
	n->poke = true;
	return r->peer && !r->left ? 0 : -1;
}

/* A connection from which something came leaves its record. */
static void leave_record(struct relay *r, enum err_code code, const char *why)
{
	struct call *c = call_new(VIA_HTTP, NULL);

	c->peer = r->address;
	c->from = r->from;
	err_set(&c->err, code, "%s", why);
	net_submit(r->net, NULL, c);
}

static void fail(struct relay *r, enum err_code code, const char *why)
{
	if (tls_received(r->tls))
		leave_record(r, code, why);
	relay_drop(r);
}

static void shake(struct relay *r)
{
	char why[160];
	int rc = tls_shake(r->tls, why, sizeof(why));

	if (rc < 0) {
		fail(r, ERR_bad_framing, why);
		return;
	}
	if (!rc)
		return;
	tls_fingerprint(r->tls, r->from.cert);
	if (join(r))
		relay_drop(r);
}

static void turn(struct relay *r)
{
	if (r->dropped)
		return;
	if (r->shaking)
		shake(r);
	if (!r->dropped && !r->shaking)
		relay_move(r);
	if (!r->dropped)
		watch(r);
}

/* Who connected: the kernel keeps it as it was then. */
static int read_user(int fd, struct from *from)
{
	struct ucred who;
	socklen_t len = sizeof(who);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) ||
	    len != sizeof(who) || who.uid == (uid_t)-1)
		return -1;
	from->uid = who.uid;
	return 0;
}

void relay_open(struct net *n, enum over over, int fd, uint32_t address)
{
	struct relay *r = xcalloc(1, sizeof(*r));
	int one = 1, rc = 0;

	*r = (struct relay){.net = n, .next = n->relays, .link = &n->relays,
			    .outer = fd, .inner = -1, .address = address,
			    .from.over = over, .handles = 1};
	if (r->next)
		r->next->link = &r->next;
	n->relays = r;
	n->n_relays++;
	uv_poll_init(&n->loop, &r->polls[0], fd);
	r->polls[0].data = r;
	if (over == OVER_TLS) {
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		r->tls = tls_new(n->tls, fd);
		r->shaking = true;
		r->deadline = clock_mono_us() + PATIENCE;
	} else {
		rc = read_user(fd, &r->from) || join(r);
	}
	if (rc)
		relay_drop(r);
	else
		watch(r);
}

void relay_left(struct relay *r)
{
	r->peer = NULL;
	r->left = true;
	r->deadline = clock_mono_us() + (r->out.told ? RELAY_DRAIN : PATIENCE);
	relay_forget_unread(r);
	if (r->cut || r->reset)
		relay_drop(r);
	else
		watch(r);
}

void relay_cut(struct relay *r)
{
	r->cut = true;
}

/* lws shuts down what it gives up, and then tells. */
static bool lws_ended(const struct relay *r)
{
	struct pollfd p = {.fd = r->inner, .events = POLLRDHUP};

	return r->out.end || poll(&p, 1, 0) > 0;
}

bool relay_traffic(const struct relay *r, int fd, struct traffic *t)
{
	int unread = 0;

	if (ioctl(fd, SIOCINQ, &unread))
		return false;
	*t = (struct traffic){
		.received = r->received + r->in.end,	/* counts as one */
		.unread = (uint64_t)unread + r->in.len,
		.fin = r->in.end && !r->reset, .reset = r->reset,
		.open = !r->in.end && !lws_ended(r),
	};
	return true;
}

static void each(struct net *n, void (*fn)(struct relay *r))
{
	struct relay *next;

	for (struct relay *r = n->relays; r; r = next) {
		next = r->next;
		fn(r);
	}
}

static void tick(struct relay *r)
{
	if (r->left && r->out.told && r->net->stopping) {
		relay_drop(r);
	} else if (r->deadline && clock_mono_us() > r->deadline) {
		if (r->shaking) {
			fail(r, ERR_request_timeout, "the TLS handshake did "
			     "not end in time");
		} else {
			/* what the kernel has of it is still sent */
			r->cut = !r->out.told;
			relay_drop(r);
		}
	} else if (r->peer && r->tls && tls_outlived(r->tls)) {
		log_info("the certificate %.16s of a connection has expired",
			 r->from.cert);
		peer_kill(r->peer);
	}
}

void relay_tick(struct net *n)
{
	each(n, tick);
}

static void stop(struct relay *r)
{
	if (r->shaking)
		fail(r, ERR_stopping, "the agent stops");
}

void relay_stop(struct net *n)
{
	each(n, stop);
}

static void forget(struct relay *r)
{
	if (r->peer)
		r->peer->relay = NULL;
	relay_drop(r);
}

void relay_close(struct net *n)
{
	each(n, forget);
}
