/* See link_rpc.h. */
#include "console/link_rpc.h"

#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "common/json.h"
#include "common/mem.h"

struct call {
	struct call *next;
	json_int_t id;
	link_reply *reply;
	void *call;
};

struct rpc {
	struct rpc_out out;
	const struct link_events *events;
	void *data;
	json_int_t last_id;
	struct call *calls;
};

struct rpc *rpc_new(const struct rpc_out *out,
		    const struct link_events *events, void *data)
{
	struct rpc *r = xcalloc(1, sizeof(*r));

	r->out = *out;
	r->events = events;
	r->data = data;
	return r;
}

void rpc_free(struct rpc *r)
{
	while (r && r->calls) {
		struct call *c = r->calls;

		r->calls = c->next;
		free(c);
	}
	free(r);
}

static json_t *problem_of(const char *code, const char *detail,
			  const char *hint)
{
	return json_pack("{s:s, s:s, s:s}", "error_code", code, "detail",
			 detail, "remediation_hint", hint);
}

static void reply_lost(struct rpc *r, link_reply *reply, void *call)
{
	json_t *p = problem_of("not_connected", "the connection is lost",
			       "It is made again by itself.");

	reply(r->data, call, NULL, p);
	json_decref(p);
}

void rpc_call(struct rpc *r, bool up, const char *method, json_t *params,
	      link_reply *reply, void *call)
{
	json_t *message;
	struct call *c;
	char *text;
	size_t len;

	if (!up) {
		json_decref(params);
		reply_lost(r, reply, call);
		return;
	}
	c = xmalloc(sizeof(*c));
	*c = (struct call){r->calls, ++r->last_id, reply, call};
	r->calls = c;
	message = json_pack("{s:s, s:I, s:s, s:o}", "jsonrpc", "2.0", "id",
			    c->id, "method", method, "params", params);
	text = json_line(message, &len);
	json_decref(message);
	r->out.send(r->out.data, text, len);
	free(text);
}

static struct call *take_call(struct rpc *r, const json_t *id)
{
	for (struct call **at = &r->calls, *c; (c = *at); at = &c->next)
		if (json_is_integer(id) && json_integer_value(id) == c->id) {
			*at = c->next;
			return c;
		}
	return NULL;
}

static void answered(struct rpc *r, const json_t *message)
{
	struct call *c = take_call(r, json_object_get(message, "id"));
	const json_t *result = json_object_get(message, "result");
	const json_t *error = json_object_get(message, "error");
	const json_t *data = json_object_get(error, "data");
	const char *text = json_str(error, "message");
	json_t *own = NULL;

	if (!c)
		return;
	if (!result && !json_is_object(data))
		own = problem_of("internal", text ? text : "refused",
				 "Look at the agent's log.");
	c->reply(r->data, c->call, result, result ? NULL : own ? own : data);
	json_decref(own);
	free(c);
}

int rpc_receive(struct rpc *r, const char *text, size_t len, struct err *err)
{
	json_t *message = json_parse(text, len, err);
	const char *method = json_str(message, "method");
	const json_t *params = json_object_get(message, "params");
	const json_t *record = json_object_get(params, "record");

	if (!message)
		return -1;
	if (!method)
		answered(r, message);
	else if (!strcmp(method, "hello"))
		r->out.hello(r->out.data, params);
	else if (!strcmp(method, "event"))
		r->events->event(r->data, record ? record : params);
	else if (!strcmp(method, "gap"))
		r->events->gap(r->data, params);
	json_decref(message);
	return 0;
}

void rpc_lost(struct rpc *r)
{
	while (r->calls) {
		struct call *c = r->calls;

		r->calls = c->next;
		reply_lost(r, c->reply, c->call);
		free(c);
	}
}
