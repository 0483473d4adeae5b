/* What of an event becomes a task, as its source's templates have it. */
#pragma once
#include <jansson.h>

struct err;
struct webhook_conf;

/*
 * The parts of a task as task.create takes them, within its limits. Pointers
 * to nothing are told in said, as "missing". ERR_invalid_request if no task
 * could be made of them. New; NULL and *err.
 */
json_t *webhook_parts(const struct webhook_conf *hook, const json_t *body,
		      json_t *said, struct err *err);
