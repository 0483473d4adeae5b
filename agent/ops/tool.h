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

/*
 * What policy needs to know of a call that would run a tool, or of a run that
 * is about to start. Writer. Everything is borrowed.
 */
struct weight {
	const char *tool;
	int level, claimed;		/* -1: there is none */
	const char *actor;		/* who asks, or asked */
	const struct tool *manifest;	/* NULL: the tool is not there now */
	const json_t *args;		/* with defaults, secrets replaced */
	const json_t *files;		/* [{arg,name,sha256,size,path}] */
	int64_t now_us;			/* wall clock */
	size_t calls, starts;		/* so far: in a minute, in a day */
	bool starting;			/* it was accepted before */
};
/* The states of a task in which tools may serve it. */
#define TASK_SERVED "pending,running,stalled,needs_review,approved"

/* What the call cites must exist, and a publish must cite. 0 or -1. */
int tool_cites(struct agent *a, const struct call *c, const struct tool *t,
	       struct err *err);
void tool_weigh(struct agent *a, const struct call *c, struct weight *w);
