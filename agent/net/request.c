/*
 * See request.h. The framing is checked here to the letter, for lws takes
 * any number for a length and does not know chunks in requests.
 */
#include "agent/net/request.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "agent/net/header.h"
#include "agent/net/hook.h"
#include "agent/net/peer.h"
#include "agent/net/route.h"
#include "agent/net/server.h"
#include "common/mem.h"
#include "common/utf8.h"

#define PIECE 8192		/* of a query, decoded */
#define PATH_MAX_KEPT 1024	/* a record holds no more */

static const char *const methods[] = {
	[LWSHUMETH_GET] = "GET", [LWSHUMETH_POST] = "POST",
	[LWSHUMETH_OPTIONS] = "OPTIONS", [LWSHUMETH_PUT] = "PUT",
	[LWSHUMETH_PATCH] = "PATCH", [LWSHUMETH_DELETE] = "DELETE",
	[LWSHUMETH_CONNECT] = "CONNECT", [LWSHUMETH_HEAD] = "HEAD",
};

/* Does this method bring a body? lws expects 100 MiB of it if unsaid. */
static bool brings_body(int method)
{
	return method == LWSHUMETH_POST || method == LWSHUMETH_PUT ||
	       method == LWSHUMETH_PATCH;
}

static void must_close(struct request *rq)
{
	rq->close = rq->last = rq->now = true;
}

static void check_length(struct lws *wsi, int method, struct request *rq)
{
	char text[32];
	int n = lws_hdr_copy(wsi, text, sizeof(text),
			     WSI_TOKEN_HTTP_CONTENT_LENGTH);

	if (!lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH)) {
		rq->last |= brings_body(method);
		return;
	}
	if (n <= 0 || n > 15 || strspn(text, "0123456789") != (size_t)n) {
		err_set(&rq->call->err, ERR_bad_framing,
			"Content-Length is not a number");
		must_close(rq);
		return;
	}
	rq->length = strtoull(text, NULL, 10);
	if (rq->length && !brings_body(method)) {
		err_set(&rq->call->err, ERR_bad_framing,
			"%s has no body", methods[method]);
		must_close(rq);
	}
}

static void check_framing(struct lws *wsi, int method, struct request *rq)
{
	struct err *err = &rq->call->err;

	if (!lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_TRANSFER_ENCODING)) {
		check_length(wsi, method, rq);
		return;
	}
	if (lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH))
		err_set(err, ERR_bad_framing,
			"both Transfer-Encoding and Content-Length");
	else
		err_set(err, ERR_length_required,
			"Transfer-Encoding is not taken");
	rq->length = brings_body(method) ? UINT64_MAX : 0;
	must_close(rq);
}

/* HTTP/1.0 and "Connection: close" end with this answer. */
static void check_version(struct lws *wsi, struct request *rq)
{
	char text[128];

	if (lws_hdr_copy(wsi, text, sizeof(text), WSI_TOKEN_HTTP) <= 0 ||
	    strncmp(text, "HTTP/1.", 7)) {
		err_set(&rq->call->err, ERR_bad_framing,
			"only HTTP/1.1 is spoken here");
		must_close(rq);
		return;
	}
	rq->last |= !strcmp(text, "HTTP/1.0");
	if (lws_hdr_copy(wsi, text, sizeof(text), WSI_TOKEN_CONNECTION) < 0 ||
	    strcasestr(text, "close"))
		rq->last = true;
	if (lws_hdr_copy(wsi, text, sizeof(text), WSI_TOKEN_HTTP_EXPECT) > 0)
		rq->expects = !strcasecmp(text, "100-continue");
}

/* Take one decoded "name=value" as a param. */
static void take_piece(struct call *c, char *piece)
{
	char *value = strchr(piece, '=');

	if (!*piece)
		return;
	if (!utf8_valid(piece, strlen(piece))) {
		err_set(&c->err, ERR_invalid_request,
			"an argument of the query is not UTF-8");
		return;
	}
	if (value)
		*value++ = '\0';
	call_param_add(c, piece, value ? value : "");
}

