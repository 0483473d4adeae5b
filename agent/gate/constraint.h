/* May the arguments be what they are? [policy-args "TOOL"] and max-size. */
#pragma once
#include "agent/ops/tool.h"
#include "agent/store/policy.h"

/* Which constraint an argument does not keep, or NULL. */
const struct policy_arg *constraint_broken(const struct policy *p,
					   const struct weight *w);
/* Is a file larger than max bytes? */
bool constraint_too_large(const json_t *files, int64_t max);
