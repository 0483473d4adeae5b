/* See ws.h: the handshake, while the connection is still HTTP. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/gate/gate.h"
#include "agent/net/reply.h"
#include "agent/net/request.h"
#include "agent/net/server.h"
#include "agent/net/peer.h"
#include "agent/net/watch.h"
#include "agent/net/ws.h"
#include "common/clock.h"
#include "common/buf.h"
#include "common/mem.h"

#define PATIENCE (SECOND / 4)		/* that the loop has for the gate */
#define REFUSALS_MAX 20u		/* a second that get an answer, */
#define REFUSALS_US (SECOND / 10)	/* and the loop's time they may take */

/* Is token among the comma separated ones of this header? */
static bool lists(struct lws *wsi, int header, const char *token)
{
	char value[256], *save, *one;

	if (lws_hdr_copy(wsi, value, sizeof(value), header) <= 0)
		return false;
	one = strtok_r(value, ", \t", &save);
	while (one && strcasecmp(one, token))
		one = strtok_r(NULL, ", \t", &save);
	return one != NULL;
}

static bool has_key(struct lws *wsi)
{
	return lws_hdr_total_length(wsi, WSI_TOKEN_KEY) == 24;
}

/* What lws would only answer by hanging up. */
static void check_handshake(struct lws *wsi, struct call *c)
{
	char version[8];

	if (c->err.code)
		return;
	if (strcmp(c->op ? c->op->name : "", "ws"))
		err_set(&c->err, ERR_bad_framing,
			"only GET /ws becomes a websocket");
	else if (!lists(wsi, WSI_TOKEN_CONNECTION, "upgrade") ||
		 !has_key(wsi) ||
		 lws_hdr_copy(wsi, version, sizeof(version),
			      WSI_TOKEN_VERSION) <= 0 ||
		 strcmp(version, "13"))
		err_set(&c->err, ERR_bad_framing,
			"this is no handshake of websocket version 13");
	else if (!lists(wsi, WSI_TOKEN_PROTOCOL, "kircerta.v1"))
		err_set(&c->err, ERR_bad_framing,
			"Sec-WebSocket-Protocol has to name kircerta.v1");
}

/*
 * A refusal blocks the loop for a sync: of a flood of them most get no
 * answer, only their record. Who may come in, may.
 */
static bool flooded(struct net *n, const struct call *c)
{
	int64_t now = clock_mono_us();

	if (now - n->refused_at > SECOND) {
		n->refused_at = now;
		n->refused = 0;
		n->refused_us = 0;
	}
	return (n->refused >= REFUSALS_MAX || n->refused_us > REFUSALS_US) &&
	       (c->err.code || !gate_may(n->agent, c));
}

static char *hello(const struct call *c, size_t *len)
{
	struct buf b = {0};

	buf_adds(&b, "{\"jsonrpc\":\"2.0\",\"method\":\"hello\","
		     "\"params\":");
	if (c->text_len)
		buf_add(&b, c->text, c->text_len);
	else
		buf_adds(&b, "{}");
	buf_adds(&b, "}");
	return buf_take(&b, len);
}

/* c is NULL if the gate took too long; the record comes all the same. */
static int refused(struct peer *p, struct call *c, int64_t began)
{
	p->net->refused++;
	p->net->refused_us += clock_mono_us() - began;
	if (c) {
		reply_now(p, c);
		net_call_free(p->net, c);
	}
	return -1;
}

int ws_upgrade(struct peer *p)
{
	struct request rq;
	struct call *c;
	char *bearer, *text;
	int64_t began = clock_mono_us();
	size_t len;

	if (p->state != PEER_IDLE || p->net->stopping)
		return -1;
	request_read(p->net, p->wsi, &rq);
	p->last = true;
	check_handshake(p->wsi, rq.call);
	if (flooded(p->net, rq.call)) {
		net_submit(p->net, NULL, rq.call);
		return -1;
	}
	bearer = rq.call->bearer ? xstrdup(rq.call->bearer) : NULL;
	c = core_call_now(p->net->core, rq.call, PATIENCE);
	if (!c || c->err.code) {
		if (bearer)
			mem_wipe(bearer, strlen(bearer));
		free(bearer);
		return refused(p, c, began);
	}
	text = hello(c, &len);
	p->ws = ws_new(bearer, text, len);
	p->state = PEER_SOCKET;
	watch_begin(p, &c->who);
	strcpy(p->net->correlation_id, c->correlation_id);
	net_call_free(p->net, c);
	return 0;
}

int ws_add_headers(struct peer *p, struct lws_process_html_args *args)
{
	int n = snprintf(args->p, (size_t)args->max_len,
			 "X-Correlation-Id: %s\r\n", p->net->correlation_id);

	if (n < 0 || n >= args->max_len)
		return -1;
	args->p += n;
	return 0;
}
