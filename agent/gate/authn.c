/* See authn.h. */
#include "agent/gate/authn.h"

#include <string.h>

#include "agent/ops/op.h"
#include "common/mem.h"

int authn_who(struct agent *a, const struct call *c, struct actor *who,
	      struct err *err)
{
	if (!c->bearer)
		return err_set(err, ERR_unauthenticated, "no valid token");
	return tokens_check(a->tokens, c->bearer, who, err);
}

void authn(struct agent *a, struct call *c)
{
	struct err why = {0};

	if (c->op && c->op->flags & OP_OPEN && !c->bearer)
		return;
	c->known = !authn_who(a, c, &c->who, &why);
	if (!c->known && !c->err.code)
		err_set(&c->err, why.code, "%s", why.detail);
	err_fini(&why);
}

enum token_state authn_still(struct agent *a, const struct actor *who)
{
	return tokens_still(a->tokens, who);
}

void authn_wipe(struct call *c)
{
	if (!c->bearer)
		return;
	mem_wipe(c->bearer, strlen(c->bearer));
	xfree(c->bearer);
}
