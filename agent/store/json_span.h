/*
 * JSON where it lies, in the one form the journal writes: compact, raw
 * UTF-8, the fewest escapes. Checked and picked apart without building it.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

struct buf;

struct span { const char *at; size_t len; };	/* borrowed */

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

/* Append text as a JSON string; U+FFFD for each byte that is not UTF-8. */
void json_span_put(struct buf *b, const char *text);
/* Append what a string stands for, and a NUL; false if it has one in it. */
bool json_span_text(struct span string, struct buf *b);
