/* Strict JSON in, two exact forms out; jansson underneath. */
#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct buf;
struct err;

#define JSON_DEPTH_MAX 32
#define JSON_SAFE_INT 9007199254740992LL	/* 2^53 */

/* Call once, before any thread: seeds the hash, makes memory abort. */
void json_setup(void);

/*
 * Parse one JSON value that must be an object. Refuses duplicate keys, bad
 * UTF-8, NULs, trailing bytes, integers and reals beyond 2^53 and nesting
 * over JSON_DEPTH_MAX, all as ERR_invalid_json. Returns a new reference.
 * A document that would need out-of-proportion memory is refused as well.
 */
json_t *json_parse(const char *text, size_t len, struct err *err);

/*
 * One line, keys in the order they were set; a fraction in the fewest digits
 * that are read as the same number. Caller frees.
 */
char *json_line(const json_t *value, size_t *len);
/*
 * The same with 17 digits for a fraction, as hashes on record have it: for
 * an object or array that a hash is made of. Caller frees.
 */
char *json_hashed(const json_t *value, size_t *len);
/*
 * The form a document has in the repository: sorted keys, two-space indent,
 * 17 digits for a fraction, final LF. Its git blob id is the document's sha,
 * which may never change. Caller frees.
 */
char *json_pretty(const json_t *value, size_t *len);
/* The same, each added to a buffer that is used again and again. */
void json_add_line(struct buf *b, const json_t *value);
void json_add_pretty(struct buf *b, const json_t *value);

/* A string value even where the bytes are not UTF-8 (they become '?'). */
json_t *json_lossy(const char *text);

/* RFC 7396. Returns a new value; neither argument is changed. */
json_t *json_merge_patch(const json_t *target, const json_t *patch);

/* Borrowed text of a string member, or NULL. */
const char *json_str(const json_t *object, const char *key);
/* Integer member, or the fallback where it is absent or not an integer. */
json_int_t json_int(const json_t *object, const char *key,
		    json_int_t fallback);
bool json_is_set(const json_t *object, const char *key);	/* true */

/* Set a string, or null where text is NULL. */
void json_set_str(json_t *object, const char *key, const char *text);
void json_set_int(json_t *object, const char *key, json_int_t value);
