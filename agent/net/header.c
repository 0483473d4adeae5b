/* See header.h. One row a header; those that lws does not know go by name. */
#include "agent/net/header.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "agent/net/server.h"
#include "agent/net/tls.h"
#include "agent/store/token.h"
#include "common/clock.h"
#include "common/id.h"
#include "common/mem.h"

#define VALUE_MAX 1024

/* Is host "name" or "name:port" of ours? name has its port or any is fine. */
static bool same_host(const char *host, const char *name, size_t len,
		      bool any_port)
{
	if (strncasecmp(host, name, len))
		return false;
	return !host[len] || (any_port && host[len] == ':');
}

/* The certificate says who we are, so that a name in it is ours. */
static bool certified_host(const struct net *n, const char *host)
{
	const char *colon = strrchr(host, ':');
	char port[8];

	snprintf(port, sizeof(port), "%d", n->port);
	if (colon ? strcmp(colon + 1, port) : n->port != 443)
		return false;
	return tls_names(n->tls, host, colon ? (size_t)(colon - host) :
			 strlen(host));
}

/* What leads to the UNIX socket has any port: that of ssh -L, say. */
static bool own_host(const struct net *n, const struct from *from,
		     const char *host)
{
	const int plain = from->over == OVER_TLS ? 443 : 80;
	const char *names[] = {n->host, "localhost", "127.0.0.1"};
	char full[96];

	if (from->over == OVER_UNIX)
		return same_host(host, "localhost", 9, true) ||
		       same_host(host, "127.0.0.1", 9, true);
	if (from->over == OVER_TLS && certified_host(n, host))
		return true;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		int len = snprintf(full, sizeof(full), "%s:%d", names[i],
				   n->port);

		if (same_host(host, full, (size_t)len, false) ||
		    (n->port == plain && !strcasecmp(host, names[i])))
			return true;
	}
	return false;
}

static bool configured_host(const char *hosts, const char *host)
{
	while (hosts && *hosts) {
		size_t len = strcspn(hosts, " ");

		if (len && same_host(host, hosts, len,
				     !memchr(hosts, ':', len)))
			return true;
		hosts += len + strspn(hosts + len, " ");
	}
	return false;
}

void header_check_host(struct net *n, struct lws *wsi, struct call *c)
{
	char host[256];

	if (c->err.code)
		return;
	if (lws_hdr_total_length(wsi, WSI_TOKEN_ORIGIN))
		err_set(&c->err, ERR_forbidden_host,
			"a web page's Origin is not served");
	else if (lws_hdr_copy(wsi, host, sizeof(host), WSI_TOKEN_HOST) <= 0)
		err_set(&c->err, ERR_forbidden_host, "no Host is named");
	else if (!own_host(n, &c->from, host) &&
		 !configured_host(n->agent->settings->hosts, host))
		err_set(&c->err, ERR_forbidden_host,
			"Host %.100s is not served", host);
}

/* Who signs needs no token, and what was seen before it is known by itself. */
static bool is_hook(const struct call *c)
{
	return c->op && c->op->flags & OP_HOOK;
}

static void take_bearer(struct call *c, const char *value)
{
	if (is_hook(c))
		return;
	if (!strncasecmp(value, "bearer ", 7))
		c->bearer = xstrdup(value + 7 + strspn(value + 7, " "));
	else	/* no token, and not nothing: it does not count as nobody's */
		c->bearer = xstrdup("");
}

/* What is recorded as it was sent must not be a secret. */
static bool has_token(struct call *c, const char *name, const char *value)
{
	if (!token_in(value))
		return false;
	if (!c->err.code)
		err_set(&c->err, ERR_invalid_request,
			"%s is recorded, and has a token in it", name);
	return true;
}

static void take_if_match(struct call *c, const char *value)
{
	if (!has_token(c, "If-Match", value))
		c->if_match = xstrdup(value);
}

static void take_if_none_match(struct call *c, const char *value)
{
	c->if_none_match = xstrdup(value);
}

static void take_range(struct call *c, const char *value)
{
	c->range = xstrdup(value);
}

static void take_idempotency_key(struct call *c, const char *value)
{
	if (is_hook(c))
		return;
	if (strlen(value) > 255)
		err_set(&c->err, ERR_headers_too_large,
			"Idempotency-Key is over 255 bytes");
	else
		c->idempotency_key = xstrdup(value);
}

/* RFC 7240: "wait=30", maybe among others. */
static void take_prefer(struct call *c, const char *value)
{
	const char *wait = strcasestr(value, "wait=");
	long seconds = wait ? strtol(wait + 5, NULL, 10) : 0;

	if (seconds > 600)
		seconds = 600;
	if (seconds > 0)
		c->wait_us = seconds * SECOND;
}

