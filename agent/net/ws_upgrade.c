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

#define PATIENCE (3 * SECOND)	/* that the loop has for who may come in */

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

static bool is_handshake(struct lws *wsi)
{
	char version[8];

	return lists(wsi, WSI_TOKEN_CONNECTION, "upgrade") && has_key(wsi) &&
	       lws_hdr_copy(wsi, version, sizeof(version),
			    WSI_TOKEN_VERSION) > 0 &&
	       !strcmp(version, "13") &&
	       lists(wsi, WSI_TOKEN_PROTOCOL, "kircerta.v1");
}

/* Does it ask for what it may have? Nothing is decided by this. */
static bool may_enter(struct peer *p, const struct call *c)
{
	return !c->err.code && c->op && !strcmp(c->op->name, "ws") &&
	       is_handshake(p->wsi) && gate_may(p->net->agent, c);
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

static int enter(struct peer *p, struct call *asked)
{
	char *bearer = asked->bearer ? xstrdup(asked->bearer) : NULL, *text;
	struct call *c;
	size_t len;

	p->last = asked->upgrades = true;
	c = core_call_now(p->net->core, asked, PATIENCE);
	if (!c || c->err.code) {	/* its record comes all the same */
		if (bearer)
			mem_wipe(bearer, strlen(bearer));
		free(bearer);
		if (c) {
			reply_now(p, c);
			net_call_free(p->net, c);
		}
		return -1;
	}
	text = hello(c, &len);
	p->ws = ws_new(bearer, text, len);
	p->state = PEER_SOCKET;
	watch_begin(p, &c->who);
	strcpy(p->net->correlation_id, c->correlation_id);
	net_call_free(p->net, c);
	return 0;
}

/*
 * lws wants to know at once, and a refusal is not worth holding up its loop:
 * with another name in the header the request stays the GET it is, as it may
 * (RFC 9110, 7.8), is read again and gets its answer like every other. Did
 * lws look at a copy, on_protocol would say no.
 */
int ws_upgrade(struct peer *p, char *token)
{
	struct request rq;

	if (p->state != PEER_IDLE || p->net->stopping)
		return -1;
	request_read(p->net, p->wsi, &rq);
	if (may_enter(p, rq.call))
		return enter(p, rq.call);
	net_call_free(p->net, rq.call);
	token[0] = '-';
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
