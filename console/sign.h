/*
 * A decision signed by the operator's own SSH key, which stays with
 * ssh-keygen and ssh-agent: this program never sees it.
 */
#pragma once
#include <stddef.h>

#define SIGN_SPACE "approval@kircerta"

struct err;

/* ssh-keygen's words for this key's file; end with NULL, borrow key. */
#define SIGN_WORDS(key) \
	{"ssh-keygen", "-q", "-Y", "sign", "-f", (char *)(key), "-n", \
	 SIGN_SPACE, NULL}

/* The armored signature in what ssh-keygen printed, owned; or NULL. */
char *sign_found(const char *said);
/* Why there is none, of what it printed; safe to show, owned. */
char *sign_why(const char *said);
/*
 * Sign and wait; a passphrase is asked for on the terminal. The armored
 * signature, owned; NULL and ERR_io.
 */
char *sign_now(const char *key, const char *statement, struct err *err);
