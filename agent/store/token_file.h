/* The parts of token.h: a token's text, and the file of all tokens. */
#pragma once
#include <jansson.h>
#include <stdbool.h>

#include "agent/store/token.h"
#include "common/sha256.h"

struct err;

#define TOKEN_DIGEST (SHA256_HEX - 1)	/* hex digits, without NUL */

void token_text_make(unsigned scopes, char text[TOKEN_TEXT]);
/* Has it the shape and the checksum? Says nothing about who it is. */
bool token_text_ok(const char *text);

/*
 * Every line of the file as an array of objects, each with id, name, sha256
 * and scopes; no id and no digest twice. NULL with ERR_io or ERR_bad_config:
 * missing, readable by others, or a line that is no token.
 */
json_t *token_file_read(const char *path, struct err *err);
/* All of it anew, in one step. 0 or -1. */
int token_file_write(const char *path, const json_t *all, struct err *err);
/* Keep other edits out until the descriptor is closed; -1 on error. */
int token_file_lock(const char *path, struct err *err);
