/*
 * How a run ended, in one word and one error object. The rule that matters:
 * where a publish may have happened and the tool did not say properly that
 * it has not, nobody knows, and that is what is said.
 */
#pragma once
#include <jansson.h>

struct err;
struct filed;
struct outcome;
struct run;
struct run_report;

/* {error_code,detail,remediation_hint,retryable} of one of our errors. */
json_t *error_json(const struct err *err);
/* A run whose tool never started: failed or cancelled, as err says. */
void ending_unstarted(struct run_report *end, const struct err *err);
/* Takes a success back whose evidence could not be stored. */
void ending_unfiled(const struct run *r, struct run_report *end,
		    const struct err *why);
/* Sets state, result and error from what happened and what was said. */
void ending_judge(const struct run *r, const struct outcome *o,
		  const struct filed *filed, struct run_report *end);
