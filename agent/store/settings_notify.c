/* See settings_notify.h. */
#include "agent/store/settings_notify.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "agent/store/settings.h"
#include "common/conf.h"
#include "common/err.h"
#include "common/id.h"
#include "common/mem.h"
#include "common/words.h"

#define EVENTS "approval_requested approval_reminder approval_expired "	      \
	       "mode_changed tool_failed outcome_unknown degraded "	      \
	       "review_overdue"
#define LATE_EVENTS "approval_reminder approval_expired"

#define ROW(key_, type_, field, fallback_, choices_, help_)		      \
	{.section = "notify", .key = key_, .type = type_,		      \
	 .offset = offsetof(struct notify_conf, field),			      \
	 .fallback = fallback_, .choices = choices_, .help = help_}

static const char *const kinds[] = {"webhook", "ntfy", "slack", "discord",
				    "mattermost"};

static const struct conf_key keys[] = {
	ROW("kind", CONF_CHOICE, kind, "webhook",
	    "webhook|ntfy|slack|discord|mattermost",
	    "What is there: webhook, ntfy, slack, discord or mattermost"),
	ROW("url-file", CONF_PATH, url_file, NULL, NULL,
	    "File that holds the URL to post to, 0600"),
	ROW("events", CONF_TEXT, events, NULL, NULL,
	    "Types of records to tell of (default: " EVENTS "); with a "
	    "secret-file also all"),
	ROW("escalate", CONF_BOOL, escalate, "false", NULL,
	    "true: of an approval only from its last reminder on"),
	ROW("secret-file", CONF_PATH, secret_file, NULL, NULL,
	    "File with a whsec_ key, 0600: the records themselves, signed"),
	ROW("next-secret-file", CONF_PATH, next_secret_file, NULL, NULL,
	    "Another one that signs too, during a rotation"),
	{.section = "notify", .key = "give-up", .type = CONF_TIME,
	 .offset = offsetof(struct notify_conf, give_up), .fallback = "24h",
	 .min = 1000000, .max = 31536000000000,
	 .help = "How long a signed record that fails is tried again, 1s to "
		 "365d"},
};

const char *notify_kind_name(int kind)
{
	return kinds[kind];
}

static struct notify_conf *named(struct settings *s, const char *name)
{
	struct notify_conf *n;

	for (size_t i = 0; i < s->n_notifies; i++)
		if (!strcmp(s->notifies[i].name, name))
			return &s->notifies[i];
	if (s->n_notifies == NOTIFIES_MAX)
		return NULL;
	s->notifies = xrealloc(s->notifies,
			       (s->n_notifies + 1) * sizeof(*n));
	n = &s->notifies[s->n_notifies++];
	*n = (struct notify_conf){.name = xstrdup(name)};
	conf_defaults(keys, ARRAY_LEN(keys), n);
	return n;
}

static const struct conf_key *row(const char *key)
{
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (!strcmp(keys[i].key, key))
			return &keys[i];
	return NULL;
}

/* One space between each two, whatever was there; in place. */
static void tidy(char *events)
{
	char *to = events;

	for (char *at = events; *at;) {
		size_t n = strcspn(at, " ,\t");

		if (n && to > events)
			*to++ = ' ';
		memmove(to, at, n);
		to += n;
		at += n + strspn(at + n, " ,\t");
	}
	*to = 0;
}

/* Types are a-z and _. Of some nobody is told: that would never end. */
static const char *events_wrong(const char *events)
{
	if (strspn(events, "abcdefghijklmnopqrstuvwxyz_ ") != strlen(events))
		return "is no list of types of records";
	if (words_index(events, ' ', "request") >= 0)
		return "has request in it, which every answer leaves";
	if (!strncmp(events, "notify_", 7) || strstr(events, " notify_"))
		return "has in it what telling itself leaves";
	if (strcmp(events, NOTIFY_ALL) &&
	    words_index(events, ' ', NOTIFY_ALL) >= 0)
		return "has " NOTIFY_ALL " beside others";
	return NULL;
}

int settings_notify(struct settings *s, const struct conf_entry *e,
		    struct err *err)
{
	const struct conf_key *key = row(e->key);
	struct notify_conf *n;
	const char *wrong;

	if (!key || !id_valid(e->sub) || strlen(e->sub) > 64)
		return conf_error(e, err, key ? "this is no name" :
						"unknown key");
	n = named(s, e->sub);
	if (!n)
		return conf_error(e, err, "more than %d of them",
				  NOTIFIES_MAX);
	if (conf_set(key, 1, e, n, err))
		return err_hint(err, "%s: %s.", e->key, key->help);
	if (strcmp(e->key, "events"))
		return 0;
	tidy(n->events);
	wrong = events_wrong(n->events);
	return wrong ? conf_error(e, err, "the value %s", wrong) : 0;
}

static bool given(const char *value)
{
	return value && *value;
}

bool notify_is_signed(const struct notify_conf *n)
{
	return given(n->secret_file);
}

static int wrong(const struct settings *s, const struct notify_conf *n,
		 const char *what, const char *hint, struct err *err)
{
	err_set(err, ERR_bad_config, "%s: [notify \"%s\"] %s", s->file,
		n->name, what);
	return err_hint(err, "%s", hint);
}

static int check(const struct settings *s, struct notify_conf *n,
		 struct err *err)
{
	if (!n->url_file)
		return wrong(s, n, "has no url-file", "Write the URL into a "
			     "file of mode 0600 and name that.", err);
	if (notify_is_signed(n) && strcmp(kinds[n->kind], "webhook"))
		return wrong(s, n, "has a secret-file and is no webhook",
			     "Only kind = webhook is signed.", err);
	if (!notify_is_signed(n) && given(n->next_secret_file))
		return wrong(s, n, "has a next-secret-file alone",
			     "Name the key that counts now as secret-file.",
			     err);
	if (!given(n->events)) {
		free(n->events);
		n->events = xstrdup(n->escalate ? LATE_EVENTS : EVENTS);
	}
	if (!notify_is_signed(n) && !strcmp(n->events, NOTIFY_ALL))
		return wrong(s, n, "tells people of all there is",
			     "List the types, or name a secret-file: all is "
			     "for programs.", err);
	return 0;
}

int settings_notify_check(struct settings *s, struct err *err)
{
	for (size_t i = 0; i < s->n_notifies; i++)
		if (check(s, &s->notifies[i], err))
			return -1;
	return 0;
}

void settings_notify_fini(struct settings *s)
{
	for (size_t i = 0; i < s->n_notifies; i++) {
		conf_free(keys, ARRAY_LEN(keys), &s->notifies[i]);
		free(s->notifies[i].name);
	}
	free(s->notifies);
	s->notifies = NULL;
	s->n_notifies = 0;
}

void settings_notify_list(FILE *out)
{
	fputs("\n[notify \"NAME\"]\n", out);
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		fprintf(out, "\t# %s\n\t#%s =%s%s\n", keys[i].help,
			keys[i].key, keys[i].fallback ? " " : "",
			keys[i].fallback ? keys[i].fallback : "");
}
