/*
 * A publish of which nobody knows whether it happened: whoever asks for the
 * same effect is refused until its tool, which can look, or an admin has said
 * what came of it. Writer thread.
 */
#pragma once
#include <jansson.h>

#include "agent/ops/op.h"
#include "agent/ops/tool.h"

struct run_report;

/*
 * What reaches the outside, whoever asks for it, for which task and under
 * which policy: tool, arguments, the bytes of files, secrets.
 */
void reconcile_effect(const struct tool_ask *ask, char hex[SHA256_HEX]);
/* A run with this effect whose outcome is unknown. New reference, or NULL. */
json_t *reconcile_unknown(struct agent *a, const char *effect);

/* Have the tool look, now and, while it cannot tell, again later. */
void reconcile_begin(struct agent *a, const char *run_id);
/* After a start: what tools kept for runs that are not in doubt goes. */
void reconcile_recover(struct agent *a);
/* The clock calls this. */
void reconcile_due(struct agent *a, const struct call *c, const char *run_id);
/* What the tool has found. */
int reconcile_report(struct agent *a, const struct call *c, const json_t *run,
		     const struct run_report *report, struct err *err);
