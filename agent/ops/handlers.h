/* The handlers that ops.def names: one declaration each, from the table. */
#pragma once
#include "agent/ops/op.h"

#define A(...)
#define OP(sym, ...) op_fn op_##sym;
#include "agent/ops/ops.def"
#undef OP
#undef A

/* The prepare steps, on a worker. */
op_fn op_tool_execute_prepare;
op_fn op_evidence_add_prepare;
op_fn op_evidence_remove_prepare;
op_fn op_webhook_prepare;
