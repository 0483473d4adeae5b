/* See settings_webhook.h. */
#include "agent/store/settings_webhook.h"

#include <stdlib.h>
#include <string.h>

#include "agent/store/settings.h"
#include "agent/store/webhook_template.h"
#include "common/conf.h"
#include "common/err.h"
#include "common/id.h"
#include "common/mem.h"
#include "common/utf8.h"

#define ROW(key_, type_, field, fallback_, choices_, min_, max_, help_)	      \
	{.section = "webhook", .key = key_, .type = type_,		      \
	 .offset = offsetof(struct webhook_conf, field),		      \
	 .fallback = fallback_, .choices = choices_, .min = min_,	      \
	 .max = max_, .help = help_}
#define MS 1000LL
#define DAY (86400000 * MS)
#define LABEL_MAX 64u

static const char *const levels[] = {"read_only", "local_write",
				     "external_publish"};

static const struct conf_key keys[] = {
	ROW("scheme", CONF_CHOICE, scheme, "github", WEBHOOK_CHOICES, 0, 0,
	    "How it signs: github, standard, stripe or hmac-sha256"),
	ROW("secret-file", CONF_PATH, secret_file, NULL, NULL, 0, 0,
	    "File whose first line is the secret, 0600"),
	ROW("next-secret-file", CONF_PATH, next_secret_file, NULL, NULL, 0, 0,
	    "A second one that is as good, during a rotation"),
	ROW("task", CONF_BOOL, task, "false", NULL, 0, 0,
	    "true: an accepted event makes a task"),
	ROW("window", CONF_TIME, window, "30d", NULL, MS,
	    WEBHOOK_WINDOW_MAX,
	    "An event that comes again in this time has no second effect"),
	ROW("tolerance", CONF_TIME, tolerance, "300s", NULL, 1000 * MS, DAY,
	    "How far a signed time may be away from ours"),
	ROW("subject", CONF_TEXT, subject, NULL, NULL, 0, 0,
	    "JSON pointer to what an event is about, such as /issue/id"),
	ROW("sequence", CONF_TEXT, sequence, NULL, NULL, 0, 0,
	    "JSON pointer to what grows, such as /issue/updated_at"),
	ROW("event-id", CONF_TEXT, event_id, NULL, NULL, 0, 0,
	    "JSON pointer to the event's id where the scheme signs none"),
	ROW("max-body", CONF_SIZE, max_body, "1m", NULL, 1024, 16 << 20,
	    "Bytes of an event"),
	ROW("max-per-minute", CONF_INT, max_per_minute, "600", NULL, 0, 100000,
	    "Events that are accepted a minute; 0: no limit"),
	ROW("title", CONF_TEXT, title, NULL, NULL, 0, 0,
	    "Title of the task: text with {/json/pointer} in it"),
	ROW("text", CONF_TEXT, text, "", NULL, 0, 0,
	    "Its request text, likewise"),
	ROW("assignee", CONF_TEXT, assignee, NULL, NULL, 0, 0,
	    "Its assignee"),
	ROW("side-effect-level", CONF_CHOICE, side_effect_level, "read_only",
	    "read_only|local_write|external_publish", 0, 0,
	    "Its side effect level"),
};

/* A key that may be there several times: each entry adds one. */
struct list {
	const char *key;
	size_t offset, n_offset;
	const char *help;
};