static void take_query(struct lws *wsi, struct call *c)
{
	char piece[PIECE];

	for (int i = 0;; i++) {
		int n = lws_hdr_copy_fragment(wsi, piece, sizeof(piece),
					      WSI_TOKEN_HTTP_URI_ARGS, i);

		if (n < 0 && !lws_hdr_fragment_length(
				wsi, WSI_TOKEN_HTTP_URI_ARGS, i))
			return;
		if (n < 0) {
			err_set(&c->err, ERR_headers_too_large,
				"an argument of the query is over %d bytes",
				PIECE - 1);
			return;
		}
		/* "?" alone, which lws gives as "/", or "&" at the end */
		if (*piece && strcmp(piece, "/"))
			take_piece(c, piece);
	}
}

static void take_target(struct lws *wsi, int method, const char *path,
			struct request *rq)
{
	struct call *c = rq->call;

	c->method = xstrdup(methods[method]);
	c->path = xstrndup(path, PATH_MAX_KEPT);
	if (!utf8_valid(c->path, strlen(c->path)))
		for (char *at = c->path; *at; at++)
			if (*at & 0x80)
				*at = '?';
	c->head = method == LWSHUMETH_HEAD;
	if (c->err.code)
		return;
	c->op = route_find(c, c->method, path);
	if (!c->err.code)
		take_query(wsi, c);
}

/* How large a body this call may have; a file or an event has another limit. */
static void check_size(struct net *n, struct request *rq)
{
	const struct settings *s = n->agent->settings;
	const struct call *c = rq->call;
	bool raw = c->op && c->op->flags & OP_RAW && !c->err.code;
	int64_t most = c->hook ? c->hook->max_body :
		       raw ? s->max_upload : s->max_body;

	if (rq->now || rq->length <= (uint64_t)most)
		return;
	if (!c->err.code)
		err_set(&rq->call->err, ERR_body_too_large,
			"the body has %llu bytes; at most %lld are taken",
			(unsigned long long)rq->length, (long long)most);
	must_close(rq);
}

/* A file's length has to be known before it is taken. */
static void check_file(struct lws *wsi, struct request *rq)
{
	struct call *c = rq->call;

	if (!c->op || !(c->op->flags & OP_RAW) || c->err.code ||
	    lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH))
		return;
	err_set(&c->err, ERR_length_required,
		"a file comes with its Content-Length");
	must_close(rq);
}

static void check_upgrade(struct lws *wsi, struct request *rq)
{
	struct call *c = rq->call;

	if (c->err.code || (c->op && !strcmp(c->op->name, "ws")) ||
	    !lws_hdr_total_length(wsi, WSI_TOKEN_UPGRADE))
		return;
	err_set(&c->err, ERR_bad_framing,
		"only GET /ws becomes a websocket");
	must_close(rq);
}

void request_read(struct net *n, struct lws *wsi, struct request *rq)
{
	char *uri = NULL, *path;
	int len = 0, method = lws_http_get_uri_and_method(wsi, &uri, &len);

	memset(rq, 0, sizeof(*rq));
	rq->call = peer_call(peer_of(wsi), VIA_HTTP);
	if (method < 0 || method >= (int)ARRAY_LEN(methods)) {
		method = LWSHUMETH_GET;
		err_set(&rq->call->err, ERR_bad_framing, "no known method");
		must_close(rq);
	} else {
		check_framing(wsi, method, rq);
		check_version(wsi, rq);
		rq->close = rq->last;
	}
	path = xstrndup(uri ? uri : "/", uri ? (size_t)len : 1);
	header_check_host(n, wsi, rq->call);
	if (rq->call->err.code)
		rq->close = true;
	take_target(wsi, method, path, rq);
	hook_begin(n, wsi, rq->call);
	check_upgrade(wsi, rq);
	check_file(wsi, rq);
	header_take_all(wsi, rq->call, rq->length > 0);
	check_size(n, rq);
	free(path);
}
