/*
 * witness add-checkpoint: one request to one C2SP witness. What it answers is
 * handed back as it is; the agent judges it. No tool of anybody: the agent
 * starts it itself, because a server can hang and a library with it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/tools/tool.h"
#include "agent/tools/web.h"
#include "common/err.h"
#include "common/json.h"
#include "common/mem.h"

#define ANSWER_MAX 16384	/* bytes: cosignatures are 100 each */

static const struct err_row unreachable = {
	.code = "witness_unreachable", .retryable = true,
	.hint = "Check the agent's network and that the witness is up.",
};
static const struct err_row refused = {
	.code = "witness_refused",
	.hint = "Check url and vkey of the witness in agent.conf.",
};

static char *place(const struct tool *t)
{
	const char *url = tool_need(t, "url");
	size_t len = strlen(url);

	if (!web_url_ok(url))
		tool_fail(err_row(ERR_invalid_args), "url is no https URL");
	while (len && url[len - 1] == '/')
		len--;
	return xasprintf("%.*s/add-checkpoint", (int)len, url);
}

static int add_checkpoint(const struct tool *t)
{
	static const char *const headers[] = {
		"Content-Type: text/plain; charset=utf-8", NULL};
	const char *body = tool_need(t, "body");
	char *url = place(t);
	struct web *w = web_open();
	struct web_reply r = {0};
	json_t *result;

	web_send(w, t, &(struct web_request){
		.method = "POST", .url = url, .headers = headers,
		.body = body, .len = (int64_t)strlen(body)}, &r);
	if (!r.status)
		tool_fail(&unreachable, "no answer: %s", r.why);
	if (r.body.len > ANSWER_MAX ||
	    (r.body.len && memchr(r.body.data, 0, r.body.len)))
		tool_fail(&refused, "it answered %ld with no text of at most "
			  "%d bytes", r.status, ANSWER_MAX);
	result = json_pack("{s:i, s:o}", "status", (int)r.status, "body",
			   json_lossy(r.body.data ? r.body.data : ""));
	web_reply_fini(&r);
	web_close(w);
	free(url);
	return tool_result(result);
}

int main(int argc, char **argv)
{
	struct tool *t;
	int rc;

	if (argc != 2 || strcmp(argv[1], "add-checkpoint")) {
		fprintf(stderr, "usage: witness add-checkpoint < "
			"request.json\n");
		return 2;
	}
	t = tool_open();
	rc = add_checkpoint(t);
	tool_free(t);
	return rc;
}
