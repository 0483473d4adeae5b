/* The rule that a refusal names, and the policy that it comes from. */
#pragma once
#include <jansson.h>

struct agent;
struct call;
struct policy_table;

/*
 * Add "rule" to what a policy_denied says, for its "reason" and "tool": the
 * line that the gate found (c->rule), or one of the policy, or what is built
 * in. What has a rule keeps it.
 */
void rule_add(struct agent *a, const struct call *c, json_t *data);
/* policy_loaded's data. New. */
json_t *rules_loaded(const struct policy_table *t);
