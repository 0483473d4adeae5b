/*
 * Publishing in two steps: the approved run goes where nobody sees it, and
 * when the destination itself says that it is there and so, the agent asks
 * for the second step, with an approval of its own. Writer thread.
 */
#pragma once
#include <jansson.h>

#include "agent/ops/op.h"
#include "agent/ops/tool.h"

/*
 * The args with which the first step would run, as shown; NULL: it is no
 * first step, and runs as asked. New.
 */
json_t *stage_args(struct agent *a, const struct tool_ask *ask);
/* Into a new run of an approval: what it runs with, and what comes after. */
void stage_mark(json_t *run, const struct tool *t, const json_t *approval);
/* What the run runs with: args, changed in place as its stage has it. */
void stage_apply(const json_t *run, json_t *args);
/*
 * The record that says how a run ended puts these documents: where the run
 * was a first step that went well, one more that says the second is due.
 */
void stage_due(const json_t *run, json_t *put);
/* It has been recorded: where the second step is due, open it. */
void stage_next(struct agent *a, const struct call *c, const char *run_id);
/* After a start: the second steps that a crash came in between of. */
void stage_recover(struct agent *a, const struct call *c);
