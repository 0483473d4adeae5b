/* The table of operations, made of ops.def. */
#include "agent/ops/op.h"

#include <string.h>

#include "agent/ops/handlers.h"
#include "common/mem.h"

#define A(name, kind, flags, min, max, of) \
	{name, ARG_##kind, flags, min, max, of},
#define OP(sym, name, method, route, scopes, effect, flags, prepare, summary, \
	   ...) static const struct arg args_##sym[] = {__VA_ARGS__ {0}};
#include "agent/ops/ops.def"
#undef OP

const struct op ops[] = {
#define OP(sym, name, method, route, scopes, effect, flags, prepare, summary, \
	   ...) {name, method, route, scopes, EFFECT_##effect, flags, prepare, \
	op_##sym, summary, args_##sym},
#include "agent/ops/ops.def"
#undef OP
};

const size_t ops_count = ARRAY_LEN(ops);

const struct op *op_named(const char *name)
{
	for (size_t i = 0; i < ops_count; i++)
		if (!strcmp(ops[i].name, name))
			return &ops[i];
	return NULL;
}

const struct op *op_for_rpc(const char *name, const json_t *params)
{
	const struct op *found = NULL;

	for (size_t i = 0; i < ops_count; i++)
		if (!strcmp(ops[i].name, name) && ops[i].scopes &&
		    (!found || json_object_size(params)))
			found = &ops[i];
	return found;
}
