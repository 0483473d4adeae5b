/*
 * See policy.h. The matrix is mode x effect; a tool's column is its level,
 * and the operator's rule for it may be stricter than the matrix, never
 * looser. What is not mentioned is denied.
 */
#include "agent/gate/policy.h"

#include <string.h>

#include "agent/store/policy.h"

static const struct verdict allow = {RULE_ALLOW, NULL};
static const struct verdict stopped = {RULE_DENY, "mode_stopped"};

/* Emergency stop is a row: reads and decisions go on, nothing else. */
static const int matrix[MODE_count][EFFECT_count] = {
	[MODE_NORMAL] = {
		[EFFECT_READ] = RULE_ALLOW, [EFFECT_DECIDE] = RULE_ALLOW,
		[EFFECT_CHANGE] = RULE_ALLOW, [EFFECT_TOOL] = RULE_ALLOW,
		[EFFECT_FACT] = RULE_ALLOW,
	},
	[MODE_GUARDED] = {
		[EFFECT_READ] = RULE_ALLOW, [EFFECT_DECIDE] = RULE_ALLOW,
		[EFFECT_CHANGE] = RULE_ALLOW, [EFFECT_TOOL] = RULE_APPROVE,
		[EFFECT_FACT] = RULE_ALLOW,
	},
	[MODE_STOPPED] = {
		[EFFECT_READ] = RULE_ALLOW, [EFFECT_DECIDE] = RULE_ALLOW,
		[EFFECT_CHANGE] = RULE_DENY, [EFFECT_TOOL] = RULE_DENY,
		[EFFECT_FACT] = RULE_ALLOW,
	},
};

enum mode mode_named(const char *name)
{
	if (!name || !strcmp(name, "normal"))
		return MODE_NORMAL;
	return !strcmp(name, "guarded") ? MODE_GUARDED : MODE_STOPPED;
}

struct verdict policy_of(enum mode mode, enum effect effect)
{
	return matrix[mode][effect] == RULE_ALLOW ? allow : stopped;
}

/* The operator's rule for this level; reading needs none. */
static int rule_for(const struct policy *p, int level)
{
	switch (level) {
	case LEVEL_READ_ONLY:
		return RULE_ALLOW;
	case LEVEL_LOCAL_WRITE:
		return p->local_write;
	case LEVEL_EXTERNAL_PUBLISH:
		/* a publish without approval cannot be configured */
		return p->external_publish == RULE_DENY ? RULE_DENY :
							  RULE_APPROVE;
	default:
		return RULE_DENY;
	}
}

struct verdict policy_of_tool(const struct policy_table *t, enum mode mode,
			      const struct weight *w)
{
	int by_mode = matrix[mode][EFFECT_TOOL], rule;

	if (w->claimed != w->level)
		return (struct verdict){RULE_DENY, "side_effect_mismatch"};
	if (by_mode == RULE_DENY)
		return stopped;
	rule = rule_for(policy_for(t, w->tool), w->level);
	if (rule == RULE_DENY)
		return (struct verdict){RULE_DENY, "tool_disabled"};
	if (rule == RULE_APPROVE)
		return (struct verdict){RULE_APPROVE, "approval_required"};
	if (by_mode == RULE_APPROVE && w->level != LEVEL_READ_ONLY)
		return (struct verdict){RULE_APPROVE, "mode_guarded"};
	return allow;
}
