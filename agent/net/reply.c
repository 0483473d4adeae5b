/* See reply.h. */
#include "agent/net/reply.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "agent/net/file.h"
#include "agent/net/head.h"
#include "agent/net/server.h"
#include "agent/net/sse.h"
#include "agent/net/peer.h"
#include "common/clock.h"
#include "common/mem.h"

#define FLUSH_TIME (10 * SECOND)
#define FLUSH_RATE 131072		/* bytes a second that are expected */
#define DRAIN_TIME (5 * SECOND)
#define TRIES 20			/* turns of the loop */

static int put(struct peer *p, const struct buf *out)
{
	unsigned char *data = (unsigned char *)out->data + LWS_PRE;
	size_t len = out->len - LWS_PRE;

	p->deadline = clock_mono_us() + FLUSH_TIME +
		      (int64_t)(len / FLUSH_RATE) * SECOND;
	return lws_write(p->wsi, data, len, p->raw ? LWS_WRITE_RAW :
			 LWS_WRITE_HTTP_HEADERS) < 0 ? -1 : 0;
}

/* Bytes of the request's body that may still come. */
static bool body_comes(const struct peer *p)
{
	return !p->raw && p->got < p->want;
}

/* Nothing more comes from us; what still comes from there is thrown away. */
static void say_end(struct peer *p)
{
	shutdown(lws_get_socket_fd(p->wsi), SHUT_WR);
	p->deadline = clock_mono_us() + DRAIN_TIME;
}

/*
 * A peer that is still sending would lose the answer to a reset, so what it
 * sends is read and thrown away for a while.
 */
static void finish(struct peer *p, bool piped)
{
	bool partial = lws_partial_buffered(p->wsi);

	if (p->raw || (!partial && !body_comes(p))) {
		peer_end(p, !piped);
	} else if (piped) {
		peer_kill(p);	/* reading would take the next request */
	} else {
		p->state = PEER_FLUSH;
		p->close_after = true;
		if (partial)
			lws_callback_on_writable(p->wsi);
		else
			say_end(p);
	}
}

static void reply_over(struct peer *p, bool ok)
{
	if (!ok) {
		peer_kill(p);
	} else if (p->close_after) {
		finish(p, false);
	} else {
		bool partial = lws_partial_buffered(p->wsi);

		p->state = partial ? PEER_FLUSH : PEER_IDLE;
		p->deadline = partial ? p->deadline : 0;
		if (lws_http_transaction_completed(p->wsi))
			finish(p, false);
	}
}

int reply_flushed(struct peer *p)
{
	if (!p->close_after || lws_partial_buffered(p->wsi))
		return 0;
	if (!body_comes(p))
		return -1;
	say_end(p);
	return 0;
}

static void send_text(struct peer *p, struct call *c, bool piped)
{
	struct buf out = {0};
	bool ok;

	p->close_after |= piped || c->stream;
	buf_room(&out, LWS_PRE);
	out.len = LWS_PRE;
	head_write(&out, c, p->close_after);
	if (!c->head && c->fd < 0 && c->text_len)
		buf_add(&out, c->text, c->text_len);
	ok = !put(p, &out);
	buf_fini(&out);
	if (ok && piped)
		finish(p, true);
	else
		reply_over(p, ok);
}

/* A stream or a file: written as the peer takes it, while it is read from. */
static void send_rest(struct peer *p, struct call *c)
{
	struct buf out = {0};
	bool ok;

	p->close_after |= c->stream;
	buf_room(&out, LWS_PRE);
	out.len = LWS_PRE;
	head_write(&out, c, p->close_after);
	ok = !put(p, &out);
	buf_fini(&out);
	if (!ok)
		peer_kill(p);
	else if (c->stream)
		sse_begin(p, c);
	else
		file_begin(p, c);
}

static bool needs_quiet(const struct call *c)
{
	return !c->head && !c->err.code &&
	       (c->stream || (c->fd >= 0 && c->fd_len));
}

void reply_send(struct peer *p, struct call *c)
{
	struct net *n = p->net;
	enum piped piped = peer_piped(p);

	if (piped == PIPED_MAYBE && p->tries++ < TRIES) {
		c->next = n->later;
		n->later = c;
		uv_async_send(&n->wake);
		return;
	}
	p->tries = 0;
	p->piped = piped == PIPED_YES;
	if (!needs_quiet(c))
		send_text(p, c, piped != PIPED_NO);
	else if (piped == PIPED_NO)
		send_rest(p, c);
	else
		peer_kill(p);
	net_call_free(n, c);
}

int reply_now(struct peer *p, struct call *c)
{
	struct buf out = {0};

	buf_room(&out, LWS_PRE);
	out.len = LWS_PRE;
	head_write(&out, c, true);
	if (c->text_len)
		buf_add(&out, c->text, c->text_len);
	p->state = PEER_DEAD;
	if (put(p, &out))
		p->deadline = 0;
	buf_fini(&out);
	return -1;
}
