/*
 * What a reviewer finds wrong: [{"criterion_ref","text","evidence"}], the
 * same words in a verdict, a redispatch and the task of the next attempt.
 * Any thread, unless said.
 */
#pragma once
#include <jansson.h>

#include "common/sha256.h"

struct agent;
struct err;

/*
 * Is it a list of {"criterion_ref","text"}, each maybe with "evidence",
 * {"work_log_index"} or {"sha256"}, and nothing else? ERR_invalid_request.
 */
int issues_shape(const json_t *issues, struct err *err);
/*
 * Do they name criteria of the task, lines of the result's work log and
 * stored evidence? Where the task has criteria each names one, where it has
 * none, none. ERR_invalid_request, unknown_criterion, unknown_evidence.
 * Writer thread.
 */
int issues_known(struct agent *a, const json_t *issues, const json_t *task,
		 const json_t *result, struct err *err);
/* SHA-256 of their RFC 8785 form; ERR_invalid_json: they have none. */
int issues_sha256(const json_t *issues, char hex[SHA256_HEX],
		  struct err *err);
