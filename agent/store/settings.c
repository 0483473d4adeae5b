/* See settings.h. The table is settings.def; this walks it. */
#include "agent/store/settings.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/store/policy.h"
#include "agent/store/settings_remote.h"
#include "common/conf.h"
#include "common/err.h"
#include "common/id.h"
#include "common/json.h"
#include "common/mem.h"

#define SET(section_, key_, field, type_, fallback_, choices_, min_, max_,    \
	    help_)							      \
	{.section = section_, .key = key_, .type = type_,		      \
	 .offset = offsetof(struct settings, field), .fallback = fallback_,   \
	 .choices = choices_, .min = min_, .max = max_, .help = help_},
#define POLICY(...)
#define RETENTION(...)
#define TOOL(...)
static const struct conf_key set_keys[] = {
#include "agent/store/settings.def"
};
#undef SET
#undef RETENTION
#define SET(...)
#define RETENTION(key_, field, type_, fallback_, choices_, min_, max_, help_) \
	{.section = "retention", .key = key_, .type = type_,		      \
	 .offset = offsetof(struct retention, field), .fallback = fallback_,  \
	 .choices = choices_, .min = min_, .max = max_, .help = help_},
static const struct conf_key retention_keys[] = {
#include "agent/store/settings.def"
};
#undef RETENTION
#undef TOOL
#define RETENTION(...)
#define TOOL(section_, key_, type_, fallback_, help_)			      \
	{.section = section_, .key = key_, .type = type_,		      \
	 .fallback = fallback_, .help = help_},
static const struct conf_key tool_keys[] = {
#include "agent/store/settings.def"
};

/* What the table's types cannot say about a value. NULL: it is fine. */
static const char *odd(const struct conf_entry *e, const struct settings *s)
{
	const char *colon = strrchr(e->value, ':');

	if (!strcmp(e->section, "agent") && !strcmp(e->key, "name"))
		return id_valid(s->name) ? NULL :
			"has more than A-Za-z0-9._- in it";
	if (!strcmp(e->section, "agent") && !strcmp(e->key, "listen"))
		return colon && colon > e->value && colon[1] &&
		       strspn(colon + 1, "0123456789") == strlen(colon + 1) &&
		       strlen(colon) <= 6 && atoi(colon + 1) <= 65535 ? NULL :
			"is not HOST:PORT";
	return NULL;
}

/* The same for what must not be quoted: it may hold a password. */
static const char *odd_secret(const struct conf_entry *e,
			      const struct settings *s)
{
	if (!strcmp(e->section, "timestamp") && !strcmp(e->key, "url"))
		return *e->value ? web_url_wrong(e->value) : NULL;
	if (strcmp(e->section, "ssot"))
		return NULL;
	if (!strcmp(e->key, "remote") && *s->ssot_remote)
		return remote_url_wrong(s->ssot_remote);
	if (!strcmp(e->key, "user") && (!*s->ssot_user ||
					strpbrk(s->ssot_user, "\r\n")))
		return "is no name";
	return NULL;
}

static const struct conf_key *key_of(const struct conf_key *keys, size_t n,
				     const struct conf_entry *e)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(keys[i].section, e->section) &&
		    !strcmp(keys[i].key, e->key))
			return &keys[i];
	return NULL;
}

/* Set it; a value that is refused is explained by the key's own help. */
static int set(const struct conf_key *keys, size_t n,
	       const struct conf_entry *e, void *into, struct err *err)
{
	const struct conf_key *k = key_of(keys, n, e);

	if (!k || !conf_set(k, 1, e, into, err))
		return k ? 0 : conf_error(e, err, "unknown key");
	return err_hint(err, "%s: %s.", e->key, k->help);
}

static int set_section(struct settings *s, const struct conf_entry *e,
		       struct err *err)
{
	char *text = NULL;
	json_t *section;
	int rc;

