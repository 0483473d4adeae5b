/* See hook.h. */
#include "agent/net/hook.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "agent/net/server.h"
#include "agent/ops/signature.h"
#include "agent/store/settings.h"
#include "agent/store/token.h"
#include "agent/store/webhook_secrets.h"
#include "common/mem.h"

#define NAME_MAX_SENT 40
#define VALUE_MAX 2048		/* of 16 signatures, the longest there is */

struct values { char part[WEBHOOK_PARTS][VALUE_MAX]; };

/*
 * What is compared or recorded is ASCII text. -1: it is not; else the length,
 * 0 where there is no such header.
 */
static int copy(struct lws *wsi, const char *header, char *out)
{
	char name[NAME_MAX_SENT];
	int n = snprintf(name, sizeof(name), "%s:", header), len;

	*out = 0;
	for (char *at = name; *at; at++)
		*at = (char)tolower((unsigned char)*at);
	len = lws_hdr_custom_length(wsi, name, n);
	if (len <= 0)
		return 0;
	if (len >= VALUE_MAX ||
	    lws_hdr_custom_copy(wsi, out, VALUE_MAX, name, n) < 0)
		return -1;
	for (const char *at = out; *at; at++)
		if (*at < ' ' || *at > '~')
			return -1;
	return strlen(out) == (size_t)len ? len : -1;
}

/* By its own name or its other one; by both only if they say the same. */
static int take(struct lws *wsi, enum webhook_scheme scheme,
		enum webhook_part part, char *out)
{
	const char *name = webhook_header(scheme, part);
	const char *alias = webhook_header_alias(scheme, part);
	char other[VALUE_MAX];
	int n = name ? copy(wsi, name, out) : 0, m;

	if (n < 0 || !alias)
		return n;
	m = copy(wsi, alias, other);
	if (!n && m > 0)
		memcpy(out, other, (size_t)m + 1);
	return m < 0 || (n && m && strcmp(out, other)) ? -1 : n + m;
}

static struct signature *begin(struct lws *wsi, struct call *c,
			       const struct webhook_key *keys)
{
	const enum webhook_scheme scheme =
		(enum webhook_scheme)c->hook->scheme;
	struct signature_shown shown = {{NULL}};
	struct values values;
	struct signature *s;
	bool spoiled = false;

	for (int i = 0; i < WEBHOOK_PARTS; i++) {
		int n = take(wsi, scheme, (enum webhook_part)i,
			     values.part[i]);

		spoiled |= n < 0;
		if (n > 0 && token_in(values.part[i]))
			token_refused(webhook_header(scheme,
						     (enum webhook_part)i),
				      &c->err);
		if (n > 0)
			shown.part[i] = values.part[i];
	}
	s = signature_begin(scheme, keys, WEBHOOK_SECRETS, &shown);
	if (spoiled)
		signature_spoil(s);
	return s;
}

static const char *source_of(const struct call *c)
{
	for (size_t i = 0; i < c->n_params; i++)
		if (!strcmp(c->params[i].name, "source"))
			return c->params[i].value;
	return "";
}

void hook_begin(struct net *n, struct lws *wsi, struct call *c)
{
	struct webhook_key keys[WEBHOOK_SECRETS];
	const struct agent *a = n->agent;

	if (!c->op || !(c->op->flags & OP_HOOK) || c->err.code)
		return;
	c->hook = settings_webhook_find(a->settings, source_of(c));
	if (!c->hook) {
		err_set(&c->err, ERR_not_found, "there is no such source");
		return;
	}
	if (webhook_secrets_keys(a->webhook_secrets, c->hook, keys) ==
	    WEBHOOK_SECRET_NONE)
		err_set(&c->err, ERR_webhook_not_configured,
			"this source has no secret that can be used");
	else
		c->signature = begin(wsi, c, keys);
	mem_wipe(keys, sizeof(keys));
}
