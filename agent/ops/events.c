/* Subscriptions: what a stream starts with; the records are the loop's. */
#include <stdlib.h>

#include "agent/ops/glass.h"
#include "agent/ops/handlers.h"
#include "agent/store/index.h"
#include "agent/store/journal.h"
#include "agent/store/settings.h"
#include "common/json.h"
#include "common/mem.h"

static int subscribe(struct call *c, uint64_t now)
{
	int64_t after = call_int(c, "after_seq", -1);

	c->stream = true;
	c->from_now = after < 0;
	c->after_seq = after < 0 ? now : (uint64_t)after;
	c->types = xstrdup(call_str(c, "types"));
	c->filter_task = xstrdup(call_str(c, "task_id"));
	return call_answer(c, json_pack("{s:b,s:I}", "subscribed", 1,
					"after_seq",
					(json_int_t)c->after_seq));
}

int op_events(struct agent *a, struct call *c, struct err *err)
{
	if (c->via != VIA_HTTP)
		return err_set(err, ERR_invalid_request,
			       "over the websocket it is events.subscribe");
	return subscribe(c, journal_head(a->journal).seq);
}

int op_events_subscribe(struct agent *a, struct call *c, struct err *err)
{
	(void)err;
	return subscribe(c, journal_head(a->journal).seq);
}

static json_t *scopes_json(unsigned scopes)
{
	json_t *list = json_array();

	for (unsigned one = 1; one <= SCOPE_RUNNER; one <<= 1)
		if (scopes & one)
			json_array_append_new(list,
					      json_string(scope_name(one)));
	return list;
}

static json_t *params_json(const struct op *op)
{
	static const char *const kinds[] = {
		[ARG_TEXT] = "string", [ARG_ID] = "id", [ARG_NAME] = "id",
		[ARG_SHA256] = "sha256", [ARG_SHA1] = "sha1",
		[ARG_INT] = "integer", [ARG_NUMBER] = "number",
		[ARG_BOOL] = "boolean", [ARG_TIME] = "time",
		[ARG_ENUM] = "enum", [ARG_OBJECT] = "object",
		[ARG_ARRAY] = "array",
	};
	json_t *list = json_array();

	for (const struct arg *g = op->args; g->name; g++)
		if (!(g->flags & ARG_NEVER))
			json_array_append_new(list, json_pack(
				"{s:s,s:s,s:b}", "name", g->name, "type",
				kinds[g->kind], "required",
				g->flags & ARG_REQUIRED));
	return list;
}

static json_t *operations_json(void)
{
	json_t *list = json_array();

	for (size_t i = 0; i < ops_count; i++)
		if (ops[i].scopes)
			json_array_append_new(list, json_pack(
				"{s:s,s:o,s:s,s:o}", "name", ops[i].name,
				"scope", scopes_json(ops[i].scopes), "summary",
				ops[i].summary, "params",
				params_json(&ops[i])));
	return list;
}

/* The params of hello, the first frame of a websocket. */
int op_ws(struct agent *a, struct call *c, struct err *err)
{
	json_t *mode, *hello;

	if (!c->upgrades) {
		err_set(err, ERR_bad_framing, "open it with a websocket's "
			"handshake, version 13, protocol kircerta.v1");
		return -1;
	}
	mode = glass_broken(a) ? glass_mode(a) :
	       reader_doc(c->reader, "mode", "mode", NULL);
	hello = json_pack("{s:i,s:s,s:s,s:s,s:o,s:s,s:I,s:o}",
		"protocol", 1, "agent", a->settings->name, "version",
		a->version, "actor", c->who.name, "scopes",
		scopes_json(c->who.scopes), "mode",
		mode ? json_str(mode, "mode") : "normal", "seq",
		(json_int_t)journal_head(a->journal).seq, "operations",
		operations_json());
	json_decref(mode);
	call_answer(c, hello);
	c->status = 101;
	return 0;
}
