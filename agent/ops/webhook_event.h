/*
 * What one webhook says: read on a worker from its body and its source's
 * configuration, so that the writer only has to compare and record.
 */
#pragma once
#include <jansson.h>
#include <stdbool.h>

#include "common/sha256.h"

struct call;
struct err;

struct webhook_event {
	char by_id[SHA256_HEX];		/* names it: source, its id; or "" */
	char by_body[SHA256_HEX];	/* names it: source, the body's hash */
	char subject[SHA256_HEX];	/* names what it is about; or "" */
	json_t *sequence;		/* how new that is; NULL: not said */
	json_t *parts;			/* of the task to make; NULL: none */
	json_t *said;			/* for the record */
	bool ping;			/* GitHub's, at the hook's creation */
	bool counted;			/* among those of this minute */
};

/*
 * Of a call whose signature is good. ERR_invalid_json, or invalid_request
 * for what could not be recorded or compared. New; NULL and *err.
 */
struct webhook_event *webhook_event_read(const struct call *c,
					 struct err *err);
void webhook_event_free(void *event);
