/* Evidence as the operations share it: what is recorded, what was removed. */
#pragma once
#include <stdbool.h>

#include "agent/ops/op.h"

/*
 * Record that a file is stored: agent_record_as with fact, which puts the
 * artifact. It is no longer held; if it had been removed, it is back. Writer.
 */
int evidence_record_added(struct agent *a, const struct call *c,
			  const char *correlation_id, struct fact *fact,
			  const char *sha256, struct err *err);
/*
 * {"at","by","why"} of evidence that was removed and is not back, a new
 * object; NULL: it was not, or *err. Any thread with a reader.
 */
json_t *evidence_removed(struct reader *r, const char *sha256,
			 struct err *err);
/* Set "removed" in what is shown of an artifact, where it was. */
void evidence_mark(struct reader *r, json_t *artifact);
/* ERR_not_found that says when, by whom and why, with "removed". -1. */
int evidence_say_removed(const char *sha256, json_t *removed,
			 struct err *err);
