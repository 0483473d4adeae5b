/* A file that holds a secret that webhooks are signed with. */
#pragma once
#include <stdbool.h>

#include "common/webhook.h"

struct err;

/*
 * The key that the first line of the file is, for its owner alone (0600).
 * ERR_webhook_not_configured says why there is none, and nothing of it; where
 * -1 there is nothing to wipe.
 */
int webhook_secret_read(enum webhook_scheme scheme, const char *file,
			struct webhook_key *key, struct err *err);

/*
 * Is there a file for the second secret? It goes when a rotation ends, and
 * one that is away is none. What else may be wrong with it, reading tells.
 */
bool webhook_secret_there(const char *file);
