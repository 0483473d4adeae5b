/* One request at a time over HTTP, for the command line (libcurl). */
#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "console/link.h"

struct err;

struct http_answer {
	long status;
	json_t *json;		/* owned; NULL where the body is not JSON */
};

/*
 * method on path ("/api/tasks?x=y"); body may be NULL. 0 whatever the status;
 * -1 with ERR_internal when the agent could not be reached at all.
 */
int http_json(const struct link_to *to, const char *method, const char *path,
	      const json_t *body, struct http_answer *answer, struct err *err);
void http_answer_fini(struct http_answer *answer);

/*
 * The body of GET path into file. A refusal leaves file alone and its problem
 * in answer->json.
 */
int http_download(const struct link_to *to, const char *path, FILE *file,
		  struct http_answer *answer, struct err *err);

/*
 * Follow a stream of server-sent events until fn returns non-zero (returned),
 * the stream ends (0), it is refused (0, with the problem in answer) or it
 * cannot be reached (-1). wait_s: at most that long; 0 for ever. A time that
 * ran out is 0 with status 0. The id of every event is kept in *last
 * (owned by the caller), for the path of the next time.
 */
typedef int http_event(void *data, const char *event, const char *text);
int http_events(const struct link_to *to, const char *path, long wait_s,
		http_event *fn, void *data, char **last,
		struct http_answer *answer, struct err *err);

/* Percent-encode one part of a path or query. Caller frees. */
char *http_escape(const char *text);
