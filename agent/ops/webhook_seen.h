/*
 * What has come in before: a document for each accepted event, by its id and
 * by the hash of its body, and one for each subject with the newest that was
 * said of it. They are in the record of the effect itself, so that there is
 * never one without the other. Writer only.
 */
#pragma once
#include <jansson.h>

struct agent;
struct call;
struct err;
struct webhook_event;

/* Of the same event within the window, or NULL. Borrowed. */
const json_t *webhook_seen(struct agent *a, const struct call *c,
			   const struct webhook_event *e);
/*
 * What the subject's newest said, where this event is older: borrowed. NULL:
 * it is not older, or they cannot be compared (ERR_invalid_request).
 */
const json_t *webhook_newer(struct agent *a, const struct webhook_event *e,
			    struct err *err);
/* The documents that keep it, by kind; task_id may be NULL. New. */
json_t *webhook_keep(const struct call *c, const struct webhook_event *e,
		     const char *task_id);
/* -1, 0, 1, or 2: they are no two of one kind. */
int webhook_compare(const json_t *a, const json_t *b);
