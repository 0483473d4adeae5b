/*
 * See relay.h. Nothing is read that cannot be passed on: at most a piece in
 * each direction waits here, and what the kernel takes.
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
#include "agent/net/server.h"
#include "agent/net/socket.h"
#include "agent/net/tls.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"

#define PIECE 16384u		/* as large as a record of TLS is */
#define TURNS 8			/* pieces before others get theirs */
#define DRAIN (2 * SECOND)	/* for the other side to end, too */
#define PATIENCE (10 * SECOND)	/* for a handshake, and for the last bytes */

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

static void on_closed(uv_handle_t *h)
{
	struct relay *r = h->data;

	if (!--r->handles)
		free(r);
}

static void way_fini(struct way *w)
{
	free(w->left);
	w->left = NULL;
	w->len = 0;
}

static void drop(struct relay *r)
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
	way_fini(&r->in);
	way_fini(&r->out);
	listen_resume(n);
}

/* As recv(2), and for TLS the same of what it had in it. */
static ssize_t take(struct relay *r, void *to, size_t len)
{
	return r->tls ? tls_read(r->tls, to, len) :
			recv(r->outer, to, len, 0);
}

static ssize_t give(struct relay *r, const void *data, size_t len)
{
	return r->tls ? tls_write(r->tls, data, len) :
			send(r->outer, data, len, MSG_NOSIGNAL);
}

static ssize_t from_lws(struct relay *r, void *to, size_t len)
{
	return recv(r->inner, to, len, 0);
}

static ssize_t to_lws(struct relay *r, const void *data, size_t len)
{
	return send(r->inner, data, len, MSG_NOSIGNAL);
}

static bool waits(ssize_t n)
{
	return n < 0 && (errno == EAGAIN || errno == EINTR);
}

typedef ssize_t read_fn(struct relay *r, void *to, size_t len);
typedef ssize_t write_fn(struct relay *r, const void *data, size_t len);

/* false: some is left, or nobody takes it any more. */
static bool pass(struct relay *r, struct way *w, write_fn *put,
		 const char *data, size_t len)
{
	size_t done = 0;
	ssize_t n = 1;

	while (done < len && n > 0) {
		n = put(r, data + done, len - done);
		done += n > 0 ? (size_t)n : 0;
	}
	if (done == len)
		return true;
	if (!waits(n)) {
		w->end = w->told = true;
		r->reset |= w == &r->out;
	} else {
		w->left = xmalloc(len - done);
		memcpy(w->left, data + done, len - done);
		w->at = 0;
		w->len = len - done;
	}
	return false;
}

/* What is left goes first. */
static bool flush(struct relay *r, struct way *w, write_fn *put)
{
	struct way old = *w;
	bool ok;

	if (!w->left)
		return true;
	w->left = NULL;
	w->len = 0;
	ok = pass(r, w, put, old.left + old.at, old.len);
	free(old.left);
	return ok;
}

/*
 * A reset takes what was not read yet with it; the kernel knows that it came.
 * What it was, and how much of it in clear, nobody does.
 */
static void count_lost(struct relay *r)
{
	struct traffic t;

	if (r->tls && socket_traffic(r->outer, &t) &&
	    t.received > tls_received(r->tls))
		r->received += t.received - tls_received(r->tls);
}

static void came_to_end(struct relay *r, struct way *w, bool broken)
{
	w->end = true;
	if (w == &r->in && broken && !r->reset) {
		r->reset = true;
		count_lost(r);
	}
}

static void pump(struct relay *r, struct way *w, read_fn *get, write_fn *put)
{
	char piece[PIECE];

	for (int i = 0; i < TURNS && flush(r, w, put) && !w->end; i++) {
		ssize_t n = get(r, piece, sizeof(piece));

		if (waits(n))
			return;
		if (n <= 0) {
			came_to_end(r, w, n < 0);
			return;
		}
		r->received += w == &r->in ? (size_t)n : 0;
		pass(r, w, put, piece, (size_t)n);
	}
}

/* Who is behind it has ended one direction, or both. */
static void tell_ends(struct relay *r)
{
	if (r->in.end && !r->in.left && !r->in.told) {
		r->in.told = true;
		shutdown(r->inner, SHUT_WR);
	}
	if (r->out.end && !r->out.left && !r->out.told) {
		r->out.told = true;
		if (r->left)
			r->deadline = clock_mono_us() + DRAIN;
		tls_end(r->tls);
		shutdown(r->outer, SHUT_WR);
	}
	if (r->reset && !(r->in.told && r->out.told)) {
		way_fini(&r->out);
		r->in.end = r->in.told = r->out.end = r->out.told = true;
		shutdown(r->inner, SHUT_RDWR);
	}
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
	drop(r);
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
		drop(r);
}

/*
 * With what came and was not read the end would be a reset, which takes the
 * answer with it: for a moment it is read and thrown away.
 */
static void discard(struct relay *r)
{
	char piece[PIECE];
	ssize_t n = 1;

	way_fini(&r->in);
	for (int i = 0; i < TURNS && n > 0 && !r->in.end; i++)
		n = recv(r->outer, piece, sizeof(piece), 0);
	r->in.end |= n <= 0 && !waits(n);
	if (r->in.end || r->net->stopping)
		drop(r);
}

static void move(struct relay *r)
{
	if (!r->left)
		pump(r, &r->in, take, to_lws);
	pump(r, &r->out, from_lws, give);
	tell_ends(r);
	if (!r->left)
		return;
	if (r->cut || r->reset)
		drop(r);
	else if (r->out.told)
		discard(r);
}

static void turn(struct relay *r)
{
	if (r->dropped)
		return;
	if (r->shaking)
		shake(r);
	if (!r->dropped && !r->shaking)
		move(r);
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
		drop(r);
	else
		watch(r);
}

void relay_left(struct relay *r)
{
	r->peer = NULL;
	r->left = true;
	r->deadline = clock_mono_us() + (r->out.told ? DRAIN : PATIENCE);
	way_fini(&r->in);
	if (r->cut || r->reset)
		drop(r);
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
	if (r->deadline && clock_mono_us() > r->deadline) {
		if (r->shaking) {
			fail(r, ERR_request_timeout, "the TLS handshake did "
			     "not end in time");
		} else {
			r->cut = true;
			drop(r);
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
	drop(r);
}

void relay_close(struct net *n)
{
	each(n, forget);
}
