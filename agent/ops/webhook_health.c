/* See webhook.h: what health says of the sources. */
#include <stdio.h>
#include <string.h>

#include "agent/ops/op.h"
#include "agent/ops/webhook.h"
#include "agent/ops/webhook_tally.h"
#include "agent/store/settings.h"
#include "agent/store/webhook_secrets.h"
#include "common/clock.h"
#include "common/json.h"

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

/* The first that is wrong is the one that is told. */
static void tell(json_t *row, const char *name, enum webhook_secret_state state,
		 const char *wrong)
{
	char detail[600];

	if (json_object_get(row, "error_code"))
		return;
	snprintf(detail, sizeof(detail), "%s: %s", name, wrong);
	json_set_str(row, "status", "degraded");
	json_set_str(row, "error_code", "webhook_not_configured");
	json_object_set_new(row, "detail", json_lossy(detail));
	json_set_str(row, "remediation_hint", "Write the secret into the "
		     "file, mode 0600; `kircerta-agent check` looks at all "
		     "of them.");
	json_set_str(row, "effect", state == WEBHOOK_SECRET_NONE ?
		     "events of this source are refused" :
		     "events signed with this secret are refused");
}

json_t *webhook_health(struct agent *a)
{
	json_t *row = json_pack("{s:s,s:s,s:[]}", "name", "webhooks",
				"status", "ok", "sources");
	enum webhook_secret_state state;
	char wrong[480];

	for (size_t i = 0; i < a->settings->n_webhooks; i++) {
		const struct webhook_conf *hook = &a->settings->webhooks[i];

		state = webhook_secrets_state(a->webhook_secrets, hook, wrong,
					      sizeof(wrong));
		json_array_append_new(json_object_get(row, "sources"),
				      source_row(a, i, wrong));
		if (state != WEBHOOK_SECRET_GOOD)
			tell(row, hook->name, state, wrong);
	}
	return row;
}
