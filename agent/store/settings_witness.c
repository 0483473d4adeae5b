/* See settings_witness.h. */
#include "agent/store/settings_witness.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "agent/store/note.h"
#include "agent/store/settings.h"
#include "agent/store/settings_remote.h"
#include "common/conf.h"
#include "common/err.h"
#include "common/id.h"
#include "common/mem.h"

#define ROW(key_, type_, field, fallback_, min_, max_, help_)		      \
	{.section = "witness", .key = key_, .type = type_,		      \
	 .offset = offsetof(struct witness_conf, field),		      \
	 .fallback = fallback_, .min = min_, .max = max_, .help = help_}

static const struct conf_key keys[] = {
	ROW("url", CONF_TEXT, url, NULL, 0, 0,
	    "Where add-checkpoint of a C2SP witness is, https://"),
	ROW("vkey", CONF_TEXT, vkey, NULL, 0, 0,
	    "Its verifier key, name+id+key of type cosignature (4)"),
	ROW("timeout", CONF_TIME, timeout, "30s", 1000000, 600000000,
	    "How long it may take to answer, 1s to 10m"),
};

static struct witness_conf *named(struct settings *s, const char *name)
{
	struct witness_conf *w;

	for (size_t i = 0; i < s->n_witnesses; i++)
		if (!strcmp(s->witnesses[i].name, name))
			return &s->witnesses[i];
	if (s->n_witnesses == WITNESSES_MAX)
		return NULL;
	s->witnesses = xrealloc(s->witnesses, (s->n_witnesses + 1) *
				sizeof(*w));
	w = &s->witnesses[s->n_witnesses++];
	*w = (struct witness_conf){.name = xstrdup(name)};
	conf_defaults(keys, ARRAY_LEN(keys), w);
	return w;
}

static const struct conf_key *row(const char *key)
{
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (!strcmp(keys[i].key, key))
			return &keys[i];
	return NULL;
}

static bool is_set(const char *text)
{
	return text && *text;
}

static int check_vkey(const struct conf_entry *e, struct err *err)
{
	struct err own = {0};
	struct note_key key;

	if (note_key_parse(&key, e->value, strlen(e->value), &own)) {
		conf_error(e, err, "%s", own.detail);
		err_fini(&own);
		return -1;
	}
	return key.type == NOTE_COSIGNATURE ? 0 :
	       conf_error(e, err, "this is a key of a log, not of a witness");
}

int settings_witness(struct settings *s, const struct conf_entry *e,
		     struct err *err)
{
	const struct conf_key *key = row(e->key);
	struct witness_conf *w;
	const char *wrong;

	if (!key || !id_valid(e->sub) || strlen(e->sub) > 64)
		return conf_error(e, err, key ? "this is not the name of a "
				  "witness" : "unknown key");
	w = named(s, e->sub);
	if (!w)
		return conf_error(e, err, "more than %d witnesses",
				  WITNESSES_MAX);
	if (*e->value && !strcmp(e->key, "vkey") && check_vkey(e, err))
		return -1;
	wrong = !*e->value || strcmp(e->key, "url") ? NULL : web_url_wrong(e->value);
	if (wrong)
		return conf_error(e, err, "the value %s", wrong);
	if (!conf_set(key, 1, e, w, err))
		return 0;
	return err_hint(err, "%s: %s.", e->key, key->help);
}

int settings_witness_check(const struct settings *s, struct err *err)
{
	for (size_t i = 0; i < s->n_witnesses; i++) {
		const struct witness_conf *w = &s->witnesses[i];

		if (is_set(w->url) == is_set(w->vkey))
			continue;
		err_set(err, ERR_bad_config, "%s: [witness \"%s\"] has no %s",
			s->file, w->name, is_set(w->url) ? "vkey" : "url");
		return err_hint(err, "A witness needs both: url and vkey.");
	}
	if (!is_set(s->stamp_url) || is_set(s->stamp_ca))
		return 0;
	err_set(err, ERR_bad_config, "%s: [timestamp] has no ca-file",
		s->file);
	return err_hint(err, "Set timestamp.ca-file to the authority's root "
			"certificate: nothing else tells its time stamps "
			"from another's.");
}

void settings_witness_fini(struct settings *s)
{
	for (size_t i = 0; i < s->n_witnesses; i++) {
		conf_free(keys, ARRAY_LEN(keys), &s->witnesses[i]);
		free(s->witnesses[i].name);
	}
	free(s->witnesses);
	s->witnesses = NULL;
	s->n_witnesses = 0;
}

void settings_witness_list(FILE *out)
{
	fputs("\n[witness \"NAME\"]\n", out);
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		fprintf(out, "\t# %s\n\t#%s =%s%s\n", keys[i].help,
			keys[i].key, keys[i].fallback ? " " : "",
			keys[i].fallback ? keys[i].fallback : "");
}
