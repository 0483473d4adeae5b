/* What becomes of a document that came with somebody's commit. Writer. */
#pragma once
#include "agent/ops/intake.h"

/*
 * JOINED: both changed it, but not the same members, so that a heartbeat is
 * not in the way of a new title; or ours goes on from what came.
 */
enum fate { SAME, TAKEN, JOINED, OURS, THEIRS };

struct intake_fate {
	enum fate fate;
	json_t *joined;		/* owned */
	char ours[41];		/* blob id of the document here; "": none */
	bool ends_runs, ends_approvals;
	bool takes;		/* somebody took the task there */
};

/* -1: this may not be, as things stand here. */
int intake_decide(struct agent *a, const struct intake *in,
		  const struct intake_doc *d, struct intake_fate *out,
		  struct err *err);
