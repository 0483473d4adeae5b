/* See account.h. */
#include "agent/gate/account.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "agent/gate/fold.h"
#include "agent/ops/failures.h"
#include "agent/ops/op.h"
#include "agent/ops/signature.h"
#include "agent/store/settings_webhook.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/json.h"
#include "common/mem.h"

/* Where it came from: an address, or a user of this machine. */
static void put_peer(json_t *data, enum over over, uint32_t peer)
{
	char text[INET_ADDRSTRLEN], said[64];

	if (over != OVER_TCP)
		json_set_str(data, "over", over_name(over));
	if (over == OVER_UNIX)
		snprintf(said, sizeof(said), "uid:%u", peer);
	else if (peer && inet_ntop(AF_INET, &peer, text, sizeof(text)))
		snprintf(said, sizeof(said), "%s%s", text, ntohl(peer) >> 24 ==
			 IN_LOOPBACKNET ? " (loopback)" : "");
	else
		return;
	json_set_str(data, "peer", said);
}

void account_where(json_t *data, const struct from *from, uint32_t address)
{
	char said[24];

	put_peer(data, from->over, from->over == OVER_UNIX ? from->uid :
		 address);
	if (!*from->cert)
		return;
	snprintf(said, sizeof(said), "cert:%.16s", from->cert);
	json_set_str(data, "certificate", said);
}

static void put_from(json_t *data, const struct call *c)
{
	account_where(data, &c->from, c->peer);
}

static void put_detail(json_t *data, const char *detail)
{
	if (detail && *detail)
		json_object_set_new(data, "detail", json_lossy(detail));
}

static bool unknown(enum err_code code)
{
	return code == ERR_unauthenticated || code == ERR_too_many;
}

/* What the answer does not say: why it is nobody. */
static void put_fault(json_t *data, enum token_state fault, const char *id)
{
	if (fault)
		json_set_str(data, "reason", token_state_name(fault));
	if (*id)
		json_set_str(data, "token_id", id);
}

void account_failed(struct agent *a, struct call *c)
{
	const int64_t now = clock_mono_us();
	json_t *from = json_object();
	const char *peer;
	unsigned wait, more;

	put_from(from, c);
	peer = json_str(from, "peer");
	wait = failures_add(a->failures, peer ? peer : "", now);
	more = *c->fault_id ? failures_add(a->failures, c->fault_id, now) : 0;
	json_decref(from);
	if (!wait && !more)
		return;
	c->retry_after_s = wait > more ? wait : more;
	err_fini(&c->err);
	err_set(&c->err, ERR_too_many, "too many failed authentications; "
		"wait %u s", c->retry_after_s);
}

/* Which source, and what the answer does not say: what is wrong with it. */
static void put_hook(json_t *data, const struct webhook_conf *hook,
		     enum err_code code, const char *why)
{
	json_set_str(data, "source", hook->name);
	json_set_str(data, "reason", err_row(code)->code);
	if (why)
		json_set_str(data, "why", why);
}

void account_refusal(struct agent *a, struct call *c)
{
	struct fact fact = {.status = err_row(c->err.code)->status};

	token_hide(c->err.detail);
	if (c->hook && c->prepared)
		return;			/* what it says tells why itself */
	if (c->hook) {
		fact.type = "webhook_rejected";
		fact.data = json_object();
		put_hook(fact.data, c->hook, c->err.code,
			 c->signature ? signature_why(c->signature) : NULL);
		put_detail(fact.data, c->err.detail);
		put_from(fact.data, c);
	} else if (unknown(c->err.code) && !c->known) {
		fact.type = "auth_failed";
		fact.data = json_object();
		put_fault(fact.data, c->fault, c->fault_id);
		put_detail(fact.data, "no valid token");
		put_from(fact.data, c);
	} else if (c->err.code == ERR_admin_field ||
		   c->err.code == ERR_self_approval ||
		   c->err.code == ERR_insufficient_scope) {
		fact.type = "policy_denied";
		fact.data = json_pack("{s:s,s:s}", "reason",
				      err_row(c->err.code)->code, "operation",
				      c->op->name);
		json_object_set_new(fact.data, "detail",
				    json_lossy(c->err.detail));
	} else {
		return;
	}
	agent_record(a, c, &fact, NULL);
}

/* The argument that names something of this kind, if the call has one. */
static const char *named(const struct call *c, const char *kind)
{
	if (!c->op || !c->args)
		return NULL;
	for (const struct arg *g = c->op->args; g->name; g++)
		if (g->kind == ARG_ID && !strcmp(g->of, kind))
			return call_str(c, g->name);
	return NULL;
}

