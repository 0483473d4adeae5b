/* See authn.h. */
#include "agent/gate/authn.h"

#include <stdio.h>
#include <string.h>

#include "agent/ops/op.h"
#include "agent/ops/signature.h"
#include "agent/store/settings.h"
#include "common/clock.h"
#include "common/mem.h"

enum token_state authn_who(struct agent *a, const struct call *c,
			   struct actor *who)
{
	if (!c->bearer && peers_find(a->settings, &c->from, who))
		return TOKEN_GOOD;
	return tokens_look(a->tokens, c->bearer, who);
}

static int refuse(struct call *c)
{
	if (c->fault == TOKEN_UNREADABLE)	/* who is here is not asked */
		return err_set(&c->err, ERR_io, "the tokens cannot be read");
	return err_set(&c->err, ERR_unauthenticated, "no valid token");
}

static bool is_hook(const struct call *c)
{
	return c->op && c->op->flags & OP_HOOK;
}

/*
 * An event is from whoever can sign it, and no token makes it so. One that
 * comes too late is theirs all the same.
 */
static void authn_hook(struct call *c)
{
	c->known = false;
	if (c->err.code)
		return;
	if (!c->signature) {
		err_set(&c->err, ERR_bad_signature, "it shows no signature");
		return;
	}
	signature_end(c->signature, c->body ? c->body : "", c->body_len,
		      clock_wall_us(), c->hook->tolerance, &c->err);
	c->known = c->err.code != ERR_bad_signature;
	if (!c->known)
		return;
	memset(&c->who, 0, sizeof(c->who));
	snprintf(c->who.name, sizeof(c->who.name), "webhook:%s",
		 c->hook->name);
}

void authn(struct agent *a, struct call *c)
{
	struct actor who;
	const bool open = c->op && c->op->flags & OP_OPEN && !c->bearer;
	enum token_state state;

	if (is_hook(c)) {
		authn_hook(c);
		return;
	}
	state = authn_who(a, c, &who);
	c->fault = open ? TOKEN_GOOD : state;
	c->known = state == TOKEN_GOOD;
	if (c->known)
		c->who = who;
	else if (!open)
		strcpy(c->fault_id, who.token_id);
	if (!c->known && !open && !c->err.code)
		refuse(c);
}

enum token_state authn_still(struct agent *a, const struct actor *who)
{
	if (peers_is_one(who))
		return peers_still(a->settings, who) ? TOKEN_GOOD :
						       TOKEN_REVOKED;
	return tokens_still(a->tokens, who);
}

int authn_again(struct agent *a, struct call *c)
{
	enum token_state state = c->known && !is_hook(c) ?
				 authn_still(a, &c->who) : TOKEN_GOOD;

	if (state == TOKEN_GOOD)
		return 0;
	if (state == TOKEN_NARROWED)
		return err_set(&c->err, ERR_insufficient_scope,
			       "the token has lost a scope meanwhile");
	c->known = false;
	c->fault = state;
	strcpy(c->fault_id, c->who.token_id);
	return refuse(c);
}

void authn_wipe(struct call *c)
{
	if (!c->bearer)
		return;
	mem_wipe(c->bearer, strlen(c->bearer));
	xfree(c->bearer);
}