static void take_correlation(struct call *c, const char *value)
{
	if (has_token(c, "X-Correlation-Id", value))
		return;
	if (correlation_valid(value))
		strcpy(c->correlation_id, value);
	else if (!c->err.code)
		err_set(&c->err, ERR_invalid_request,
			"X-Correlation-Id takes 1 to 128 of A-Za-z0-9._:-");
}

/* W3C trace context: 00-<trace id>-<parent id>-<flags>; else ignored. */
static void take_traceparent(struct call *c, const char *value)
{
	static const char zero[] = "00000000000000000000000000000000";

	if (c->correlation_id[0] || strlen(value) < 55 || value[2] != '-' ||
	    value[35] != '-' ||
	    strspn(value + 3, "0123456789abcdef") != 32 ||
	    !strncmp(value + 3, zero, 32))
		return;
	memcpy(c->correlation_id, value + 3, 32);
	c->correlation_id[32] = '\0';
}

/* Where a stream was when it broke beats where it once began. */
static void take_last_event_id(struct call *c, const char *value)
{
	if (!c->op || !(c->op->flags & OP_STREAM) || !*value)
		return;
	for (size_t i = 0; i < c->n_params; i++)
		if (!strcmp(c->params[i].name, "after_seq")) {
			free(c->params[i].value);
			c->params[i].value = xstrdup(value);
			return;
		}
	call_param_add(c, "after_seq", value);
}

static const struct {
	int token;		/* of lws; -1: by name */
	const char *name;	/* lower case, with the colon */
	void (*take)(struct call *c, const char *value);
} rows[] = {
	{-1, "x-correlation-id:", take_correlation},
	{-1, "traceparent:", take_traceparent},
	{WSI_TOKEN_HTTP_AUTHORIZATION, "authorization:", take_bearer},
	{WSI_TOKEN_HTTP_IF_MATCH, "if-match:", take_if_match},
	{WSI_TOKEN_HTTP_IF_NONE_MATCH, "if-none-match:", take_if_none_match},
	{WSI_TOKEN_HTTP_RANGE, "range:", take_range},
	{-1, "idempotency-key:", take_idempotency_key},
	{-1, "prefer:", take_prefer},
	{-1, "last-event-id:", take_last_event_id},
};

/* Bytes of the value; -1: there is no such header, -2: too long. */
static int copy(struct lws *wsi, int token, const char *name, char *out)
{
	int len, n = (int)strlen(name);

	len = token < 0 ? lws_hdr_custom_length(wsi, name, n) :
			  lws_hdr_total_length(wsi, token);
	if (len < 0 || (token >= 0 && !len))
		return -1;
	if (len >= VALUE_MAX)
		return -2;
	return token < 0 ? lws_hdr_custom_copy(wsi, out, VALUE_MAX, name, n) :
			   lws_hdr_copy(wsi, out, VALUE_MAX, token);
}

/* Only what the parsers take: application/json, or a merge patch. */
static void check_type(struct lws *wsi, struct call *c)
{
	static const char *const types[] = {"application/json",
					    "application/merge-patch+json"};
	char value[VALUE_MAX] = "";
	size_t len;

	if (c->err.code || (c->op && c->op->flags & (OP_RAW | OP_HOOK)) ||
	    copy(wsi, WSI_TOKEN_HTTP_CONTENT_TYPE, "content-type:",
		 value) == -1)
		return;
	len = strcspn(value, "; \t");
	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (len == strlen(types[i]) &&
		    !strncasecmp(value, types[i], len))
			return;
	err_set(&c->err, ERR_invalid_request,
		"Content-Type has to be application/json");
}

static void take(struct call *c, size_t row, const char *value)
{
	for (const char *at = value; *at; at++)
		if ((unsigned char)*at < ' ' || (unsigned char)*at > '~') {
			if (!c->err.code)
				err_set(&c->err, ERR_invalid_request,
					"%s has bytes that are not ASCII text",
					rows[row].name);
			return;
		}
	rows[row].take(c, value);
}

void header_take_all(struct lws *wsi, struct call *c, bool has_body)
{
	char value[VALUE_MAX];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int n = copy(wsi, rows[i].token, rows[i].name, value);

		if (n >= 0)
			take(c, i, value);
		else if (n == -2 && !c->err.code)
			err_set(&c->err, ERR_headers_too_large,
				"%s is over %d bytes", rows[i].name,
				VALUE_MAX - 1);
	}
	mem_wipe(value, sizeof(value));
	if (has_body)
		check_type(wsi, c);
}
