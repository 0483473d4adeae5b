/* Who we are to the channel: an OAuth 2.0 client with a refresh token. */
#pragma once

struct auth;
struct failure;
struct tool;
struct web;

/* Reads the client file; what is wrong with it ends the program. */
struct auth *auth_open(const struct tool *t);
void auth_close(struct auth *a);	/* and wipes what it knows */

/* "Authorization: Bearer ...", borrowed; NULL before the first refresh. */
const char *auth_header(const struct auth *a);
/* Stars over all that is secret in the text, as it is or as it was sent. */
void auth_hide(const void *auth, char *text);
/* Fetch an access token (RFC 6749 section 6), patiently. 0 or -1. */
int auth_refresh(struct auth *a, struct web *w, const struct tool *t,
		 struct failure *f);
