/* The sources of webhooks: can what they send be verified? */
#include "agent/admin_check.h"

#include <stdbool.h>
#include <stdlib.h>

#include "agent/store/settings.h"
#include "agent/store/webhook_secret.h"
#include "common/err.h"
#include "common/mem.h"

static int check_secret(const struct webhook_conf *hook, const char *file)
{
	struct webhook_key key = {0};
	struct err err = {0};
	int rc = webhook_secret_read(hook->scheme, file, &key, &err);
	char *what = xasprintf("%s: %s", hook->name, rc ? err.detail : "");

	webhook_key_wipe(&key);
	if (rc) {
		say_row("webhook", "FAIL", what);
		say_more(err_hint_of(&err));
	}
	err_fini(&err);
	free(what);
	return rc;
}

static bool is_said(const char *file)
{
	return file && *file;
}

static void say_well(const struct webhook_conf *hook)
{
	bool two = webhook_secret_there(hook->next_secret_file);
	char *what = xasprintf("%s: %s, %s%s", hook->name,
			       webhook_scheme_name(hook->scheme), hook->task ?
			       "makes tasks" : "is recorded",
			       two ? ", two secrets" : "");

	say_row("webhook", "ok", what);
	if (two)
		say_more("when the sender signs with the next one, make it "
			 "the only one");
	else if (is_said(hook->next_secret_file))
		say_more("its next-secret-file is not there: one secret counts");
	free(what);
}

static int check_source(const struct webhook_conf *hook)
{
	int rc = 0;

	if (!is_said(hook->secret_file)) {
		say_row("webhook", "FAIL", hook->name);
		say_more("it has no secret-file: everything is refused");
		return -1;
	}
	rc = check_secret(hook, hook->secret_file);
	if (webhook_secret_there(hook->next_secret_file))
		rc |= check_secret(hook, hook->next_secret_file);
	if (!rc)
		say_well(hook);
	return rc;
}

int check_webhooks(const struct settings *s)
{
	int rc = 0;

	for (size_t i = 0; i < s->n_webhooks; i++)
		rc |= check_source(&s->webhooks[i]);
	return rc;
}
