/* What the operator's policy says of one call. Decides in constant time. */
#pragma once
#include "agent/ops/op.h"
#include "agent/ops/tool.h"

enum mode { MODE_NORMAL, MODE_GUARDED, MODE_STOPPED, MODE_count };

struct verdict {
	int rule;		/* enum rule: allow, approve, deny */
	const char *reason;	/* wire string, where not allowed */
};

enum mode mode_named(const char *name);
/* An operation that runs no tool. */
struct verdict policy_of(enum mode mode, enum effect effect);
/* A call that would run a tool. */
struct verdict policy_of_tool(const struct policy_table *t, enum mode mode,
			      const struct weight *w);
