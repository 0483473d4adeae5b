/*
 * RFC 8785, the JSON Canonicalization Scheme: the exact bytes that a request
 * digest is made of. Used for digests only.
 */
#pragma once
#include <jansson.h>
#include <stddef.h>

struct err;

/*
 * Returns the canonical bytes (caller frees) or NULL with ERR_invalid_json:
 * reals, and integers beyond 2^53, have no place in what is signed.
 */
char *jcs_text(const json_t *value, size_t *len, struct err *err);
