/*
 * When each token was last used, to the second: kept in memory, and now and
 * then in a file beside the tokens, FILE.used. Losing it costs nothing. Who
 * uses it from several threads locks.
 */
#pragma once
#include <jansson.h>
#include <stdint.h>

struct err;
struct used;

/* With what the file of these tokens' uses says, if it says anything. */
struct used *used_new(const char *tokens_path);
void used_free(struct used *u);
/* Now, that is. */
void used_mark(struct used *u, const char *id, int64_t wall_us);
json_t *used_all(const struct used *u);		/* {id: RFC 3339}, new */
/* The text for the file, owned, or NULL: it has all of it. */
char *used_take(struct used *u);
/* Needs no lock. 0 or -1. */
int used_write(const struct used *u, const char *text, struct err *err);