#define LIST(key_, field, help_)					      \
	{key_, offsetof(struct webhook_conf, field),			      \
	 offsetof(struct webhook_conf, n_##field), help_}

static const struct list lists[] = {
	LIST("criterion", criteria,
	     "An acceptance criterion of the task, likewise; repeatable"),
	LIST("label", labels,
	     "A label of the task, name=text, likewise; repeatable"),
	LIST("only", only,
	     "What else no task is made of: /action=opened,reopened or /issue"),
};

const char *webhook_level_name(int level)
{
	return levels[level];
}

const struct webhook_conf *settings_webhook_find(const struct settings *s,
						 const char *name)
{
	for (size_t i = 0; i < s->n_webhooks; i++)
		if (!strcmp(s->webhooks[i].name, name))
			return &s->webhooks[i];
	return NULL;
}

static struct webhook_conf *named(struct settings *s, const char *name)
{
	const struct webhook_conf *there = settings_webhook_find(s, name);
	struct webhook_conf *w;

	if (there)
		return &s->webhooks[there - s->webhooks];
	if (s->n_webhooks == WEBHOOKS_MAX)
		return NULL;
	s->webhooks = xrealloc(s->webhooks,
			       (s->n_webhooks + 1) * sizeof(*w));
	w = &s->webhooks[s->n_webhooks++];
	*w = (struct webhook_conf){.name = xstrdup(name)};
	conf_defaults(keys, ARRAY_LEN(keys), w);
	return w;
}

static char ***entries(const struct list *l, struct webhook_conf *w)
{
	return (char ***)(void *)((char *)w + l->offset);
}

static size_t *count(const struct list *l, struct webhook_conf *w)
{
	return (size_t *)(void *)((char *)w + l->n_offset);
}

/* Of one line, for people and programs to read. */
static bool is_line(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
			return false;
	return utf8_valid(text, len);
}

static const char *assignee_wrong(const char *value)
{
	return value[strspn(value, " ")] && is_line(value, strlen(value)) ?
		NULL : "is not a name on one line";
}

static const char *criterion_wrong(const char *value)
{
	return value[strspn(value, " \t\n")] ? template_wrong(value) :
		"is blank: nothing could meet it";
}

static const char *label_wrong(const char *value)
{
	const char *is = strchr(value, '=');
	size_t n = is ? (size_t)(is - value) : 0;

	return !n || n > LABEL_MAX || !is_line(value, n) ?
		"is not name=text with a name of 1 to 64 bytes" :
		template_wrong(is + 1);
}

static const char *only_wrong(const char *value)
{
	const char *is = strchr(value, '=');
	char *pointer = xstrndup(value, is ? (size_t)(is - value) :
						strlen(value));
	const char *wrong = is && !is[1] ?
		"is not /json/pointer=value,value" : pointer_wrong(pointer);

	free(pointer);
	return wrong;
}

static const struct {
	const char *key;
	const char *(*wrong)(const char *value);
} checks[] = {
	{"subject", pointer_wrong}, {"sequence", pointer_wrong},
	{"event-id", pointer_wrong}, {"title", template_wrong},
	{"text", template_wrong}, {"criterion", criterion_wrong},
	{"label", label_wrong}, {"only", only_wrong},
	{"assignee", assignee_wrong},
};

/* Of an entry that conf has taken: what is wrong, or NULL. Empty: not said. */
static const char *value_wrong(const struct conf_entry *e)
{
	if (!*e->value)
		return NULL;
	for (size_t i = 0; i < ARRAY_LEN(checks); i++)
		if (!strcmp(checks[i].key, e->key))
			return checks[i].wrong(e->value);
	return NULL;
}

static int append(const struct list *l, struct webhook_conf *w,
		  const struct conf_entry *e, struct err *err)
{
	char ***at = entries(l, w);
	size_t *n = count(l, w);

	if (!*e->value)
		return conf_error(e, err, "the value is empty");
	if (*n == WEBHOOK_LIST_MAX)
		return conf_error(e, err, "more than %d of them",
				  WEBHOOK_LIST_MAX);
	*at = xrealloc(*at, (*n + 1) * sizeof(**at));
	(*at)[(*n)++] = xstrdup(e->value);
	return 0;
}

static int put(struct webhook_conf *w, const struct conf_entry *e,
	       struct err *err)
{
	for (size_t i = 0; i < ARRAY_LEN(lists); i++)
		if (!strcmp(lists[i].key, e->key))
			return append(&lists[i], w, e, err);
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (!strcmp(keys[i].key, e->key))
			return !conf_set(&keys[i], 1, e, w, err) ? 0 :
				err_hint(err, "%s: %s.", e->key,
					 keys[i].help);
	return conf_error(e, err, "unknown key");
}

int settings_webhook(struct settings *s, const struct conf_entry *e,
		     struct err *err)
{
	struct webhook_conf *w;
	const char *wrong;

	if (!id_valid(e->sub) || strlen(e->sub) > WEBHOOK_NAME_MAX)
		return conf_error(e, err, "this is no name");
	w = named(s, e->sub);
	if (!w)
		return conf_error(e, err, "more than %d of them",
				  WEBHOOKS_MAX);
	if (put(w, e, err))
		return -1;
	wrong = value_wrong(e);
	return wrong ? conf_error(e, err, "the value %s", wrong) : 0;
}

static void drop_empty(char **text)
{
	if (*text && !**text)
		xfree(*text);
}

static int check_one(const struct settings *s, struct webhook_conf *w,
		     struct err *err)
{
	char **texts[] = {&w->secret_file, &w->next_secret_file, &w->subject,
			  &w->sequence, &w->event_id, &w->title,
			  &w->assignee};

	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		drop_empty(texts[i]);
	if (!w->subject != !w->sequence) {
		err_set(err, ERR_bad_config,
			"%s: [webhook \"%s\"] has only one of subject and "
			"sequence", s->file, w->name);
		return err_hint(err, "Both say when an event is older than "
				"what is known already.");
	}
	if (w->scheme != WEBHOOK_GITHUB && w->window < 2 * w->tolerance) {
		err_set(err, ERR_bad_config, "%s: [webhook \"%s\"] has a "
			"window of less than twice its tolerance", s->file,
			w->name);
		return err_hint(err, "An event has to be known for as long as "
				"its signature counts, or it comes twice.");
	}
	if (!w->event_id && w->scheme == WEBHOOK_STRIPE)
		w->event_id = xstrdup("/id");
	if (!w->title)
		w->title = xasprintf("%s event", w->name);
	return 0;
}

int settings_webhook_check(struct settings *s, struct err *err)
{
	for (size_t i = 0; i < s->n_webhooks; i++)
		if (check_one(s, &s->webhooks[i], err))
			return -1;
	return 0;
}

static void free_list(const struct list *l, struct webhook_conf *w)
{
	for (size_t i = 0; i < *count(l, w); i++)
		free((*entries(l, w))[i]);
	free(*entries(l, w));
}

void settings_webhook_fini(struct settings *s)
{
	for (size_t i = 0; i < s->n_webhooks; i++) {
		struct webhook_conf *w = &s->webhooks[i];

		for (size_t j = 0; j < ARRAY_LEN(lists); j++)
			free_list(&lists[j], w);
		conf_free(keys, ARRAY_LEN(keys), w);
		free(w->name);
	}
	free(s->webhooks);
	s->webhooks = NULL;
	s->n_webhooks = 0;
}

void settings_webhook_list(FILE *out)
{
	settings_list_keys(out, keys, ARRAY_LEN(keys), " \"NAME\"");
	for (size_t i = 0; i < ARRAY_LEN(lists); i++)
		fprintf(out, "\t# %s\n\t#%s =\n", lists[i].help, lists[i].key);
}
