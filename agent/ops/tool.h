/* What is asked of a tool, as checked on a worker; and what it would do. */
#pragma once
#include <jansson.h>

#include "agent/ops/op.h"
#include "agent/run/tool.h"
#include "common/sha256.h"

struct tool_ask {
	struct tools *tools;		/* a reference */
	const struct tool *tool;
	int claimed;			/* level the caller says */
	json_t *args;			/* checked, with secrets; or NULL */
	json_t *shown;			/* the same, secrets replaced */
	char secrets[SHA256_HEX];	/* keyed hash of them; empty: none */
	json_t *files;			/* [{arg,name,sha256,size}] or NULL */
};

/* What policy needs to know of a call that would run a tool. Writer. */
struct weight {
	const char *tool;
	int level, claimed;
};
void tool_weigh(struct agent *a, const struct call *c, struct weight *w);
