/* See youtube_api.h. Names and limits as in the API's reference, v3. */
#include "agent/tools/youtube_api.h"

#include <stdlib.h>
#include <string.h>

#include "agent/tools/tool.h"
#include "agent/tools/web.h"
#include "agent/tools/youtube_auth.h"
#include "agent/tools/youtube_reply.h"
#include "common/err.h"
#include "common/json.h"
#include "common/mem.h"

#define BASE_URL "https://www.googleapis.com"
#define TRIES 4
#define LIMIT_MS 20000

static const struct err_row unreachable = {
	.code = "youtube_unreachable", .retryable = true,
	.hint = "Check the agent's network and proxy, then ask again.",
};
static const struct err_row confused = {
	.code = "youtube_protocol",
	.hint = "Check base-url in the [youtube] section of agent.conf; the "
		"server does not answer as the YouTube Data API v3 does.",
};
static char *base_of(const struct tool *t)
{
	char *base = xstrdup(tool_config(t, "base-url", BASE_URL));
	size_t len = strlen(base);

	while (len && base[len - 1] == '/')
		base[--len] = 0;
	if (!web_url_ok(base) || strpbrk(base, "?#"))
		tool_fail(err_row(ERR_bad_config), "youtube.base-url is not "
			  "an https URL (http only to this machine)");
	return base;
}

void api_open(struct api *api, const struct tool *t)
{
	api->t = t;
	api->base = base_of(t);
	api->auth = auth_open(t);
	api->web = web_open();
}

void api_close(struct api *api)
{
	web_close(api->web);
	auth_close(api->auth);
	free(api->base);
	*api = (struct api){0};
}

void api_failure(const struct api *api, struct failure *f)
{
	*f = (struct failure){.hide = auth_hide, .who = api->auth};
}

char *api_watch_url(const char *base, const char *id)
{
	if (!strcmp(base, BASE_URL))
		return xasprintf("https://www.youtube.com/watch?v=%s", id);
	return xasprintf("%s/watch?v=%s", base, id);
}

struct talk {
	const struct api *api;
	const char *method;
	char *url, *body;
	struct web_reply reply;
	struct api_reply *told;
};

static enum reply_kind say(struct talk *k)
{
	const char *headers[] = {
		auth_header(k->api->auth), "Accept: application/json",
		k->body ? "Content-Type: application/json; charset=UTF-8" :
			  NULL, NULL,
	};
	enum reply_kind kind;

	web_send(k->api->web, k->api->t, &(struct web_request){
		.method = k->method, .url = k->url, .headers = headers,
		.body = k->body, .len = k->body ? (int64_t)strlen(k->body) : 0,
		.limit_ms = LIMIT_MS}, &k->reply);
	kind = reply_kind(&k->reply);
	k->told->status = k->reply.status;
	k->told->left |= kind == REPLY_AGAIN && k->reply.sent > 0;
	return kind;
}

/* Signs in first, and once more where the token is not accepted. */
static enum reply_kind converse(struct talk *k, struct failure *f)
{
	const struct api *api = k->api;
	bool fresh = !auth_header(api->auth);
	enum reply_kind kind;
	int tries = 0;

	if (fresh && auth_refresh(api->auth, api->web, api->t, f))
		return REPLY_AUTH;
	for (;;) {
		kind = say(k);
		if (kind == REPLY_AUTH && !fresh) {
			fresh = true;
			if (auth_refresh(api->auth, api->web, api->t, f))
				return REPLY_AUTH;
		} else if (kind != REPLY_AGAIN || ++tries >= TRIES ||
			   !web_pause(api->t, tries - 1, &k->reply)) {
			return kind;
		}
	}
}

static json_t *understand(struct talk *k, enum reply_kind kind,
			  struct failure *f)
{
	const struct buf *b = &k->reply.body;
	json_t *v;

	if (kind == REPLY_AUTH && f->why)
		return NULL;		/* signing in has said why */
	if (kind == REPLY_AGAIN) {
		failure_set(f, &unreachable, "%s: %s (%ld)", k->method,
			    k->reply.why, k->reply.status);
		return NULL;
	}
	if (kind != REPLY_DONE) {
		reply_failure(&k->reply, "The channel", f);
		return NULL;
	}
	v = json_parse(b->data ? b->data : "", b->len, NULL);
	if (!json_is_object(v)) {
		json_decref(v);
		v = NULL;
		failure_set(f, &confused, "The channel's answer is not a JSON "
			    "object.");
	}
	return v;
}

json_t *api_call(const struct api *api, const char *method, const char *path,
		 const json_t *body, struct api_reply *reply,
		 struct failure *f)
{
	struct api_reply own = {0};
	struct talk k = {.api = api, .method = method,
			 .url = xasprintf("%s%s", api->base, path),
			 .body = body ? json_line(body, NULL) : NULL,
			 .told = reply ? reply : &own};
	json_t *v;

	*k.told = own;
	v = understand(&k, converse(&k, f), f);
	web_reply_fini(&k.reply);
	free(k.url);
	free(k.body);
	return v;
}
