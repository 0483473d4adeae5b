/*
 * notify send, notify tell: one message to one webhook, for a run and for the
 * agent itself. Its URL is a secret (whoever has it may post), so it is read
 * from a file and appears nowhere else.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/tools/notify_kinds.h"
#include "agent/tools/tool.h"
#include "agent/tools/web.h"
#include "common/err.h"
#include "common/json.h"
#include "common/mem.h"

#define TRIES 6
#define TITLE_MAX 200		/* bytes */
#define TEXT_MAX 4000

static const struct err_row not_configured = {
	.code = "notify_not_configured",
	.hint = "Set url-file in the [notify] section of agent.conf to a file "
		"of mode 0600 that holds the webhook's URL (https; http only "
		"to this machine), and kind to what is there.",
};
static const struct err_row unreachable = {
	.code = "notify_unreachable", .retryable = true,
	.hint = "Check the agent's network and proxy and that the receiving "
		"service is up.",
};
static const struct err_row refused = {
	.code = "notify_refused",
	.hint = "Make a new webhook at the receiving service and put its URL "
		"into url-file, and check kind: this one does not exist or is "
		"of another kind of service.",
};

/* "tell" is the agent's own word: there the args have what is configured. */
static const char *configured(const struct tool *t, bool tell,
			      const char *key, const char *arg,
			      const char *fallback)
{
	return tell ? tool_need(t, arg) : tool_config(t, key, fallback);
}

static const struct notify_kind *kind_of(const struct tool *t, bool tell)
{
	const struct notify_kind *k = notify_kind(configured(t, tell, "kind",
						"kind", "webhook"));

	if (!k)
		tool_fail(&not_configured, "kind is none of webhook, ntfy, "
			  "slack, discord, mattermost.");
	return k;
}

static char *url_of(const struct tool *t, bool tell)
{
	const char *path = configured(t, tell, "url-file", "url_file", NULL);
	char *url;

	if (!path)
		tool_fail(&not_configured, "No webhook is configured.");
	url = tool_secret(path, &not_configured);
	if (!web_url_ok(url))
		tool_fail(&not_configured, "%s holds no https URL", path);
	return url;
}

static const char *bounded(const char *name, const char *text, size_t max)
{
	if (text && strlen(text) > max)
		tool_fail(err_row(ERR_invalid_args), "%s is over %zu bytes",
			  name, max);
	return text;
}

/* What it is about: of the request, or of what the agent tells. */
static json_t *ids_of(const struct tool *t, bool tell)
{
	static const char *const ids[] = {"correlation_id", "task_id",
					  "criterion_ref", "run_id",
					  "approval_id", "event", "agent"};
	json_t *out = json_object();

	for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
		const char *id = tell ? tool_text(t, ids[i]) :
					tool_id(t, ids[i]);

		if (id)
			json_set_str(out, ids[i], id);
	}
	return out;
}

static void message(const struct tool *t, bool tell, struct notify_post *p)
{
	const char *title = bounded("title", tool_text(t, "title"), TITLE_MAX);
	json_t *ids = ids_of(t, tell);
	struct notify_message m = {
		.title = title ? title : "kircérta",
		.text = bounded("text", tool_need(t, "text"), TEXT_MAX),
		.priority = tool_choice(t, "priority",
					"normal low high urgent"),
		.ids = ids,
	};

	kind_of(t, tell)->render(&m, p);
	json_decref(ids);
}

/*
 * Nothing came, or "later". A message whose answer was lost is sent again:
 * twice told is better than not at all.
 */
static bool worth_another(long status)
{
	return !status || status == 408 || status == 429 || status >= 500;
}

static int deliver(const struct tool *t, int most, const char *url,
		   const struct notify_post *p, struct web_reply *r)
{
	struct web *w = web_open();
	int tries = 0;

	do {
		web_send(w, t, &(struct web_request){
			.method = "POST", .url = url,
			.headers = (const char *const *)p->headers,
			.body = p->body.data, .len = (int64_t)p->body.len,
			.limit_ms = 15000}, r);
		tries++;
	} while (worth_another(r->status) && tries < most &&
		 web_pause(t, tries - 1, r));
	web_close(w);
	return tries;
}

static void judge(const struct tool *t, const struct web_reply *r, int tries)
{
	if (r->status >= 200 && r->status < 300)
		return;
	if (tool_cancelled(t))
		tool_fail(err_row(ERR_cancelled),
			  "Cancelled after %d tries.", tries);
	if (!r->status)
		tool_fail(&unreachable, "No answer after %d tries: %s.",
			  tries, r->why);
	if (worth_another(r->status))
		tool_fail(&unreachable, "The webhook answered %ld, tried %d "
			  "times.", r->status, tries);
	tool_fail(&refused, "The webhook answered %ld%s.", r->status,
		  r->status / 100 == 3 ? "; redirects are not followed" : "");
}

static int notify_send(const struct tool *t, bool tell)
{
	struct notify_post post = {0};
	struct web_reply r = {0};
	char *url;
	int tries;
	json_t *result;

	message(t, tell, &post);
	url = url_of(t, tell);
	tries = deliver(t, tell ? 1 : TRIES, url, &post, &r);
	if (!tell || !r.status || !worth_another(r.status))
		judge(t, &r, tries);
	result = json_pack("{s:i, s:i}", "status", (int)r.status, "tries",
			   tries);
	if (tell && r.retry_after_s > 0)	/* the agent waits, not we */
		json_set_int(result, "retry_after_s", r.retry_after_s);
	web_reply_fini(&r);
	mem_wipe(url, strlen(url));
	free(url);
	notify_post_fini(&post);
	return tool_result(result);
}

int main(int argc, char **argv)
{
	struct tool *t;
	int rc;

	if (argc != 2 || (strcmp(argv[1], "send") && strcmp(argv[1], "tell"))) {
		fprintf(stderr, "usage: notify send|tell < request.json\n");
		return 2;
	}
	t = tool_open();
	rc = notify_send(t, !strcmp(argv[1], "tell"));
	tool_free(t);
	return rc;
}
