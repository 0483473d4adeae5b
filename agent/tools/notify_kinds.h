/*
 * How each receiving service wants a message: the body and headers of one
 * POST. Whoever wrote the text decides nothing: nobody is called by a @name
 * in it, and no markup of it counts.
 */
#pragma once
#include <jansson.h>

#include "common/buf.h"

#define NOTIFY_HEADERS 4

struct notify_message {
	const char *title, *text;
	int priority;			/* 0 normal, 1 low, 2 high, 3 urgent */
	const json_t *ids;		/* {name: text}: what it is about */
};

struct notify_post {
	struct buf body;
	char *headers[NOTIFY_HEADERS + 1];	/* owned; ends with NULL */
};

struct notify_kind {
	const char *name;
	void (*render)(const struct notify_message *m, struct notify_post *p);
};

const struct notify_kind *notify_kind(const char *name);	/* or NULL */
void notify_post_fini(struct notify_post *p);
