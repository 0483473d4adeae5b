/* See watch.h. */
#include "agent/net/watch.h"

#include <stdlib.h>
#include <string.h>

#include "agent/gate/account.h"
#include "agent/gate/authn.h"
#include "agent/net/peer.h"
#include "agent/net/server.h"
#include "agent/net/steps.h"
#include "agent/net/ws.h"
#include "common/json.h"
#include "common/log.h"
#include "common/mem.h"

#define USED_EACH (30 * SECOND)		/* last uses are written that often */

void watch_begin(struct peer *p, const struct actor *who)
{
	watch_end(p);
	p->who = xmalloc(sizeof(*p->who));
	*p->who = *who;
}

void watch_end(struct peer *p)
{
	xfree(p->who);
}

static void record(const struct peer *p, enum token_state why)
{
	json_t *data = json_object();

	json_set_str(data, "reason", token_state_name(why));
	json_set_str(data, "token_id", p->who->token_id);
	json_set_str(data, "name", p->who->name);
	json_set_str(data, "stream", p->ws ? "websocket" : "events");
	account_where(data, &p->from, p->address);
	core_service(p->net->core, "stream_ended", data);
}

static void look_at(struct peer *p)
{
	enum token_state state;

	if (!p->who || (p->state != PEER_STREAM && p->state != PEER_SOCKET))
		return;
	state = authn_still(p->net->agent, p->who);
	if (state == TOKEN_GOOD)
		return;
	if (!p->net->stopping)
		record(p, state);
	if (p->state == PEER_SOCKET)
		ws_expel(p);
	else
		peer_kill(p);
}

void watch_look(struct net *n)
{
	n->look = false;
	peer_each(n, look_at);
}

/* Whether people can come in is on record when it changes. */
static void tell_state(struct net *n)
{
	char detail[520];
	enum auth_state state = auth_state(n->agent, detail, sizeof(detail));
	json_t *data;

	if (state == n->auth)
		return;
	n->auth = state;
	data = json_object();
	json_set_str(data, "what", "auth");
	if (state != AUTH_WELL) {
		json_set_str(data, "error_code", auth_rows[state].code);
		json_set_str(data, "detail", detail);
	}
	core_service(n->core, state == AUTH_WELL ? "recovered" : "degraded",
		     data);
}

static void save(struct work *w, struct agent *a, struct reader *r)
{
	struct err err = {0};

	(void)w;
	(void)r;
	if (tokens_save_used(a->tokens, &err))
		log_warn("when tokens were used: %s", err.detail);
	err_fini(&err);
}

static void saved(struct work *w)
{
	free(w);
}

static void save_used(struct net *n)
{
	struct work *w = xcalloc(1, sizeof(*w));

	w->run = save;
	w->done = saved;
	net_work(n, w);
}

void watch_tick(struct net *n, int64_t now)
{
	unsigned version = tokens_version(n->agent->tokens);

	if (version != n->tokens_seen)
		core_look(n->core);	/* so that it is on record soon */
	n->tokens_seen = version;
	watch_look(n);
	steps_look(n);
	tell_state(n);
	if (now < n->used_at)
		return;
	n->used_at = now + USED_EACH;
	save_used(n);
}
