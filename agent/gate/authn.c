/* See authn.h. */
#include "agent/gate/authn.h"

#include <string.h>

#include "agent/ops/op.h"
#include "agent/store/settings.h"
#include "common/mem.h"

enum token_state authn_who(struct agent *a, const struct call *c,
			   struct actor *who)
{
	if (!c->bearer && peers_find(a->settings, &c->from, who))
		return TOKEN_GOOD;
	return tokens_look(a->tokens, c->bearer, who);
}

void authn(struct agent *a, struct call *c)
{
	struct actor who;
	const bool open = c->op && c->op->flags & OP_OPEN && !c->bearer;
	const enum token_state state = authn_who(a, c, &who);

	c->fault = open ? TOKEN_GOOD : state;
	c->known = state == TOKEN_GOOD;
	if (c->known)
		c->who = who;
	else if (!open)
		strcpy(c->fault_id, who.token_id);
	if (c->known || open || c->err.code)
		return;
	if (c->fault == TOKEN_UNREADABLE)	/* who is here is not asked */
		err_set(&c->err, ERR_io, "the tokens cannot be read");
	else
		err_set(&c->err, ERR_unauthenticated, "no valid token");
}

enum token_state authn_still(struct agent *a, const struct actor *who)
{
	if (peers_is_one(who))
		return peers_still(a->settings, who) ? TOKEN_GOOD :
						       TOKEN_REVOKED;
	return tokens_still(a->tokens, who);
}

void authn_wipe(struct call *c)
{
	if (!c->bearer)
		return;
	mem_wipe(c->bearer, strlen(c->bearer));
	xfree(c->bearer);
}
