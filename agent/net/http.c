/* See http.h. */
#include "agent/net/http.h"

#include <stdlib.h>
#include <string.h>

#include "agent/gate/gate.h"
#include "agent/net/file.h"
#include "agent/net/reply.h"
#include "agent/net/request.h"
#include "agent/net/rest.h"
#include "agent/net/server.h"
#include "agent/net/sse.h"
#include "agent/net/peer.h"
#include "agent/net/upload.h"
#include "agent/ops/signature.h"
#include "common/clock.h"
#include "common/mem.h"

#define UNASKED 16384u		/* bytes of JSON that anybody may send */
#define METHOD_MAX 32u		/* that a record names */

void http_submit(struct peer *p)
{
	struct call *c = p->call;

	p->call = NULL;
	p->state = PEER_BUSY;
	p->deadline = 0;
	rest_mark(p);
	lws_rx_flow_control(p->wsi, 0);
	lws_set_timeout(p->wsi, NO_PENDING_TIMEOUT, 0);
	if (!c->err.code && net_full(p->net, false) &&
	    net_full(p->net, gate_may(p->net->agent, c)))
		err_set(&c->err, ERR_overloaded,
			"%u requests are being answered", CALLS_MAX);
	net_submit(p->net, p, c);
}

static int say_continue(struct peer *p)
{
	static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
	unsigned char out[LWS_PRE + sizeof(text)];

	memcpy(out + LWS_PRE, text, sizeof(text) - 1);
	return lws_write(p->wsi, out + LWS_PRE, sizeof(text) - 1,
			 LWS_WRITE_HTTP_HEADERS) < 0 ? -1 : 0;
}

static bool takes_file(const struct call *c)
{
	return c->op && c->op->flags & OP_RAW && !c->err.code;
}

/*
 * More JSON than a stranger needs to be told so, from somebody who may not
 * ask for this at all: it would only take memory from those who may.
 */
static bool is_too_much(const struct peer *p)
{
	const struct call *c = p->call;

	return p->want > UNASKED && c->op && !c->err.code &&
	       !(c->op->flags & (OP_RAW | OP_HOOK)) &&
	       !gate_may(p->net->agent, c);
}

static int take_body(struct peer *p, bool expects)
{
	const struct timeouts *t = &p->net->agent->settings->timeouts;

	if ((takes_file(p->call) && upload_begin(p)) || is_too_much(p)) {
		p->close_after = p->last = true; /* not from just anybody */
		http_submit(p);
		return 0;
	}
	p->state = PEER_BODY;
	p->deadline = clock_mono_us() + (p->upload ? t->upload : t->body);
	if (expects && say_continue(p))
		return -1;
	return 0;
}

int http_request(struct peer *p)
{
	struct request rq;

	request_read(p->net, p->wsi, &rq);
	p->call = rq.call;
	p->close_after = rq.close;
	p->last = rq.last;
	p->want = rq.length;
	p->got = 0;
	if (!rq.now && (rq.length || takes_file(rq.call)))
		return take_body(p, rq.expects);
	http_submit(p);
	return 0;
}

static void give_up(struct peer *p, enum err_code code, const char *why)
{
	if (p->call->err.code == ERR_none)
		err_set(&p->call->err, code, "%s", why);
	p->close_after = p->last = true;
	upload_abort(p);
	http_submit(p);
}

static void keep(struct peer *p, const void *data, size_t len)
{
	size_t before = p->body.cap;

	if (p->net->body_bytes + len > BODIES_MAX) {
		give_up(p, ERR_overloaded, "too many bodies at once");
		return;
	}
	if (p->call->signature)
		signature_add(p->call->signature, data, len);
	buf_add(&p->body, data, len);
	p->net->body_bytes += p->body.cap - before;
}

/* It is refused whatever comes: then it takes no memory either. */
static bool is_lost(const struct call *c)
{
	return c->err.code || (c->signature && signature_why(c->signature));
}

