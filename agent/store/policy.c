/*
 * See policy.h. The table of keys is settings.def; this walks it. The file is
 * read in passes, so that [policy "TOOL"] starts from all of [policy] wherever
 * that is.
 */
#include "agent/store/policy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/store/policy_words.h"
#include "agent/store/settings.h"
#include "common/conf.h"
#include "common/err.h"
#include "common/fs.h"
#include "common/id.h"
#include "common/jcs.h"
#include "common/json.h"
#include "common/mem.h"
#include "common/utf8.h"

#define FILE_MAX (1u << 20)

#define SET(...)
#define RETENTION(...)
#define TOOL(...)
#define POLICY(key_, field, type_, fallback_, choices_, min_, max_, help_)    \
	{.section = "policy", .key = key_, .type = type_,		      \
	 .offset = offsetof(struct policy, field), .fallback = fallback_,     \
	 .choices = choices_, .min = min_, .max = max_, .help = help_},
static const struct conf_key keys[] = {
#include "agent/store/settings.def"
};
#undef SET
#undef RETENTION
#undef TOOL
#undef POLICY

static bool is_text(const struct conf_key *k)
{
	return k->type == CONF_TEXT || k->type == CONF_PATH;
}

static char **text_at(struct policy *p, const struct conf_key *k)
{
	return (char **)((char *)p + k->offset);
}

/* Texts are each policy's own. */
static void policy_copy(struct policy *to, const struct policy *from)
{
	*to = *from;
	to->tool = NULL;
	for (size_t i = 0; i < POLICY_KEYS; i++) {
		to->from[i].text = xstrdup(from->from[i].text);
		if (is_text(&keys[i]))
			*text_at(to, &keys[i]) =
				xstrdup(*text_at(to, &keys[i]));
	}
}

static void policy_fini(struct policy *p)
{
	conf_free(keys, POLICY_KEYS, p);
	for (size_t i = 0; i < POLICY_KEYS; i++)
		free(p->from[i].text);
	policy_args_fini(p);
	free(p->tool);
}

/* What the table's types cannot say about a value. NULL: it is fine. */
static const char *odd(struct policy *p, size_t key)
{
	char **at = is_text(&keys[key]) ? text_at(p, &keys[key]) : NULL;
	char *plain;

	if (keys[key].type == CONF_TEXT) {
		plain = words_plain(*at);
		free(*at);
		*at = plain;
	}
	return key == POLICY_KEY_quiet_hours ?
		hours_read(p, p->quiet_hours) : NULL;
}

/* What is no text has no place in the hash: two would be alike there. */
static int text_check(const struct conf_entry *e, struct err *err)
{
	if (!e->value || utf8_valid(e->value, strlen(e->value)))
		return 0;
	return conf_error(e, err, "this is not UTF-8");
}

static int set(struct policy *p, const struct conf_entry *e, struct err *err)
{
	const char *wrong;
	size_t i = 0;

	if (text_check(e, err))
		return -1;
	while (i < POLICY_KEYS && strcmp(keys[i].key, e->key))
		i++;
	if (i == POLICY_KEYS)
		return conf_error(e, err, "unknown key");
	if (conf_set(&keys[i], 1, e, p, err))
		return err_hint(err, "%s: %s.", e->key, keys[i].help);
	wrong = odd(p, i);
	if (wrong)
		return conf_error(e, err, "\"%s\" %s", e->value, wrong);
	free(p->from[i].text);
	p->from[i] = (struct policy_from){e->line, p->tool != NULL, NULL,
					  xstrdup(e->value)};
	return 0;
}

/* What [timeouts] says of all waits counts where [policy] says nothing. */
static int each_timeout(const struct conf_entry *e, void *data,
			struct err *err)
{
	static const struct {
		const char *key, *name;
		enum policy_key of;
	} rows[] = {
		{"approval", "timeouts.approval", POLICY_KEY_approval_ttl},
		{"grace", "timeouts.grace", POLICY_KEY_grace},
	};
	struct policy *p = &((struct policy_table *)data)->all;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct policy_from *from = &p->from[rows[i].of];
		struct conf_key k = keys[rows[i].of];

