/*
 * See relay.h. Nothing is read that cannot be passed on: at most a piece in
 * each direction waits here, and what the kernel takes.
 */
#include "agent/net/relay_inner.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "agent/net/server.h"
#include "agent/net/socket.h"
#include "agent/net/tls.h"
#include "common/clock.h"
#include "common/mem.h"

#define PIECE 16384u		/* as large as a record of TLS is */
#define TURNS 8			/* pieces before others get theirs */

static void way_fini(struct way *w)
{
	free(w->left);
	w->left = NULL;
	w->len = 0;
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
			r->deadline = clock_mono_us() + RELAY_DRAIN;
		tls_end(r->tls);
		shutdown(r->outer, SHUT_WR);
	}
	if (r->reset && !(r->in.told && r->out.told)) {
		way_fini(&r->out);
		r->in.end = r->in.told = r->out.end = r->out.told = true;
		shutdown(r->inner, SHUT_RDWR);
	}
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
		relay_drop(r);
}

void relay_move(struct relay *r)
{
	if (!r->left)
		pump(r, &r->in, take, to_lws);
	pump(r, &r->out, from_lws, give);
	tell_ends(r);
	if (!r->left)
		return;
	if (r->cut || r->reset)
		relay_drop(r);
	else if (r->out.told)
		discard(r);
}

void relay_forget_unread(struct relay *r)
{
	way_fini(&r->in);
}
