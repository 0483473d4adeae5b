/* See youtube_auth.h. No token is ever part of a message. */
#include "agent/tools/youtube_auth.h"

#include <stdlib.h>
#include <string.h>

#include "agent/tools/tool.h"
#include "agent/tools/web.h"
#include "agent/tools/youtube_reply.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/json.h"
#include "common/mem.h"

#define TOKEN_URL "https://oauth2.googleapis.com/token"
#define TOKEN_MAX 4096
#define TRIES 6
#define BEARER "Authorization: Bearer "

struct auth {
	const char *url;	/* borrowed */
	json_t *client;
	char *header;
};

static const struct err_row not_configured = {
	.code = "youtube_not_configured",
	.hint = "Set client-file in the [youtube] section of agent.conf to a "
		"file of mode 0600 with {\"client_id\":\"...\","
		"\"client_secret\":\"...\",\"refresh_token\":\"...\"} of a "
		"Google Cloud OAuth client that may use the YouTube Data API.",
};
static const struct err_row unreachable = {
	.code = "youtube_unreachable", .retryable = true,
	.hint = "Check the agent's network and proxy; nothing was published.",
};

static json_t *read_client(const char *path)
{
	static const char *const needed[] = {"client_id", "client_secret",
					     "refresh_token"};
	char *text = tool_secret(path, &not_configured);
	json_t *client = json_parse(text, strlen(text), NULL);

	mem_wipe(text, strlen(text));
	free(text);
	if (!client)
		tool_fail(&not_configured, "%s is not a JSON object", path);
	for (size_t i = 0; i < ARRAY_LEN(needed); i++) {
		const char *v = json_str(client, needed[i]);

		if (!v || !*v)
			tool_fail(&not_configured, "%s: %s is missing", path,
				  needed[i]);
	}
	return client;
}

struct auth *auth_open(const struct tool *t)
{
	struct auth *a = xcalloc(1, sizeof(*a));
	const char *path = tool_config(t, "client-file", NULL);

	if (!path)
		tool_fail(&not_configured, "No YouTube client is configured.");
	a->url = tool_config(t, "token-url", TOKEN_URL);
	if (!web_url_ok(a->url))
		tool_fail(err_row(ERR_bad_config), "youtube.token-url is not "
			  "an https URL (http only to this machine)");
	a->client = read_client(path);
	return a;
}

static void forget(char **secret)
{
	if (*secret)
		mem_wipe(*secret, strlen(*secret));
	xfree(*secret);
}

void auth_close(struct auth *a)
{
	if (!a)
		return;
	forget(&a->header);
	json_decref(a->client);
	free(a);
}

const char *auth_header(const struct auth *a)
{
	return a->header;
}

/* application/x-www-form-urlencoded, everything but letters and digits. */
static void add_value(struct buf *form, const char *value)
{
	for (const unsigned char *c = (const void *)value; *c; c++)
		if ((*c >= '0' && *c <= '9') || (*c >= 'A' && *c <= 'Z') ||
		    (*c >= 'a' && *c <= 'z'))
			buf_add(form, c, 1);
		else
			buf_addf(form, "%%%02X", *c);
}

static void add_field(struct buf *form, const char *name, const char *value)
{
	buf_addf(form, "%s%s=", form->len ? "&" : "", name);
	add_value(form, value);
}

void auth_hide(const void *auth, char *text)
{
	const struct auth *a = auth;
	static const char *const names[] = {"client_secret", "refresh_token"};

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		const char *word = json_str(a->client, names[i]);
		struct buf sent = {0};

		add_value(&sent, word);
		hide_word(text, word);
		hide_word(text, sent.data);
		mem_wipe(sent.data, sent.len);
		buf_fini(&sent);
	}
	if (a->header)
		hide_word(text, a->header + strlen(BEARER));
}

/* It goes into a header: a b64token (RFC 6750), nothing that could end it. */
static bool token_ok(const char *token)
{
	size_t len = token ? strlen(token) : 0;

	return len && len <= TOKEN_MAX &&
	       strspn(token, "abcdefghijklmnopqrstuvwxyz"
			     "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
			     "0123456789-._~+/=") == len;
}

static int take_token(struct auth *a, const struct web_reply *r,
		      struct failure *f)
{
	json_t *body = json_parse(r->body.data ? r->body.data : "",
				  r->body.len, NULL);
	const char *token = json_str(body, "access_token");
	bool ok = token_ok(token);

	if (ok) {
		forget(&a->header);
		a->header = xasprintf(BEARER "%s", token);
	}
	json_decref(body);
	return ok ? 0 : failure_set(f, &unreachable, "Signing in: the answer "
				    "has no usable access_token.");
}

static void fill_form(const struct auth *a, struct buf *form)
{
	add_field(form, "grant_type", "refresh_token");
	add_field(form, "client_id", json_str(a->client, "client_id"));
	add_field(form, "client_secret", json_str(a->client, "client_secret"));
	add_field(form, "refresh_token", json_str(a->client, "refresh_token"));
}

int auth_refresh(struct auth *a, struct web *w, const struct tool *t,
		 struct failure *f)
{
	static const char *const headers[] = {
		"Content-Type: application/x-www-form-urlencoded",
		"Accept: application/json", NULL,
	};
	struct web_reply r = {0};
	struct buf form = {0};
	int rc = -1, tries = 0;
	enum reply_kind kind;

	fill_form(a, &form);
	do {
		web_send(w, t, &(struct web_request){
			.method = "POST", .url = a->url, .headers = headers,
			.body = form.data, .len = (int64_t)form.len,
			.limit_ms = 30000}, &r);
		kind = reply_kind(&r);
	} while (kind == REPLY_AGAIN && ++tries < TRIES &&
		 web_pause(t, tries - 1, &r));
	if (tool_cancelled(t))
		failure_set(f, err_row(ERR_cancelled), "Cancelled while "
			    "signing in.");
	else if (kind == REPLY_AGAIN)
		failure_set(f, &unreachable, "Signing in: %s (%ld), tried %d "
			    "times.", r.why, r.status, tries);
	else if (kind == REPLY_DONE)
		rc = take_token(a, &r, f);
	else
		reply_failure(&r, "Signing in", f);
	mem_wipe(form.data, form.len);
	buf_fini(&form);
	web_reply_fini(&r);
	return rc;
}
