/*
 * What the operator's policy says of one call, and which line of it said so.
 * Decides from what it is given, in about a microsecond.
 */
#pragma once
#include "agent/ops/op.h"
#include "agent/ops/tool.h"
#include "agent/store/policy.h"

enum mode { MODE_NORMAL, MODE_GUARDED, MODE_STOPPED, MODE_count };

struct verdict {
	int rule;		/* enum rule: allow, approve, deny */
	const char *reason;	/* wire string, where not allowed */
	/* What decided: a key or an argument of a policy, or words. */
	const struct policy *policy;
	enum policy_key key;
	const struct policy_arg *arg;	/* instead of key */
	const char *words;		/* where policy is NULL */
};

enum mode mode_named(const char *name);
/* An operation that runs no tool. */
struct verdict policy_of(enum mode mode, enum effect effect);
/* A call that would run a tool, or a run that would start. */
struct verdict policy_of_tool(const struct policy_table *t, enum mode mode,
			      const struct weight *w);
/* The line that decided, as text. Caller frees. */
char *verdict_rule(const struct policy_table *t, const struct verdict *v);