static void put_once(json_t *data, const char *key, const char *text)
{
	if (text)
		json_set_str(data, key, text);
}

void account_request(struct agent *a, struct call *c)
{
	struct fact fact = {.type = "request"};
	struct err err = {0};

	if (c->via == VIA_INTERNAL)
		return;
	fact.data = json_object();
	fact.status = c->err.code ? err_row(c->err.code)->status :
		      c->status ? c->status : 200;
	fact.task_id = named(c, "task");
	fact.run_id = named(c, "run");
	put_once(fact.data, "operation", c->op ? c->op->name : NULL);
	put_once(fact.data, "token_id", c->known ? c->who.token_id : NULL);
	put_once(fact.data, "error_code",
		 c->err.code ? err_row(c->err.code)->code : NULL);
	if (c->op && c->op->route && c->path && strcmp(c->path, c->op->route))
		put_once(fact.data, "path", c->path);
	if (c->err.code && !c->known)
		put_detail(fact.data, c->err.detail);
	put_from(fact.data, c);
	json_set_int(fact.data, "us", clock_mono_us() - c->began_us);
	if (agent_record(a, c, &fact, &err)) {
		err_fini(&c->err);
		c->err = err;
	}
}


bool account_holds(struct agent *a, struct call *c)
{
	token_hide(c->err.detail);
	return !c->known && c->via != VIA_INTERNAL &&
	       fold_hold(a->fold, c, clock_mono_us(), clock_wall_us());
}

static json_t *folded_data(const struct folded *d)
{
	char first[CLOCK_TEXT], last[CLOCK_TEXT];
	json_t *data = json_object();

	clock_text(d->first, first);
	clock_text(d->last, last);
	json_set_str(data, "error_code", err_row(d->code)->code);
	if (d->peer || d->over == OVER_UNIX)
		put_peer(data, d->over, d->peer);
	if (d->hook)
		put_hook(data, d->hook, d->code, d->why);
	else if (unknown(d->code))
		put_fault(data, d->fault, d->token_id);
	json_object_set_new(data, "folded", json_pack("{s:I,s:s,s:s}",
		"count", (json_int_t)d->count, "first", first, "last", last));
	return data;
}

static int record_folded(struct agent *a, const struct folded *d,
			 const char *type, struct err *err)
{
	struct call *like = call_new(VIA_HTTP, NULL);
	struct fact fact = {.type = type, .data = folded_data(d),
			    .status = err_row(d->code)->status};
	int rc;

	strcpy(like->correlation_id, d->correlation_id);
	rc = agent_record(a, like, &fact, err);
	call_free(like);
	return rc;
}

/* Is the answer of one that of the other, to the byte? */
static bool alike(const struct call *c, const struct call *other)
{
	return c->via == VIA_HTTP && other->via == VIA_HTTP &&
	       c->err.code == other->err.code && !c->err.members &&
	       !other->err.members &&
	       !strcmp(c->correlation_id, other->correlation_id) &&
	       !strcmp(c->err.detail, other->err.detail) &&
	       !strcmp(c->err.hint, other->err.hint);
}

/* The writer has better to do than the same text a thousand times. */
static void render_folded(const struct folded *d, const struct err *err)
{
	const struct call *last = NULL;

	for (struct call *c = d->calls; c; c = c->next) {
		if (err->code) {
			err_fini(&c->err);
			err_set(&c->err, err->code, "%s", err->detail);
		}
		if (last && alike(c, last)) {
			c->status = last->status;
			c->content_type = last->content_type;
			c->text = xstrndup(last->text, last->text_len);
			c->text_len = last->text_len;
		} else {
			call_render(c);
			last = c;
		}
	}
}

struct call *account_release(struct agent *a)
{
	struct call *first = NULL, **last = &first;
	struct folded d;

	if (fold_due(a->fold) > clock_mono_us())
		return NULL;
	while (fold_take(a->fold, &d)) {
		struct err err = {0};

		if (d.hook || d.code == ERR_bad_signature)
			record_folded(a, &d, "webhook_rejected", NULL);
		else if (unknown(d.code))
			record_folded(a, &d, "auth_failed", NULL);
		record_folded(a, &d, "request", &err);
		render_folded(&d, &err);
		err_fini(&err);
		*last = d.calls;
		if (d.calls)
			last = &d.calls_last->next;
	}
	return first;
}
