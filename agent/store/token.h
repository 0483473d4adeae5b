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

/* What a token is worth; all but the first let nobody in. */
enum token_state {
	TOKEN_GOOD,
	TOKEN_MISSING,		/* there is none */
	TOKEN_MALFORMED,	/* it is not spelled like one */
	TOKEN_UNKNOWN,
	TOKEN_EXPIRED,
	TOKEN_REVOKED,
	TOKEN_NARROWED,		/* it has lost a scope that it had */
	TOKEN_UNREADABLE,	/* the file of them: nobody gets in */
	TOKEN_count
};

const char *token_state_name(enum token_state state);	/* "good", ... */

/* 0, or -1 and why nobody gets in. */
int tokens_ready(struct tokens *t, struct err *err);
int tokens_open(struct tokens **out, const char *path, struct err *err);
void tokens_close(struct tokens *t);
/*
 * Who is this? Reads the file again first if it has changed. Of an expired
 * or revoked one who is filled too, for the record alone. text may be NULL.
 */
enum token_state tokens_look(struct tokens *t, const char *text,
			     struct actor *who);
/* Of who came in before: does the token still give all of these scopes? */
enum token_state tokens_still(struct tokens *t, const struct actor *who);
/*
 * Every token but its digest: {id,name,scopes,created_at,expires_at,
 * revoked_at,rotates,rotated_by}. New array; NULL and *err if the file
 * cannot be read.
 */
json_t *tokens_list(struct tokens *t, struct err *err);
/* Counts the times the file was found changed; starts at 1. */
unsigned tokens_version(struct tokens *t);
/* {id: RFC 3339, to the second} of those that were ever used. New object. */
json_t *tokens_used(struct tokens *t);
/* Keep that in FILE.used, if there is news; only the running agent does. */
int tokens_save_used(struct tokens *t, struct err *err);

/* Make one; ttl_us 0: never expires. text gets the secret, shown once. */
int token_create(const char *path, const char *name, unsigned scopes,
		 int64_t ttl_us, char text[TOKEN_TEXT], struct err *err);
/*
 * Make another one with its name and scopes; the old one ends overlap_us
 * from now, or at its own end if that is sooner. ttl_us 0: as long as the
 * old one was made for. ERR_already_exists if that was done before.
 */
int token_rotate(const char *path, const char *id, int64_t overlap_us,
		 int64_t ttl_us, char text[TOKEN_TEXT], struct err *err);
/*
 * Take scopes away (0: leave them) or let it end ttl_us from now (0: leave
 * that); -1 if that would give more than there is.
 */
int token_narrow(const char *path, const char *id, unsigned scopes,
		 int64_t ttl_us, struct err *err);
int token_revoke(const char *path, const char *id, struct err *err);
