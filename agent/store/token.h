/*
 * Who may call: tokens as id and SHA-256 in a 0600 file, never in clear.
 * "kc<scope letter>_" + 30 base62 + 6 base62 digits of CRC-32 over those 30.
 */
#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct tokens;			/* the file as last read; any thread */

enum scope { SCOPE_ADMIN = 1, SCOPE_OBSERVER = 2, SCOPE_RUNNER = 4 };

#define TOKEN_TEXT 41		/* "kca_" + 36 + NUL */

struct actor {
	char name[129];
	char token_id[24];
	unsigned scopes;	/* of enum scope */
};

unsigned scope_of(const char *name);		/* 0 if there is none */
const char *scope_name(unsigned one);
/*
 * Is something in the text (which may be NULL) spelled like a token, whether
 * it is one, was one, or has a typo? token_hide writes [redacted] over it.
 */
bool token_in(const char *text);
void token_hide(char *text);
bool token_in_json(const json_t *v);	/* in a string or a key of it */
/* "admin,observer": for the record; out has 48 bytes. */
void scope_text(unsigned scopes, char out[48]);

int tokens_open(struct tokens **out, const char *path, struct err *err);
void tokens_close(struct tokens *t);
/*
 * Who is this? Reads the file again first if it has changed. -1 with
 * ERR_unauthenticated (nothing more is said) or ERR_io.
 */
int tokens_check(struct tokens *t, const char *text, struct actor *who,
		 struct err *err);
/*
 * Every token but its digest: {id,name,scopes,created_at,expires_at,
 * revoked_at}. New array; NULL and *err if the file cannot be read.
 */
json_t *tokens_list(struct tokens *t, struct err *err);
/* Counts the times the file was found changed; starts at 1. */
unsigned tokens_version(struct tokens *t);

/* Make one; ttl_us 0: never expires. text gets the secret, shown once. */
int token_create(const char *path, const char *name, unsigned scopes,
		 int64_t ttl_us, char text[TOKEN_TEXT], struct err *err);
int token_revoke(const char *path, const char *id, struct err *err);