		if (strcmp(e->section, "timeouts") || e->sub ||
		    strcmp(e->key, rows[i].key))
			continue;
		k.section = "timeouts";
		k.key = rows[i].key;
		if (conf_set(&k, 1, e, p, err))
			return -1;
		free(from->text);
		*from = (struct policy_from){e->line, false, rows[i].name,
					     xstrdup(e->value)};
	}
	return 0;
}

static int each_general(const struct conf_entry *e, void *data,
			struct err *err)
{
	struct policy_table *t = data;

	if (!strcmp(e->section, "policy-args") && !e->sub)
		return conf_error(e, err, "of which tool? Write "
				  "[policy-args \"TOOL\"]");
	if (strcmp(e->section, "policy"))
		return 0;
	t->rules++;
	return e->sub ? 0 : set(&t->all, e, err);
}

/* The policy of [policy "TOOL"]; the first time it is the general one. */
static struct policy *of_tool(struct policy_table *t, const char *tool)
{
	struct policy *p;

	for (size_t i = 0; i < t->n_tools; i++)
		if (!strcmp(t->tools[i].tool, tool))
			return &t->tools[i];
	t->tools = xrealloc(t->tools, (t->n_tools + 1) * sizeof(*p));
	p = &t->tools[t->n_tools++];
	policy_copy(p, &t->all);
	p->tool = xstrdup(tool);
	return p;
}

static int each_tool(const struct conf_entry *e, void *data, struct err *err)
{
	if (strcmp(e->section, "policy") || !e->sub)
		return 0;
	if (!id_valid(e->sub))
		return conf_error(e, err, "this is not the name of a tool");
	return set(of_tool(data, e->sub), e, err);
}

static int each_arg(const struct conf_entry *e, void *data, struct err *err)
{
	struct policy_table *t = data;
	const char *wrong;

	if (strcmp(e->section, "policy-args"))
		return 0;
	if (!id_valid(e->sub))
		return conf_error(e, err, "this is not the name of a tool");
	if (text_check(e, err))
		return -1;
	t->rules++;
	wrong = policy_arg_set(of_tool(t, e->sub), e->key, e->value, e->line);
	return wrong ? conf_error(e, err, "%s", wrong) : 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct policy *)a)->tool,
		      ((const struct policy *)b)->tool);
}

const struct policy *policy_for(const struct policy_table *t,
				const char *tool)
{
	struct policy want = {.tool = (char *)tool};
	const struct policy *p = NULL;

	if (tool && t->n_tools)
		p = bsearch(&want, t->tools, t->n_tools, sizeof(want),
			    by_name);
	return p ? p : &t->all;
}

/* A value as it counts, however it was written. */
static json_t *value_json(const struct policy *p, const struct conf_key *k)
{
	const void *at = (const char *)p + k->offset;

	switch (k->type) {
	case CONF_TEXT:
	case CONF_PATH:
		return json_string(*(char *const *)at ? *(char *const *)at :
							"");
	case CONF_BOOL:
		return json_boolean(*(const bool *)at);
	case CONF_CHOICE:
		return json_integer(*(const int *)at);
	default:
		return json_integer(*(const int64_t *)at);
	}
}

static json_t *policy_json(const struct policy *p)
{
	json_t *out = json_object(), *args = json_object();

	for (size_t i = 0; i < POLICY_KEYS; i++)
		json_object_set_new(out, keys[i].key,
				    value_json(p, &keys[i]));
	for (size_t i = 0; i < p->n_args; i++)
		json_set_str(args, p->args[i].name, p->args[i].words);
	json_object_set_new(out, "args", args);
	return out;
}

static int hash(struct policy_table *t, struct err *err)
{
	json_t *all = json_object(), *tools = json_object();
	size_t len;
	char *text;

	for (size_t i = 0; i < t->n_tools; i++)
		json_object_set_new(tools, t->tools[i].tool,
				    policy_json(&t->tools[i]));
	json_object_set_new(all, "policy", policy_json(&t->all));
	json_object_set_new(all, "tools", tools);
	text = jcs_text(all, &len, err);
	if (text)
		sha256_hex(text, len, t->sha256);
	json_decref(all);
	free(text);
	return text ? 0 : -1;
}

static int hash_file(const char *file, char hex[SHA256_HEX], struct err *err)
{
	size_t len;
	char *text = fs_read(file, FILE_MAX, &len, err);

	if (text)
		sha256_hex(text, len, hex);
	free(text);
	return text ? 0 : -1;
}

