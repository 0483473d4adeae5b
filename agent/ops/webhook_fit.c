/* See webhook_fit.h. */
#include "agent/ops/webhook_fit.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "agent/ops/webhook_parts.h"
#include "agent/store/settings.h"
#include "agent/store/settings_webhook.h"
#include "common/conf.h"
#include "common/err.h"
#include "common/json.h"

/* As long as the names of events are, and a digest is. */
#define USUAL "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

/* What an event says of itself takes room in the task, too. */
static json_t *said_of(const struct webhook_conf *hook)
{
	return json_pack("{s:s,s:s,s:s,s:s,s:s,s:s}", "source", hook->name,
			 "event", USUAL, "event_id", USUAL, "body_sha256",
			 USUAL, "subject", USUAL, "sequence", USUAL);
}

static int fits(const struct webhook_conf *hook, struct err *err)
{
	json_t *said = said_of(hook), *empty = json_object();
	json_t *parts = webhook_parts(hook, empty, said, err);

	json_decref(empty);
	json_decref(said);
	json_decref(parts);
	return parts ? 0 : -1;
}

/* An entry of the file: the nth of this key, and value, the source has. */
struct place {
	const char *source, *key;
	const char *value;	/* NULL: any */
	size_t n;
	const struct err *why;	/* what is wrong there */
	bool found;
};

static int tell_there(const struct conf_entry *e, void *data, struct err *err)
{
	struct place *at = data;

	if (!e->sub || strcmp(e->section, "webhook") ||
	    strcmp(e->sub, at->source) || strcmp(e->key, at->key) ||
	    (at->value && strcmp(e->value, at->value)) || at->n--)
		return 0;
	at->found = true;
	return conf_error(e, err, "%s", at->why->detail);
}

/* A list as long as it takes until it does not fit: its last one is it. */
static bool is_in(struct webhook_conf *part, size_t *n, size_t all,
		  struct err *why)
{
	for (*n = 1; *n <= all; ++*n) {
		err_fini(why);
		*why = (struct err){0};
		if (fits(part, why))
			return true;
	}
	*n = all;
	return false;
}

/* The first of what was configured that no longer fits beside the rest. */
static void find(const struct webhook_conf *hook, struct place *at,
		 struct err *why)
{
	struct webhook_conf part = *hook;

	part.n_criteria = part.n_labels = 0;
	at->key = "assignee";
	at->value = hook->assignee;
	if (fits(&part, why))
		return;
	at->value = NULL;
	at->key = "criterion";
	if (!is_in(&part, &part.n_criteria, hook->n_criteria, why)) {
		at->key = "label";
		is_in(&part, &part.n_labels, hook->n_labels, why);
	}
	at->n = (strcmp(at->key, "label") ? part.n_criteria :
					    part.n_labels) - 1;
}

static int tell(const struct settings *s, const struct webhook_conf *hook,
		struct err *why, struct err *err)
{
	struct place at = {.source = hook->name, .why = why};

	find(hook, &at, why);
	conf_read(s->file, tell_there, &at, err);
	if (!at.found) {		/* somebody writes the file */
		err_fini(err);
		err_set(err, ERR_bad_config, "%s: [webhook \"%s\"]: %s",
			s->file, hook->name, why->detail);
	}
	return err_hint(err, "Every event of this source would be refused "
			"with %s.", err_row(why->code)->code);
}

int webhooks_fit(const struct settings *s, struct err *err)
{
	struct err why = {0};
	int rc = 0;

	for (size_t i = 0; !rc && i < s->n_webhooks; i++)
		if (fits(&s->webhooks[i], &why))
			rc = tell(s, &s->webhooks[i], &why, err);
	err_fini(&why);
	return rc;
}
