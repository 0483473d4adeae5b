/* Records out of the journal, for who answers with them. */
#pragma once
#include <stdbool.h>

#include "agent/ops/op.h"
#include "agent/store/index.h"
#include "agent/store/record_line.h"

#define ANSWER_MAX (4u << 20)	/* bytes of records in one answer */

/*
 * Append the bytes of a committed record to b, and take them apart; line
 * points into b. ERR_evidence_corrupt where they are no record any more.
 */
int audit_line(struct agent *a, const struct record_place *p, struct buf *b,
	       struct line *line, struct err *err);
/* Its data, built. New reference, or NULL and *err. */
json_t *audit_data(const struct line *line, struct err *err);
