/* Who is told of events: can each place's files be used as they are? */
#include "agent/admin_check.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

#include "agent/core/outbox_sign.h"
#include "agent/store/settings.h"
#include "common/err.h"
#include "common/mem.h"

/* Nothing else depends on them, so the agent starts all the same. */
static int check_one(const struct notify_conf *n)
{
	struct outbox_keys keys = {0};
	struct err err = {0};
	int rc = outbox_keys_read(&keys, n, &err);
	char *what = xasprintf("%s%s%s", n->name, rc ? ": " : "",
			       rc ? err.detail : "");

	outbox_keys_wipe(&keys);
	say_row("notify", rc ? "FAIL" : "ok", what);
	if (rc)
		say_more(err_hint_of(&err));
	err_fini(&err);
	free(what);
	return rc;
}

int check_notifies(const struct settings *s)
{
	int rc = 0;

	for (size_t i = 0; i < s->n_notifies; i++)
		if (notify_is_signed(&s->notifies[i]))
			rc |= check_one(&s->notifies[i]);
	return rc;
}
