/*
 * What a tool said: its JSON lines understood, everything else kept. Bounded
 * in every direction, since the tool may say anything and never stop.
 */
#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "agent/run/keep.h"
#include "common/buf.h"

#define SAID_LINE_MAX (64u << 10)
#define SAID_RESULT_MAX (16u << 10)
#define SAID_ARTIFACTS_MAX 64
#define SAID_NAME_MAX 100		/* bytes of an artifact's name */

/* Zeroed memory is a tool that has said nothing. */
struct said {
	struct buf line;		/* not yet ended */
	bool overlong;			/* its beginning is among the rest */
	struct keep rest;		/* of stdout */
	struct keep noise;		/* stderr */
	json_t *artifacts;		/* [{name,media_type}] or NULL */
	json_t *result, *error;		/* as said, at most one of them */
	double progress;		/* the latest, or -1 */
	json_t *message;		/* beside it: a string or NULL */
	bool news;			/* progress was set; reader clears it */
	char wrong[200];		/* the first breach of the protocol */
};

void said_fini(struct said *s);
void said_hear(struct said *s, const char *data, size_t len);
/* No more will come: a last line may lack its line feed. */
void said_end(struct said *s);
/* Note a breach; the first one stays. */
void said_wrong(struct said *s, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
