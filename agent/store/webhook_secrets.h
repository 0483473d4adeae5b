/*
 * The secrets of the configured webhooks, one file each, and a second one
 * while a secret is being replaced. What is in the files counts: they are
 * looked at again at most once a second, so that a rotation needs no restart.
 * A file that cannot be used is as none. Any thread.
 */
#pragma once
#include <stddef.h>

#include "common/webhook.h"

struct settings;
struct webhook_conf;
struct webhook_secrets;

enum webhook_secret_state {
	WEBHOOK_SECRET_GOOD,	/* all that are named can be used */
	WEBHOOK_SECRET_PARTLY,	/* one can, the other that is named cannot */
	WEBHOOK_SECRET_NONE,	/* nothing can be verified */
};

#define WEBHOOK_SECRETS 2	/* of a source: this one, and the next */

/* Reads them all; settings have to outlive it. Never NULL. */
struct webhook_secrets *webhook_secrets_new(const struct settings *s);
void webhook_secrets_free(struct webhook_secrets *all);	/* wipes; NULL: fine */
/*
 * The keys of this source (of those settings), by what its files say now; one
 * that cannot be used has no bytes. The caller wipes them.
 */
enum webhook_secret_state
webhook_secrets_keys(struct webhook_secrets *all, const struct webhook_conf *w,
		     struct webhook_key keys[WEBHOOK_SECRETS]);
/* The state alone; detail gets what is wrong, for a person, or "". */
enum webhook_secret_state
webhook_secrets_state(struct webhook_secrets *all,
		      const struct webhook_conf *w, char *detail, size_t size);
/* Look at all the files now, whenever that was last done. NULL is fine. */
void webhook_secrets_reload(struct webhook_secrets *all);
