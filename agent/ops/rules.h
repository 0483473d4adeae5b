/* The rule that a refusal names, and the policy that it comes from. */
#pragma once
#include <jansson.h>

struct call;
struct policy_table;

/*
 * The line that decided for this reason: what the gate found (c->rule), else
 * the rule that is built in. Borrowed.
 */
const char *rule_named(const struct call *c, const char *reason);
/* policy_loaded's data. New. */
json_t *rules_loaded(const struct policy_table *t);