int http_body(struct peer *p, const void *data, size_t len)
{
	if (p->state != PEER_BODY && p->state != PEER_BUSY &&
	    p->state != PEER_FLUSH)
		return -1;
	p->got += len;
	if (p->state != PEER_BODY || !len)
		return 0;	/* refused already: thrown away */
	if (p->upload)
		upload_data(p, data, len);
	else if (!is_lost(p->call))
		keep(p, data, len);
	return 0;
}

int http_body_end(struct peer *p)
{
	if (p->state == PEER_FLUSH)	/* a refused body is all there now */
		return -1;
	if (p->state != PEER_BODY)
		return p->state == PEER_BUSY ? 0 : -1;
	if (p->upload) {
		upload_end(p);
		return 0;
	}
	p->net->body_bytes -= p->body.cap;
	p->call->body = buf_take(&p->body, &p->call->body_len);
	http_submit(p);
	return 0;
}

int http_writeable(struct peer *p)
{
	switch (p->state) {
	case PEER_FILE:
		return file_writeable(p);
	case PEER_STREAM:
		return sse_writeable(p);
	case PEER_FLUSH:
		return reply_flushed(p);
	default:
		return 0;
	}
}

void http_intruder(struct peer *p)
{
	if (p->state == PEER_IDLE)
		return;
	if (p->state == PEER_FLUSH && !p->close_after &&
	    !lws_partial_buffered(p->wsi)) {
		p->state = PEER_IDLE;	/* the answer before is out */
		p->deadline = 0;
	} else {
		peer_kill(p);
	}
}

int http_upgrade(struct peer *p)
{
	struct request rq;

	if (p->state != PEER_IDLE)
		return -1;
	request_read(p->net, p->wsi, &rq);
	p->last = true;
	if (!rq.call->err.code)
		err_set(&rq.call->err, ERR_bad_framing,
			"HTTP/1.1 is upgraded to a websocket only");
	net_submit(p->net, NULL, rq.call);
	return -1;
}

/* What lws does not read: another method, or not HTTP at all. */
static void name_method(struct call *c, const char *data, size_t len)
{
	size_t n = 0;

	while (n < len && n < METHOD_MAX &&
	       ((data[n] >= 'A' && data[n] <= 'Z') || data[n] == '-'))
		n++;
	if (len > 1 && data[0] == 0x16 && data[1] == 3) {
		err_set(&c->err, ERR_bad_framing,
			"TLS is not spoken here");
	} else if (!n || n == len || data[n] != ' ') {
		err_set(&c->err, ERR_bad_framing,
			"the head cannot be read as HTTP/1.1");
	} else if (len >= 5 && !memcmp(data, "PRI *", 5)) {
		err_set(&c->err, ERR_bad_framing, "HTTP/2 is not spoken here");
	} else {
		c->method = xstrndup(data, n);
		c->allow = xstrdup("GET, HEAD, POST, PATCH, OPTIONS");
		err_set(&c->err, ERR_method_not_allowed,
			"this method is not spoken here");
	}
}

int http_raw(struct peer *p, const char *data, size_t len)
{
	if (p->state != PEER_RAW)
		return p->state == PEER_BUSY ? 0 : -1;
	p->call = peer_call(p, VIA_HTTP);
	name_method(p->call, data, len);
	p->raw = p->close_after = p->last = true;
	http_submit(p);
	return 0;
}

void http_late(struct peer *p)
{
	if (p->state == PEER_BODY && p->upload && upload_goes_on(p))
		return;
	if (p->state == PEER_BODY)
		give_up(p, ERR_request_timeout,
			"the body did not arrive in time");
	else if (p->state == PEER_FLUSH && !p->close_after &&
		 !lws_partial_buffered(p->wsi))
		p->deadline = 0;
	else
		peer_kill(p);
}

void http_stop(struct peer *p)
{
	if (p->state == PEER_BODY)
		give_up(p, ERR_stopping, "the agent stops");
	else
		rest_stop(p);
}
