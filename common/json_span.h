/*
 * JSON where it lies, in the one form the journal writes: compact, raw
 * UTF-8, the fewest escapes. Checked and picked apart without building it.
 */
#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct span { const char *at; size_t len; };	/* borrowed */

/* How many bytes from text on are ASCII and stand for themselves in JSON. */
size_t json_plain(const char *text, size_t len);
/*
 * Bytes of the string, with its quotes, at the start of text; 0 if there is
 * none or if it is not UTF-8 or is escaped otherwise than we do.
 */
size_t json_span_string(struct span text);
/* Is all of it one compact value? Duplicate keys are not looked for. */
bool json_span_ok(struct span value);
/* A member of an object that is ok; key is plain, without escapes. */
bool json_span_member(struct span object, const char *key,
		      struct span *value);
/*
 * What a good string stands for, to out, which has room for its length, and
 * a NUL; false if there is a NUL in it.
 */
bool json_span_read(struct span string, char *out);

/*
 * The value that it is, built; white space may stand between tokens. NULL if
 * it is escaped otherwise than we do, has a key twice, a NUL, a fraction or
 * a very large number, or is no JSON: jansson decides on those.
 */
json_t *json_span_load(struct span value);

/*
 * Write text as a string to out, which has room for 6 * len + 2; returns the
 * end. U+FFFD stands in for each byte that is not UTF-8.
 */
char *json_span_write(char *out, const char *text, size_t len);