/* Its bytes before and after: all passes have seen the same file. */
static int read_passes(struct policy_table *t, struct err *err)
{
	char after[SHA256_HEX];

	if (settings_file_check(t->file, err) ||
	    hash_file(t->file, t->file_sha256, err) ||
	    conf_read(t->file, each_timeout, t, err) ||
	    conf_read(t->file, each_general, t, err) ||
	    conf_read(t->file, each_tool, t, err) ||
	    conf_read(t->file, each_arg, t, err) ||
	    hash_file(t->file, after, err))
		return -1;
	return strcmp(after, t->file_sha256) ? err_set(err, ERR_bad_config,
		"%s changed while it was read", t->file) : 0;
}

/* With nobody who may sign, nobody could ever decide. */
static int check_signers(const struct policy_table *t, const struct policy *p,
			 struct err *err)
{
	char *line;

	if (!p->signed_decisions ||
	    (p->allowed_signers && *p->allowed_signers))
		return 0;
	line = policy_line(t, p, POLICY_KEY_signed_decisions);
	err_set(err, ERR_bad_config, "%s: it needs policy.allowed-signers",
		line);
	free(line);
	return err_hint(err, "allowed-signers: %s.",
			keys[POLICY_KEY_allowed_signers].help);
}

static int check_all_signers(const struct policy_table *t, struct err *err)
{
	int rc = check_signers(t, &t->all, err);

	for (size_t i = 0; !rc && i < t->n_tools; i++)
		rc = check_signers(t, &t->tools[i], err);
	return rc;
}

static struct policy_table *table_new(const char *file)
{
	struct policy_table *t = xcalloc(1, sizeof(*t));

	atomic_init(&t->refs, 1);
	t->file = settings_path(file);
	conf_defaults(keys, POLICY_KEYS, &t->all);
	for (size_t i = 0; i < POLICY_KEYS; i++)
		t->all.from[i].text = xstrdup(keys[i].fallback ?
					      keys[i].fallback : "");
	return t;
}

int policy_read(struct policy_table **out, const char *file, struct err *err)
{
	struct policy_table *t = table_new(file);
	bool none = access(t->file, F_OK) && errno == ENOENT;

	if (!none && read_passes(t, err)) {
		policy_unref(t);
		return -1;
	}
	for (size_t i = 0; i < t->n_tools; i++)
		policy_args_sort(&t->tools[i]);
	if (t->n_tools)
		qsort(t->tools, t->n_tools, sizeof(*t->tools), by_name);
	if (check_all_signers(t, err) || hash(t, err)) {
		policy_unref(t);
		return -1;
	}
	*out = t;
	return 0;
}

struct policy_table *policy_ref(struct policy_table *t)
{
	atomic_fetch_add(&t->refs, 1);
	return t;
}

void policy_unref(struct policy_table *t)
{
	if (!t || atomic_fetch_sub(&t->refs, 1) > 1)
		return;
	for (size_t i = 0; i < t->n_tools; i++)
		policy_fini(&t->tools[i]);
	free(t->tools);
	policy_fini(&t->all);
	free(t->file);
	free(t);
}

char *policy_line(const struct policy_table *t, const struct policy *p,
		  enum policy_key key)
{
	const struct policy_from *from = &p->from[key];
	char *name = from->as ? xstrdup(from->as) :
		     from->own ? xasprintf("policy.%s.%s", p->tool,
					   keys[key].key) :
				 xasprintf("policy.%s", keys[key].key), *out;

	out = from->line ?
		xasprintf("%s:%d %s = %s", t->file, from->line, name,
			  from->text) :
		xasprintf("default %s = %s", name, from->text);
	free(name);
	return out;
}

char *policy_arg_line(const struct policy_table *t, const struct policy *p,
		      const struct policy_arg *arg)
{
	return xasprintf("%s:%d policy-args.%s.%s = %s", t->file, arg->line,
			 p->tool, arg->name, arg->words);
}

const char *policy_key_name(enum policy_key key)
{
	return keys[key].key;
}

void policy_list(FILE *out)
{
	settings_list_keys(out, keys, POLICY_KEYS, NULL);
}