	rc = set(tool_keys, ARRAY_LEN(tool_keys), e, &text, err);
	if (!rc) {
		section = json_object_get(s->sections, e->section);
		json_set_str(section, e->key, text);
	}
	free(text);
	return rc;
}

/* What fnmatch takes, of what a media type may have. */
static bool is_pattern(const char *text)
{
	return *text && strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789"
			       "!#$&^_.+-/*") == strlen(text);
}

static int set_retention(struct settings *s, const struct conf_entry *e,
			 struct err *err)
{
	struct retention *r = s->retentions;
	size_t i = 0;

	if (!is_pattern(e->sub))
		return conf_error(e, err, "this is not a media type, such as "
				  "video/* or image/png");
	while (i < s->n_retentions && strcmp(r[i].pattern, e->sub))
		i++;
	if (i == s->n_retentions) {
		r = xrealloc(r, (i + 1) * sizeof(*r));
		r[i] = (struct retention){.pattern = xstrdup(e->sub)};
		s->retentions = r;
		s->n_retentions++;
	}
	return set(retention_keys, ARRAY_LEN(retention_keys), e, &r[i], err);
}

static bool names_file(const char *key)
{
	const char *dash = strrchr(key, '-');

	return dash && !strcmp(dash, "-file");
}

/* Of a key that repeats, all it was given; of a file, what counts. */
static void note_said(struct settings *s, const struct conf_entry *e)
{
	json_t *section = json_object_get(s->said, e->section);
	char *key = xasprintf("%s.%s", e->sub ? e->sub : "", e->key);
	const char *before = json_str(section, key);
	char *value = before && !names_file(e->key) ?
		xasprintf("%s\n%s", before, e->value) : xstrdup(e->value);

	if (!section) {
		section = json_object();
		json_object_set_new(s->said, e->section, section);
	}
	json_object_set_new(section, key, json_lossy(value));
	free(value);
	free(key);
}

void settings_files(const struct settings *s,
		    void (*each)(void *data, const char *path), void *data)
{
	const char *section, *key;
	json_t *keys, *value;
	char *path;

	json_object_foreach (s->said, section, keys)
		json_object_foreach (keys, key, value) {
			if (!names_file(key) || !json_string_length(value))
				continue;
			path = conf_beside(s->file, json_string_value(value));
			each(data, path);
			free(path);
		}
}

json_t *settings_differ(const struct settings *a, const struct settings *b)
{
	json_t *all = json_copy(a->said), *out = json_array(), *v;
	const char *key;

	json_object_update(all, b->said);
	json_object_foreach (all, key, v)
		if (!json_equal(json_object_get(a->said, key),
				json_object_get(b->said, key)))
			json_array_append_new(out, json_string(key));
	json_decref(all);
	return out;
}

static int each_general(const struct conf_entry *e, void *data,
			struct err *err)
{
	struct settings *s = data;
	const char *wrong;

	if (!strcmp(e->section, "policy") || !strcmp(e->section, "policy-args"))
		return 0;		/* policy.c reads that */
	note_said(s, e);
	if (!strcmp(e->section, "retention") && e->sub)
		return set_retention(s, e, err);
	if (!strcmp(e->section, "peer") && e->sub)
		return settings_peer(s, e, err);
	if (!strcmp(e->section, "witness") && e->sub)
		return settings_witness(s, e, err);
	if (!strcmp(e->section, "notify") && e->sub)
		return settings_notify(s, e, err);
	if (!strcmp(e->section, "webhook") && e->sub)
		return settings_webhook(s, e, err);
	if (e->sub)
		return conf_error(e, err, "unknown section");
	if (json_object_get(s->sections, e->section))
		return set_section(s, e, err);
	if (set(set_keys, ARRAY_LEN(set_keys), e, s, err))
		return -1;
	wrong = odd_secret(e, s);
	if (wrong)
		return conf_error(e, err, "the value %s", wrong);
	wrong = odd(e, s);
	return wrong ? conf_error(e, err, "\"%s\" %s", e->value, wrong) : 0;
}

