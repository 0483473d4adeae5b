/* The secret arguments of one run, looked for in all that it leaves. */
#pragma once
#include <jansson.h>
#include <stddef.h>

struct secrets;
struct tool;

/* Shorter values than this cannot be told from ordinary text. */
#define SECRET_LEAST 4

/* Never NULL; empty where no argument is secret. */
struct secrets *secrets_new(const struct tool *tool, const json_t *args);
void secrets_free(struct secrets *s);		/* wipes */
/* The text with every secret replaced by [redacted]. Caller frees. */
char *secrets_cut(const struct secrets *s, const char *text, size_t len,
		  size_t *out_len);
/* The same into out, cut to size (with NUL) without splitting a character. */
void secrets_copy(const struct secrets *s, const char *text, size_t len,
		  char *out, size_t size);
/* A copy of the value, every string and key in it cut so. New reference. */
json_t *secrets_cut_json(const struct secrets *s, const json_t *value);
/* Length of the longest thing that is looked for; 0 if nothing is. */
size_t secrets_longest(const struct secrets *s);
