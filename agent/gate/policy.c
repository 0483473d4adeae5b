/*
 * See policy.h. The matrix is mode x effect; a tool's column is its level,
 * and the operator's rule for it may be stricter than the matrix, never
 * looser. What is not mentioned is denied.
 */
#include "agent/gate/policy.h"

#include <string.h>
#include <time.h>

#include "agent/gate/constraint.h"
#include "common/mem.h"
#include "common/words.h"

static const struct verdict stopped = {
	.rule = RULE_DENY, .reason = "mode_stopped", .words = "mode stopped",
};

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
	return matrix[mode][effect] == RULE_ALLOW ?
		(struct verdict){.rule = RULE_ALLOW} : stopped;
}

/* A caller cannot talk a gate down, nor up. */
static struct verdict mismatch(int level)
{
	static const char *const words[] = {
		[LEVEL_READ_ONLY] = "registry: the tool's level is read_only",
		[LEVEL_LOCAL_WRITE] =
			"registry: the tool's level is local_write",
		[LEVEL_EXTERNAL_PUBLISH] =
			"registry: the tool's level is external_publish",
	};

	return (struct verdict){
		.rule = RULE_DENY, .reason = "side_effect_mismatch",
		.words = level >= 0 && level < (int)ARRAY_LEN(words) ?
			words[level] : "registry: the tool has no level",
	};
}

static struct verdict deny(const struct policy *p, enum policy_key key,
			   const char *reason)
{
	return (struct verdict){.rule = RULE_DENY, .reason = reason,
				.policy = p, .key = key};
}

/* The operator's rule for this level. What is not known is denied. */
static struct verdict by_level(const struct policy *p, int level)
{
	struct verdict v = {.rule = RULE_DENY, .policy = p};

	if (level == LEVEL_READ_ONLY) {
		v.key = POLICY_KEY_read_only;
		v.rule = p->read_only;
	} else if (level == LEVEL_LOCAL_WRITE) {
		v.key = POLICY_KEY_local_write;
		v.rule = p->local_write;
	} else if (level == LEVEL_EXTERNAL_PUBLISH) {
		/* a publish without approval cannot be configured */
		v.key = POLICY_KEY_external_publish;
		v.rule = p->external_publish == RULE_DENY ? RULE_DENY :
							    RULE_APPROVE;
	} else {
		return mismatch(level);
	}
	v.reason = v.rule == RULE_ALLOW ? NULL :
		   v.rule == RULE_APPROVE ? "approval_required" :
					    "tool_disabled";
	return v;
}

static int minute_of_day(int64_t wall_us)
{
	time_t at = (time_t)(wall_us / 1000000);
	struct tm tm;

	localtime_r(&at, &tm);
	return tm.tm_hour * 60 + tm.tm_min;
}

static bool may_ask(const struct policy *p, const char *actor)
{
	return !*p->actors || (actor && *actor &&
			       words_index(p->actors, ' ', actor) >= 0);
}

/* It has two steps, or is the second of them. */
static bool can_stage(const struct tool *t)
{
	return t && (t->stage.promote || t->promotes);
}

/* Who, with what, when and how often: the first that says no. */
static struct verdict by_limits(const struct policy *p,
				const struct weight *w)
{
	bool publish = w->level == LEVEL_EXTERNAL_PUBLISH;
	const struct policy_arg *broken;

	if (publish && p->stage && !can_stage(w->manifest))
		return deny(p, POLICY_KEY_stage, "cannot_stage");
	if (!may_ask(p, w->actor))
		return deny(p, POLICY_KEY_actors, "actor_not_allowed");
	broken = constraint_broken(p, w);
	if (broken)
		return (struct verdict){.rule = RULE_DENY, .policy = p,
					.reason = "args_not_allowed",
					.arg = broken};
	if (p->max_size && constraint_too_large(w->files, p->max_size))
		return deny(p, POLICY_KEY_max_size, "args_not_allowed");
	if (publish && p->n_hours &&
	    policy_quiet(p, minute_of_day(w->now_us)))
		return deny(p, POLICY_KEY_quiet_hours, "quiet_hours");
	if (p->max_per_minute && !w->starting &&
	    w->calls >= (size_t)p->max_per_minute)
		return deny(p, POLICY_KEY_max_per_minute, "rate_limited");
	if (publish && p->max_per_day && w->starts >= (size_t)p->max_per_day)
		return deny(p, POLICY_KEY_max_per_day, "rate_limited");
	return (struct verdict){.rule = RULE_ALLOW};
}

struct verdict policy_of_tool(const struct policy_table *t, enum mode mode,
			      const struct weight *w)
{
	int by_mode = matrix[mode][EFFECT_TOOL];
	const struct policy *p = policy_for(t, w->tool);
	struct verdict v, limit;

	if (w->claimed != w->level)
		return mismatch(w->level);
	if (by_mode == RULE_DENY)
		return stopped;
	v = by_level(p, w->level);
	if (v.rule == RULE_DENY)
		return v;
	limit = by_limits(p, w);
	if (limit.rule == RULE_DENY)
		return limit;
	if (v.rule == RULE_ALLOW && by_mode == RULE_APPROVE &&
	    w->level != LEVEL_READ_ONLY)
		return (struct verdict){.rule = RULE_APPROVE,
					.reason = "mode_guarded",
					.words = "mode guarded"};
	return v;
}

char *verdict_rule(const struct policy_table *t, const struct verdict *v)
{
	if (!v->policy)
		return xstrdup(v->words ? v->words : "no rule");
	return v->arg ? policy_arg_line(t, v->policy, v->arg) :
			policy_line(t, v->policy, v->key);
}
