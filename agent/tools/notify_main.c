/*
 * notify send: one message to one webhook. Its URL is a secret (whoever has
 * it may post), so it is read from a file and appears nowhere else.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
		"to this machine).",
};
static const struct err_row unreachable = {
	.code = "notify_unreachable", .retryable = true,
	.hint = "Check the agent's network and proxy and that the receiving "
		"service is up.",
};
static const struct err_row refused = {
	.code = "notify_refused",
	.hint = "Make a new webhook at the receiving service and put its URL "
		"into url-file: this one does not exist or does not take "
		"{title, text, priority} as JSON.",
};

static char *url_of(const struct tool *t)
{
	const char *path = tool_config(t, "url-file", NULL);
	char *url;

	if (strcmp(tool_config(t, "kind", "webhook"), "webhook"))
		tool_fail(&not_configured, "notify.kind is not webhook, the "
			  "one kind that there is.");
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

static char *message(const struct tool *t)
{
	static const char *const ids[] = {"correlation_id", "task_id",
					  "criterion_ref", "run_id"};
	static const char *const priorities[] = {"normal", "low", "high",
						 "urgent"};
	const char *title = bounded("title", tool_text(t, "title"), TITLE_MAX);
	const char *text = bounded("text", tool_need(t, "text"), TEXT_MAX);
	int p = tool_choice(t, "priority", "normal low high urgent");
	json_t *v = json_pack("{s:s, s:s, s:s}", "title",
			      title ? title : "kircérta", "text", text,
			      "priority", priorities[p]);
	char *line;

	for (size_t i = 0; i < ARRAY_LEN(ids); i++)
		if (tool_id(t, ids[i]))
			json_set_str(v, ids[i], tool_id(t, ids[i]));
	line = json_line(v, NULL);
	json_decref(v);
	return line;
}

/*
 * Nothing came, or "later". A message whose answer was lost is sent again:
 * twice told is better than not at all.
 */
static bool worth_another(long status)
{
	return !status || status == 408 || status == 429 || status >= 500;
}

static int deliver(const struct tool *t, struct web *w, const char *url,
		   const char *body, struct web_reply *r)
{
	static const char *const headers[] = {
		"Content-Type: application/json; charset=utf-8", NULL};
	int tries = 0;

	do {
		web_send(w, t, &(struct web_request){
			.method = "POST", .url = url, .headers = headers,
			.body = body, .len = (int64_t)strlen(body),
			.limit_ms = 15000}, r);
		tries++;
	} while (worth_another(r->status) && tries < TRIES &&
		 web_pause(t, tries - 1, r));
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

static int notify_send(const struct tool *t)
{
	char *body = message(t), *url = url_of(t);
	struct web *w = web_open();
	struct web_reply r = {0};
	int tries = deliver(t, w, url, body, &r);
	json_t *result;

	judge(t, &r, tries);
	result = json_pack("{s:i, s:i}", "status", (int)r.status, "tries",
			   tries);
	web_reply_fini(&r);
	web_close(w);
	mem_wipe(url, strlen(url));
	free(url);
	free(body);
	return tool_result(result);
}

int main(int argc, char **argv)
{
	struct tool *t;
	int rc;

	if (argc != 2 || strcmp(argv[1], "send")) {
		fprintf(stderr, "usage: notify send < request.json\n");
		return 2;
	}
	t = tool_open();
	rc = notify_send(t);
	tool_free(t);
	return rc;
}
