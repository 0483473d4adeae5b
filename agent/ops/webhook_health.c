/* See webhook.h: what health says of the sources. */
#include <stdio.h>
#include <string.h>

#include "agent/ops/op.h"
#include "agent/ops/webhook.h"
#include "agent/ops/webhook_tally.h"
#include "agent/store/settings.h"
#include "agent/store/webhook_secret.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/json.h"

/* "" if its events can be verified, or why not. */
static void secret_state(const struct webhook_conf *hook, char *out,
			 size_t size)
{
	struct webhook_key key = {0};
	struct err err = {0};
	const char *next = hook->next_secret_file;
	int rc;

	*out = 0;
	if (!hook->secret_file || !*hook->secret_file)
		rc = err_set(&err, ERR_webhook_not_configured,
			     "it has no secret-file");
	else
		rc = webhook_secret_read(hook->scheme, hook->secret_file,
					 &key, &err);
	if (!rc && next && *next)
		rc = webhook_secret_read(hook->scheme, next, &key, &err);
	webhook_key_wipe(&key);
	if (rc)
		snprintf(out, size, "%s", err.detail);
	err_fini(&err);
}

static json_t *source_row(struct agent *a, size_t i, const char *wrong)
{
	const struct webhook_sums sums = webhook_tally_of(a->webhooks, i);
	char last[CLOCK_TEXT] = "";
	json_t *row;

	if (sums.last_us)
		clock_text(sums.last_us, last);
	row = json_pack("{s:s,s:I,s:I,s:I}", "name",
			a->settings->webhooks[i].name, "accepted",
			(json_int_t)sums.accepted, "repeated",
			(json_int_t)sums.repeated, "refused",
			(json_int_t)sums.refused);
	json_set_str(row, "last_accepted_at", *last ? last : NULL);
	json_object_set_new(row, "secret", json_lossy(*wrong ? wrong : "ok"));
	return row;
}

json_t *webhook_health(struct agent *a)
{
	json_t *row = json_pack("{s:s,s:s,s:[]}", "name", "webhooks",
				"status", "ok", "sources");
	char wrong[480], detail[600];
	const char *name;

	for (size_t i = 0; i < a->settings->n_webhooks; i++) {
		name = a->settings->webhooks[i].name;
		secret_state(&a->settings->webhooks[i], wrong, sizeof(wrong));
		json_array_append_new(json_object_get(row, "sources"),
				      source_row(a, i, wrong));
		if (!*wrong || json_object_get(row, "error_code"))
			continue;
		snprintf(detail, sizeof(detail), "%s: %s", name, wrong);
		json_set_str(row, "status", "degraded");
		json_set_str(row, "error_code", "webhook_not_configured");
		json_object_set_new(row, "detail", json_lossy(detail));
		json_set_str(row, "remediation_hint", "Write the secret into "
			     "the file, mode 0600; `kircerta-agent check` "
			     "looks at all of them.");
		json_set_str(row, "effect", "events of this source are "
			     "refused");
	}
	return row;
}
