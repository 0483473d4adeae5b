/* See sse.h. */
#include "agent/net/sse.h"

#include <string.h>

#include "agent/net/feed.h"
#include "agent/net/server.h"
#include "agent/net/peer.h"
#include "agent/net/watch.h"
#include "agent/store/record.h"
#include "common/clock.h"

#define OUT_MAX ((size_t)16384)		/* bytes a turn */

static void ready(void *arg)
{
	struct peer *p = arg;

	if (sub_failed(p->sub))
		peer_kill(p);
	else if (sub_event(p->sub))
		peer_wants(p);
}

void sse_begin(struct peer *p, const struct call *c)
{
	p->state = PEER_STREAM;
	p->sent = 0;
	p->beat = false;
	watch_begin(p, &c->who);
	p->sub = sub_open(p->net->feed, c, ready, p);
	lws_http_headers_detach(p->wsi);
	peer_moved(p);
	peer_wants(p);
}

/* Copy what fits of piece, which begins at *at of the event. */
static size_t piece(struct peer *p, size_t *at, const char *data, size_t len,
		    unsigned char *out, size_t room)
{
	size_t skip, n;

	if (p->sent >= *at + len) {
		*at += len;
		return 0;
	}
	skip = p->sent - *at;
	n = len - skip < room ? len - skip : room;
	memcpy(out, data + skip, n);
	p->sent += n;
	*at += len;
	return n;
}

/* Some of the event's frame, from where the last turn ended. */
static size_t frame(struct peer *p, const struct event *e,
		    unsigned char *out, size_t room)
{
	size_t at = 0, n = 0;

	n += piece(p, &at, e->head, e->head_len, out, room);
	if (n < room)
		n += piece(p, &at, e->record->line, e->record->len, out + n,
			   room - n);
	if (n < room)
		n += piece(p, &at, "\n\n", 2, out + n, room - n);
	if (p->sent == e->head_len + e->record->len + 2) {
		p->sent = 0;
		sub_next(p->sub);
	}
	return n;
}

int sse_writeable(struct peer *p)
{
	static const char ping[] = "event: ping\ndata: {}\n\n";
	unsigned char *out = p->net->scratch + LWS_PRE;
	const struct event *e;
	size_t n = 0;

	while (n < OUT_MAX && (e = sub_event(p->sub)))
		n += frame(p, e, out + n, OUT_MAX - n);
	if (sub_failed(p->sub))
		return -1;
	if (!n && p->beat) {
		n = sizeof(ping) - 1;
		memcpy(out, ping, n);
	}
	p->beat = false;
	peer_moved(p);
	if (n && lws_write(p->wsi, out, n, LWS_WRITE_HTTP) < 0)
		return -1;
	if (sub_event(p->sub))
		peer_wants(p);
	else if (p->net->stopping && !lws_partial_buffered(p->wsi))
		return -1;
	return 0;
}

/* A ping after 10 s of silence; if it cannot be sent, the peer is cut. */
void sse_tick(struct peer *p, int64_t now)
{
	if (now < p->beat_at || p->beat)
		return;
	p->beat = true;
	peer_wants(p);
}
