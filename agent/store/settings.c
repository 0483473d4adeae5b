/*
 * See settings.h. The table is settings.def; this walks it. The file is read
 * twice, so that [policy "TOOL"] starts from all of [policy] wherever it is.
 */
#include "agent/store/settings.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/store/settings_remote.h"
#include "common/conf.h"
#include "common/err.h"
#include "common/id.h"
#include "common/jcs.h"
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
#undef POLICY
#define SET(...)
#define POLICY(key_, field, type_, fallback_, choices_, min_, max_, help_)    \
	{.section = "policy", .key = key_, .type = type_,		      \
	 .offset = offsetof(struct policy, field), .fallback = fallback_,     \
	 .choices = choices_, .min = min_, .max = max_, .help = help_},
static const struct conf_key policy_keys[] = {
#include "agent/store/settings.def"
};
#undef POLICY
#undef RETENTION
#define POLICY(...)
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

/* The policy of [policy "TOOL"]; the first time it is the general one. */
static struct policy *policy_for(struct settings *s, const char *tool)
{
	struct policy *p = NULL;

	for (size_t i = 0; i < s->n_tool_policies; i++)
		if (!strcmp(s->tool_policies[i].tool, tool))
			return &s->tool_policies[i];
	s->tool_policies = xrealloc(s->tool_policies,
				    (s->n_tool_policies + 1) * sizeof(*p));
	p = &s->tool_policies[s->n_tool_policies++];
	*p = s->policy;
	p->tool = xstrdup(tool);
	return p;
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

static int each_general(const struct conf_entry *e, void *data,
			struct err *err)
{
	struct settings *s = data;
	const char *wrong;

	if (!strcmp(e->section, "policy") && e->sub)
		return 0;
	if (!strcmp(e->section, "retention") && e->sub)
		return set_retention(s, e, err);
	if (!strcmp(e->section, "witness") && e->sub)
		return settings_witness(s, e, err);
	if (e->sub)
		return conf_error(e, err, "unknown section");
	if (!strcmp(e->section, "policy"))
		return set(policy_keys, ARRAY_LEN(policy_keys), e, &s->policy,
			   err);
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

static int each_tool_policy(const struct conf_entry *e, void *data,
			    struct err *err)
{
	if (strcmp(e->section, "policy") || !e->sub)
		return 0;
	if (!id_valid(e->sub))
		return conf_error(e, err, "this is not the name of a tool");
	return set(policy_keys, ARRAY_LEN(policy_keys), e,
		   policy_for(data, e->sub), err);
}

static json_t *policy_json(const struct policy *p)
{
	return json_pack("{s:i,s:i,s:I,s:I,s:I}",
			 "local_write", p->local_write,
			 "external_publish", p->external_publish,
			 "approvals_required",
			 (json_int_t)p->approvals_required,
			 "approval_ttl_us", (json_int_t)p->approval_ttl,
			 "grace_us", (json_int_t)p->grace);
}

static int hash_policy(struct settings *s, struct err *err)
{
	json_t *all = json_object(), *tools = json_object();
	size_t len;
	char *text;

	for (size_t i = 0; i < s->n_tool_policies; i++)
		json_object_set_new(tools, s->tool_policies[i].tool,
				    policy_json(&s->tool_policies[i]));
	json_object_set_new(all, "policy", policy_json(&s->policy));
	json_object_set_new(all, "tools", tools);
	text = jcs_text(all, &len, err);
	if (text)
		sha256_hex(text, len, s->policy_sha256);
	json_decref(all);
	free(text);
	return text ? 0 : -1;
}

static char *absolute(const char *file)
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
	s->file = absolute(file);
	s->name = host_name();
	conf_defaults(set_keys, ARRAY_LEN(set_keys), s);
	conf_defaults(policy_keys, ARRAY_LEN(policy_keys), &s->policy);
	s->sections = json_object();
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

/* Whoever may write this file decides what may be published. */
static int not_everybodys(const char *file, struct err *err)
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
		return hash_policy(s, err);
	if (!not_everybodys(s->file, err) &&
	    !conf_read(s->file, each_general, s, err) &&
	    !conf_read(s->file, each_tool_policy, s, err) &&
	    !settings_witness_check(s, err) && !hash_policy(s, err))
		return 0;
	settings_fini(s);
	return -1;
}

void settings_fini(struct settings *s)
{
	for (size_t i = 0; i < s->n_tool_policies; i++)
		free(s->tool_policies[i].tool);
	free(s->tool_policies);
	for (size_t i = 0; i < s->n_retentions; i++)
		free(s->retentions[i].pattern);
	free(s->retentions);
	settings_witness_fini(s);
	conf_free(set_keys, ARRAY_LEN(set_keys), s);
	json_decref(s->sections);
	free(s->file);
	memset(s, 0, sizeof(*s));
}

const struct policy *settings_policy(const struct settings *s,
				     const char *tool)
{
	for (size_t i = 0; tool && i < s->n_tool_policies; i++)
		if (!strcmp(s->tool_policies[i].tool, tool))
			return &s->tool_policies[i];
	return &s->policy;
}

/* sub: the part of the section's name in quotes, or NULL. */
static void list(const struct conf_key *keys, size_t n, const char *sub,
		 FILE *out)
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
	list(set_keys, ARRAY_LEN(set_keys), NULL, out);
	list(retention_keys, ARRAY_LEN(retention_keys), " \"video/*\"", out);
	settings_witness_list(out);
	list(policy_keys, ARRAY_LEN(policy_keys), NULL, out);
	list(tool_keys, ARRAY_LEN(tool_keys), NULL, out);
}
