/* See gate.h. */
#include "agent/gate/gate.h"

#include <stdlib.h>
#include <string.h>

#include "agent/gate/account.h"
#include "agent/gate/authn.h"
#include "agent/gate/idem.h"
#include "agent/gate/policy.h"
#include "agent/gate/propose.h"
#include "agent/gate/sealed.h"
#include "agent/ops/approval_bound.h"
#include "agent/ops/op.h"
#include "agent/ops/quota.h"
#include "agent/ops/run.h"
#include "agent/ops/task.h"
#include "agent/ops/webhook.h"
#include "agent/store/journal.h"
#include "agent/store/policy.h"
#include "agent/store/state.h"
#include "common/clock.h"
#include "common/id.h"
#include "common/json.h"
#include "common/mem.h"

/* A frame names its operation; after this it is a call like any other. */
static json_t *read_frame(struct call *c)
{
	json_t *frame = json_parse(c->body, c->body_len, &c->err);
	json_t *params = json_object_get(frame, "params"), *id;
	const char *version = json_str(frame, "jsonrpc");
	const char *method = json_str(frame, "method");

	if (!frame)
		return NULL;
	id = json_object_get(frame, "id");
	if (json_is_string(id) || json_is_integer(id))
		c->rpc_id = json_incref(id);
	if (!version || strcmp(version, "2.0") || !method || !c->rpc_id ||
	    (params && !json_is_object(params)))
		err_set(&c->err, ERR_invalid_request, "not a JSON-RPC 2.0 "
			"request with method, id and an object of params");
	else if (!(c->op = op_for_rpc(method, params)))
		err_set(&c->err, ERR_not_found, "no operation %.100s", method);
	params = c->err.code ? NULL :
		 params ? json_incref(params) : json_object();
	json_decref(frame);
	return params;
}

static void scope_wanted(unsigned scopes, char out[48])
{
	scope_text(scopes, out);
	for (char *at = out; *at; at++)
		if (*at == ',')
			*at = '/';
}

static void authorize(struct call *c)
{
	char wanted[48];

	if (!c->op || (c->op->flags & OP_OPEN && !c->known) ||
	    (c->op->flags & OP_HOOK && c->known) ||
	    c->op->scopes & c->who.scopes)
		return;
	scope_wanted(c->op->scopes, wanted);
	err_set(&c->err, ERR_insufficient_scope, "%s needs %s", c->op->name,
		wanted);
}

static void now_or_later(struct agent *a, struct call *c, op_fn *fn)
{
	if (c->op->flags & OP_SLOW)
		c->slow = fn;
	else
		fn(a, c, &c->err);
}

void gate_slow(struct agent *a, struct call *c)
{
	op_fn *fn = c->slow;

	c->slow = NULL;
	fn(a, c, &c->err);
}

void gate_admit(struct agent *a, struct call *c)
{
	json_t *object = NULL;

	token_hide(c->method);
	token_hide(c->path);
	if (c->via == VIA_WEBSOCKET && !c->op && !c->err.code)
		object = read_frame(c);
	c->own_id = !correlation_valid(c->correlation_id);
	if (c->own_id)
		id_make('c', c->correlation_id);
	if (!c->op && !c->err.code) {	/* OPTIONS: the router has answered */
		authn_wipe(c);
		return;
	}
	authn(a, c);
	authn_wipe(c);
	if (!c->err.code)
		authorize(c);
	if (!c->err.code)
		args_check(a, c, object, &c->err);
	if (!c->err.code && c->op->prepare)
		now_or_later(a, c, c->op->prepare);
	if (!c->err.code && c->op->effect == EFFECT_READ)
		now_or_later(a, c, c->op->run);
	json_decref(object);
}

bool gate_may(struct agent *a, const struct call *c)
{
	struct actor who;

	return c->op && authn_who(a, c, &who) == TOKEN_GOOD &&
	       c->op->scopes & who.scopes;
}

/* What is accepted counts, whatever becomes of it. */
static void note_call(struct agent *a, const struct weight *w,
		      const struct verdict *v)
{
	if (!w->starting && v->rule != RULE_DENY)
		quota_call(a->quota, w->tool, clock_mono_us());
}

/* Mode and policy: the call may be parked, or refused and recorded. */
static int weigh(struct agent *a, struct call *c)
{
	enum mode mode = mode_named(agent_mode(a));
	struct verdict v;
	struct weight w;

	if (c->op->effect == EFFECT_TOOL) {
		tool_weigh(a, c, &w);
		v = policy_of_tool(a->policy, mode, &w);
		note_call(a, &w, &v);
	} else {
		v = policy_of(mode, c->op->effect);
	}
	c->parked = v.rule == RULE_APPROVE;
	c->denied = v.rule == RULE_DENY;
	c->reason = v.reason;
	xfree(c->rule);
	if (v.rule != RULE_ALLOW)
		c->rule = verdict_rule(a->policy, &v);
	if (!c->denied || c->via == VIA_INTERNAL)
		return 0;
	return agent_deny(a, c, call_str(c, "task_id"), v.reason,
			  c->op->effect == EFFECT_TOOL ?
			  json_pack("{s:s}", "tool", w.tool) : NULL, &c->err);
}

static void change(struct agent *a, struct call *c)
{
	bool drafted;

	if (authn_again(a, c) || idem_replay(a, c))
		return;
	idem_resume(a, c);
	drafted = propose_begin(a, c);
	if (!weigh(a, c) && !c->op->run(a, c, &c->err))
		idem_keep(a, c);
	if (drafted)
		propose_end(a, c);
}

void gate_finish(struct agent *a, struct call *c)
{
	if (*c->waits_run) {
		const json_t *run = state_doc(a->state, "run", c->waits_run);
		int status = run && run_is_over(run) ? 200 : 202;

		call_answer(c, run ? run_shown(run) : json_object());
		c->status = status;
	}
	account_request(a, c);
	call_render(c);
}

enum applied gate_apply(struct agent *a, struct call *c)
{
	if (gate_sealed(a, c))
		return APPLIED;
	if (propose_held(a, c)) {
		if (!strcmp(c->op->name, "task.halt"))
			task_halt_hurry(a, c);
		return APPLY_AGAIN;
	}
	if (!propose_returned(a, c) && !c->err.code && c->op &&
	    c->op->effect != EFFECT_READ)
		change(a, c);
	approval_settle(a, c);
	if (c->err.code == ERR_unauthenticated ||
	    c->err.code == ERR_bad_signature)
		account_failed(a, c);
	if (c->err.code || !c->draft)
		webhook_count(a, c);
	if (c->err.code && account_holds(a, c))
		return APPLY_HELD;
	if (c->err.code)
		account_refusal(a, c);
	else if (c->draft)
		return APPLY_PROPOSED;
	else if (c->waits_until)
		return APPLY_WAITS;
	gate_finish(a, c);
	return APPLIED;
}