char *settings_path(const char *file)
{
	char cwd[PATH_MAX];

	if (*file == '/' || !getcwd(cwd, sizeof(cwd)))
		return xstrdup(file);
	return xasprintf("%s/%s", cwd, file);
}

static char *host_name(void)
{
	char name[256] = "";

	gethostname(name, sizeof(name) - 1);
	return xstrdup(id_valid(name) ? name : "kircerta");
}

static void defaults(struct settings *s, const char *file)
{
	memset(s, 0, sizeof(*s));
	s->file = settings_path(file);
	s->name = host_name();
	conf_defaults(set_keys, ARRAY_LEN(set_keys), s);
	s->sections = json_object();
	s->said = json_object();
	for (size_t i = 0; i < ARRAY_LEN(tool_keys); i++) {
		const struct conf_key *k = &tool_keys[i];

		if (!json_object_get(s->sections, k->section))
			json_object_set_new(s->sections, k->section,
					    json_object());
		if (k->fallback)
			json_set_str(json_object_get(s->sections, k->section),
				     k->key, k->fallback);
	}
}

int settings_file_check(const char *file, struct err *err)
{
	struct stat st;

	if (stat(file, &st))
		return err_sys(err, ERR_io, "%s", file);
	if (!(st.st_mode & S_IWOTH))
		return 0;
	err_set(err, ERR_bad_config, "%s may be written by everybody", file);
	return err_hint(err, "chmod o-w %s", file);
}

int settings_read(struct settings *s, const char *file, struct err *err)
{
	defaults(s, file);
	if (access(s->file, F_OK) && errno == ENOENT)
		return 0;
	if (!settings_file_check(s->file, err) &&
	    !conf_read(s->file, each_general, s, err) &&
	    !settings_witness_check(s, err) &&
	    !settings_notify_check(s, err) &&
	    !settings_webhook_check(s, err) && !settings_peer_check(s, err))
		return 0;
	settings_fini(s);
	return -1;
}

void settings_fini(struct settings *s)
{
	for (size_t i = 0; i < s->n_retentions; i++)
		free(s->retentions[i].pattern);
	free(s->retentions);
	settings_witness_fini(s);
	settings_notify_fini(s);
	settings_webhook_fini(s);
	settings_peer_fini(s);
	conf_free(set_keys, ARRAY_LEN(set_keys), s);
	json_decref(s->sections);
	json_decref(s->said);
	free(s->file);
	memset(s, 0, sizeof(*s));
}

void settings_list_keys(FILE *out, const struct conf_key *keys, size_t n,
			const char *sub)
{
	const char *section = "";

	for (size_t i = 0; i < n; i++) {
		const struct conf_key *k = &keys[i];

		if (strcmp(section, k->section))
			fprintf(out, "\n[%s%s]\n", k->section,
				sub ? sub : "");
		section = k->section;
		fprintf(out, "\t# %s\n\t#%s =%s%s\n", k->help, k->key,
			k->fallback && *k->fallback ? " " : "",
			k->fallback ? k->fallback : "");
	}
}

void settings_list(FILE *out)
{
	fputs("# kircerta-agent: every key with its default. [policy \"TOOL\"] "
	      "takes the keys\n# of [policy] for one tool. Times: ms s m h d; "
	      "sizes: k m g.\n", out);
	settings_list_keys(out, set_keys, ARRAY_LEN(set_keys), NULL);
	settings_list_keys(out, retention_keys, ARRAY_LEN(retention_keys),
			   " \"video/*\"");
	settings_peer_list(out);
	settings_witness_list(out);
	settings_notify_list(out);
	settings_webhook_list(out);
	policy_list(out);
	settings_list_keys(out, tool_keys, ARRAY_LEN(tool_keys), NULL);
}
