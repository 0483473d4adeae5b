/*
 * timestamp stamp: one RFC 3161 time stamp of one SHA-256, verified before it
 * is handed back. No tool of anybody: the agent starts it itself, for its
 * checkpoints.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/tools/timestamp_request.h"
#include "agent/tools/tool.h"
#include "agent/tools/web.h"
#include "common/base64.h"
#include "common/err.h"
#include "common/json.h"
#include "common/mem.h"

#define REPLY_MAX 32768		/* bytes, with the authority's certificates */

static const struct err_row unreachable = {
	.code = "timestamp_unreachable", .retryable = true,
	.hint = "Check the agent's network and that the authority is up.",
};

static void fetch(const struct tool *t, const struct buf *query,
		  struct web_reply *r)
{
	static const char *const headers[] = {
		"Content-Type: application/timestamp-query",
		"Accept: application/timestamp-reply", NULL};
	const char *url = tool_need(t, "url");
	struct web *w = web_open();

	if (!web_url_ok(url))
		tool_fail(err_row(ERR_invalid_args), "url is no https URL");
	web_send(w, t, &(struct web_request){
		.method = "POST", .url = url, .headers = headers,
		.body = query->data, .len = (int64_t)query->len}, r);
	if (!r->status)
		tool_fail(&unreachable, "no answer: %s", r->why);
	if (r->status != 200)
		tool_fail(&unreachable, "it answered %ld", r->status);
	if (r->body.len > REPLY_MAX)
		tool_fail(&unreachable, "it answered over %d bytes",
			  REPLY_MAX);
	web_close(w);
}

static int stamp(const struct tool *t)
{
	const char *ca_file = tool_need(t, "ca_file");
	struct web_reply reply = {0};
	struct buf query = {0}, text = {0};
	struct stamp_request *r;
	struct stamp said;
	json_t *result;

	r = stamp_request_new(tool_need(t, "sha256"), tool_text(t, "policy"),
			      &query);
	fetch(t, &query, &reply);
	stamp_judge(r, reply.body.data, reply.body.len, ca_file, &said);
	base64_add(&text, reply.body.data, reply.body.len);
	result = json_pack("{s:s, s:s, s:s, s:s}", "reply", text.data, "time",
			   said.time, "serial", said.serial, "policy",
			   said.policy);
	stamp_request_free(r);
	web_reply_fini(&reply);
	buf_fini(&query);
	buf_fini(&text);
	return tool_result(result);
}

int main(int argc, char **argv)
{
	struct tool *t;
	int rc;

	if (argc != 2 || strcmp(argv[1], "stamp")) {
		fprintf(stderr, "usage: timestamp stamp < request.json\n");
		return 2;
	}
	t = tool_open();
	rc = stamp(t);
	tool_free(t);
	return rc;
}
