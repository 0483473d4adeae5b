/* See sealed.h. */
#include "agent/gate/sealed.h"

#include <string.h>

#include "agent/ops/glass.h"
#include "agent/ops/handlers.h"
#include "agent/ops/op.h"
#include "agent/store/journal.h"

static bool is_marked_read(const struct call *c)
{
	return c->op && c->op->flags & OP_MARKED &&
	       c->op->effect == EFFECT_READ && !c->err.code;
}

static bool is_stop(const struct call *c)
{
	return c->op && c->op->run == op_mode_set && !c->err.code &&
	       !strcmp(call_str(c, "mode"), "stopped");
}

static void refuse(struct call *c, const struct err *why)
{
	err_fini(&c->err);
	err_set(&c->err, ERR_audit_unavailable,
		"the journal cannot be written%s%s",
		*why->hint ? ": " : "", *why->hint ? why->detail : "");
	if (*why->hint)
		err_hint(&c->err, "%s", why->hint);
}

bool gate_sealed(struct agent *a, struct call *c)
{
	struct err why = {0};

	if (c->via == VIA_INTERNAL ? !journal_sealed(a->journal) :
				     !journal_ready(a->journal, &why))
		return false;
	if (is_marked_read(c))
		c->unrecorded = true;
	else if (is_stop(c))
		c->unrecorded = !glass_break(a, c, &c->err);
	else
		refuse(c, &why);
	err_fini(&why);
	call_render(c);
	return true;
}
