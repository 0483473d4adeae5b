/*
 * The YouTube Data API v3 beside the upload: one JSON request at a time, with
 * patience, and what this tool asks of it. Nothing here prints a token.
 */
#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct auth;
struct failure;
struct tool;
struct web;

struct api {
	const struct tool *t;
	struct web *web;
	struct auth *auth;
	char *base;		/* https://www.googleapis.com */
};

/* Reads the configuration; what is wrong with it ends the program. */
void api_open(struct api *api, const struct tool *t);
void api_close(struct api *api);
void api_failure(const struct api *api, struct failure *f);	/* a new one */

/* Where people see the video. Owned. */
char *api_watch_url(const char *base, const char *id);

struct api_reply {
	long status;		/* 0: no answer */
	bool left;		/* of some try's body a byte left, and no
				   answer told what became of it */
};
/*
 * path is behind base. body (borrowed) may be NULL. A new object, or NULL and
 * *f; *reply (or NULL) says how it went.
 */
json_t *api_call(const struct api *api, const char *method, const char *path,
		 const json_t *body, struct api_reply *reply,
		 struct failure *f);
