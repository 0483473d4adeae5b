/* See webhook_forget.h. */
#include "agent/ops/webhook_forget.h"

#include <string.h>

#include "agent/ops/handlers.h"
#include "agent/ops/wait.h"
#include "agent/store/settings.h"
#include "agent/store/settings_webhook.h"
#include "agent/store/state.h"
#include "common/clock.h"
#include "common/json.h"

#define SETTLED_US 3600000000LL		/* by then the clock is set */

bool webhook_is_over(const struct settings *s, const json_t *kept)
{
	const char *source = json_str(kept, "source");
	const struct webhook_conf *hook =
		source ? settings_webhook_find(s, source) : NULL;
	/* One that is gone may come back, and with any window. */
	int64_t window = hook ? hook->window : WEBHOOK_WINDOW_MAX;

	if (wait_left(kept, "at") + window > 0)
		return false;
	return wait_is_ours(kept, "at") || clock_boot_us() > SETTLED_US;
}

/*
 * In shared mode an intent bears the same id, which is to make the same task
 * after a crash. It says no source; it is as old, or about an event that is
 * new after the window.
 */
static bool intent_is_over(struct agent *a, const char *id,
			   const json_t *kept)
{
	json_t *intent = json_copy(state_doc(a->state, "intent", id));
	bool over;

	json_object_set(intent, "source", json_object_get(kept, "source"));
	over = intent && webhook_is_over(a->settings, intent);
	json_decref(intent);
	return over;
}

static void add(json_t *drop, const char *kind, const char *id)
{
	json_t *ids = json_object_get(drop, kind);

	if (!ids) {
		ids = json_array();
		json_object_set_new(drop, kind, ids);
	}
	json_array_append_new(ids, json_string(id));
}

static void judge(struct agent *a, const char *kind, const char *id,
		  json_t *drop)
{
	const json_t *kept = state_doc(a->state, kind, id);

	if (!kept || !webhook_is_over(a->settings, kept))
		return;
	add(drop, kind, id);
	if (!strcmp(kind, "hookbody") && intent_is_over(a, id, kept))
		add(drop, "intent", id);
}

static void drop_all(struct agent *a, const json_t *drop)
{
	const char *kind;
	json_t *ids, *id;
	size_t i;

	json_object_foreach ((json_t *)drop, kind, ids)
		json_array_foreach (ids, i, id)
			state_drop(a->state, kind, json_string_value(id),
				   a->seq);
}

/*
 * args: {"kind": "hook" or "hookbody", "ids": [...]}, as somebody has seen
 * them. Which of them went is in the record, for an index that is made anew.
 */
int op_webhook_forget(struct agent *a, struct call *c, struct err *err)
{
	json_t *drop = json_object(), *id;
	struct fact fact = {.type = "documents_forgotten"};
	size_t i;
	int rc = 0;

	json_array_foreach (json_object_get(c->args, "ids"), i, id)
		judge(a, json_str(c->args, "kind"), json_string_value(id),
		      drop);
	if (json_object_size(drop)) {
		fact.data = json_pack("{s:s,s:O}", "why", "webhook window "
				      "over", "drop", drop);
		rc = agent_record(a, c, &fact, err);
		if (!rc)
			drop_all(a, drop);
	}
	json_decref(drop);
	return rc;
}
