/* See call.h: a call's life, and how its answer is put into words. */
#include "agent/ops/call.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/ops/draft.h"
#include "agent/ops/op.h"
#include "agent/ops/signature.h"
#include "agent/store/evidence.h"
#include "common/buf.h"
#include "common/clock.h"
#include "common/json.h"
#include "common/mem.h"

struct call *call_new(enum via via, const struct op *op)
{
	struct call *c = xcalloc(1, sizeof(*c));

	c->via = via;
	c->op = op;
	c->fd = -1;
	c->began_us = clock_mono_us();
	return c;
}

void call_free(struct call *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->n_params; i++) {
		free(c->params[i].name);
		free(c->params[i].value);
	}
	if (c->bearer)
		mem_wipe(c->bearer, strlen(c->bearer));
	if (c->upload)
		evidence_abort(c->upload);
	if (c->prepared_free)
		c->prepared_free(c->prepared);
	if (c->fd >= 0)
		close(c->fd);
	signature_free(c->signature);
	draft_free(c->draft);
	json_decref(c->holds);
	json_decref(c->args);
	json_decref(c->rpc_id);
	json_decref(c->answer);
	err_fini(&c->err);
	free(c->params);
	free(c->method);
	free(c->path);
	free(c->bearer);
	free(c->rule);
	free(c->body);
	free(c->idempotency_key);
	free(c->if_match);
	free(c->if_none_match);
	free(c->range);
	free(c->text);
	free(c->answer_text);
	free(c->location);
	free(c->etag);
	free(c->allow);
	free(c->types);
	free(c->filter_task);
	free(c);
}

void call_param_add(struct call *c, const char *name, const char *value)
{
	c->params = xrealloc(c->params, (c->n_params + 1) * sizeof(*c->params));
	c->params[c->n_params++] = (struct call_param){xstrdup(name),
						       xstrdup(value)};
}

const char *call_str(const struct call *c, const char *name)
{
	return json_str(c->args, name);
}

int64_t call_int(const struct call *c, const char *name, int64_t fallback)
{
	return json_int(c->args, name, fallback);
}

int call_answer(struct call *c, json_t *answer)
{
	json_decref(c->answer);
	xfree(c->answer_text);
	c->answer = answer;
	*c->sha = 0;
	c->status = 200;
	return 0;
}

int call_answer_text(struct call *c, char *text, size_t len)
{
	call_answer(c, NULL);
	c->answer_text = text;
	c->answer_len = len;
	return 0;
}

json_t *call_whole_answer(const struct call *c)
{
	json_t *whole;

	if (!c->answer || !*c->sha)
		return json_incref(c->answer);
	whole = json_copy(c->answer);
	json_set_str(whole, "sha", c->sha);
	return whole;
}

int call_file(struct call *c, int fd, uint64_t off, uint64_t len,
	      uint64_t size, const char *content_type)
{
	c->fd = fd;
	c->fd_off = off;
	c->fd_len = len;
	c->fd_size = size;
	c->content_type = content_type;
	return 0;
}

void call_unanswer(struct call *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	c->stream = c->replayed = false;
	xfree(c->text);
	xfree(c->location);
	xfree(c->etag);
	c->text_len = 0;
}

const char *via_name(enum via via)
{
	static const char *const names[] = {"http", "websocket", "internal"};

	return names[via];
}

/* JSON-RPC 2.0, section 5.1: the code says little, error.data all. */
static int rpc_code(const struct err *err)
{
	switch (err->code) {
	case ERR_invalid_json:
		return -32700;
	case ERR_not_found:
		return -32601;
	case ERR_invalid_request:
	case ERR_invalid_args:
		return -32602;
	case ERR_internal:
		return -32603;
	default:
		return -32000;
	}
}

static bool has_answer(const struct call *c)
{
	return c->answer || c->answer_text;
}

/* A document is not copied for the one member that is said with it. */
static void add_answer(struct buf *b, const struct call *c)
{
	if (c->answer_text)
		buf_add(b, c->answer_text, c->answer_len);
	else
		json_add_line(b, c->answer);
	if (*c->sha) {
		b->len--;		/* its brace */
		buf_addf(b, ",\"sha\":\"%s\"}", c->sha);
	}
}

/* JSON-RPC 2.0, section 5. */
static void render_rpc(struct call *c)
{
	json_t *problem, *error;
	struct buf b = {0};

	buf_adds(&b, "{\"jsonrpc\":\"2.0\",\"id\":");
	json_add_line(&b, c->rpc_id ? c->rpc_id : json_null());
	if (c->err.code) {
		problem = err_problem(&c->err, c->correlation_id);
		error = json_pack("{s:i,s:O,s:o}", "code", rpc_code(&c->err),
				  "message", json_object_get(problem, "title"),
				  "data", problem);
		buf_adds(&b, ",\"error\":");
		json_add_line(&b, error);
		json_decref(error);
	} else {
		buf_adds(&b, ",\"result\":");
		if (has_answer(c))
			add_answer(&b, c);
		else
			buf_adds(&b, "{}");
	}
	buf_adds(&b, "}");
	c->text = buf_take(&b, &c->text_len);
}

void call_render(struct call *c)
{
	struct buf b = {0};

	token_hide(c->err.detail);
	if (c->err.code)
		c->status = err_row(c->err.code)->status;
	else if (!c->status)
		c->status = 200;
	if (c->via == VIA_WEBSOCKET) {
		render_rpc(c);
		return;
	}
	if (c->err.code) {
		json_t *problem = err_problem(&c->err, c->correlation_id);

		xfree(c->text);
		c->text = json_line(problem, &c->text_len);
		c->content_type = "application/problem+json";
		json_decref(problem);
	} else if (!c->text && has_answer(c)) {
		add_answer(&b, c);
		c->text = buf_take(&b, &c->text_len);
	}
}
