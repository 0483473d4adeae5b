/* See filter.h. */
#include "console/filter.h"

#include <fnmatch.h>
#include <regex.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/mem.h"

#define TEXTS_MAX 12		/* of one item: more than any kind has */

struct term {
	bool negated;
	char *key;		/* NULL: a word */
	char *value;		/* the alternatives, each ended by NUL */
	size_t len;		/* of them all */
	regex_t *regex;		/* /regex/ */
};

struct filter {
	struct term *terms;
	size_t n;
};

/* Which text of which kind a key means. */
static const struct column {
	const char *key;
	enum item_kind kind;
	size_t offset;
} columns[] = {
	{"type", ITEM_RECORD, offsetof(struct record, type)},
	{"actor", ITEM_RECORD, offsetof(struct record, actor)},
	{"agent", ITEM_RECORD, offsetof(struct record, actor)},
	{"task", ITEM_RECORD, offsetof(struct record, task_id)},
	{"run", ITEM_RECORD, offsetof(struct record, run_id)},
	{"text", ITEM_RECORD, offsetof(struct record, summary)},
	{"task", ITEM_TASK, offsetof(struct task, item.id)},
	{"agent", ITEM_TASK, offsetof(struct task, holder)},
	{"actor", ITEM_TASK, offsetof(struct task, creator)},
	{"text", ITEM_TASK, offsetof(struct task, title)},
	{"task", ITEM_APPROVAL, offsetof(struct approval, task_id)},
	{"tool", ITEM_APPROVAL, offsetof(struct approval, tool)},
	{"actor", ITEM_APPROVAL, offsetof(struct approval, requester)},
	{"text", ITEM_APPROVAL, offsetof(struct approval, criterion_text)},
	{"task", ITEM_RUN, offsetof(struct run, task_id)},
	{"tool", ITEM_RUN, offsetof(struct run, tool)},
	{"actor", ITEM_RUN, offsetof(struct run, actor)},
	{"text", ITEM_RUN, offsetof(struct run, fault)},
	{"task", ITEM_ARTIFACT, offsetof(struct artifact, task_id)},
	{"run", ITEM_ARTIFACT, offsetof(struct artifact, run_id)},
	{"type", ITEM_ARTIFACT, offsetof(struct artifact, media)},
	{"text", ITEM_ARTIFACT, offsetof(struct artifact, name)},
	{"sha256", ITEM_ARTIFACT, offsetof(struct artifact, sha256)},
	{"text", ITEM_COMPONENT, offsetof(struct component, detail)},
	{"actor", ITEM_REVISION, offsetof(struct revision, actor)},
	{"type", ITEM_REVISION, offsetof(struct revision, operation)},
	{"text", ITEM_REVISION, offsetof(struct revision, changes)},
};

/* Keys of every kind. */
static const char *const common_keys[] = {"state", "chain", "id", "since"};

/* How the API calls them. */
static const struct { const char *key, *param; } params[] = {
	{"type", "type"}, {"task", "task_id"}, {"since", "since"},
	{"until", "until"}, {"actor", "actor"}, {"chain", "correlation_id"},
	{"run", "run_id"}, {"status", "status"}, {"state", "state"},
	{"after", "after_seq"},
};

static bool key_known(const char *key)
{
	for (size_t i = 0; i < ARRAY_LEN(columns); i++)
		if (!strcmp(columns[i].key, key))
			return true;
	for (size_t i = 0; i < ARRAY_LEN(common_keys); i++)
		if (!strcmp(common_keys[i], key))
			return true;
	return false;
}

static int term_regex(struct term *t, const char *word, struct err *err)
{
	char *text = xstrndup(word + 1, strlen(word) - 2);
	int rc;

	t->regex = xcalloc(1, sizeof(*t->regex));
	rc = regcomp(t->regex, text, REG_EXTENDED | REG_NOSUB | REG_ICASE);
	free(text);
	if (!rc)
		return 0;
	xfree(t->regex);
	return err_set(err, ERR_invalid_request,
		       "filter: %s is no regular expression", word);
}

static int term_parse(struct term *t, const char *word, struct err *err)
{
	const char *colon;
	size_t len;

	t->negated = *word == '-' && word[1];
	word += t->negated;
	len = strlen(word);
	if (len > 2 && *word == '/' && word[len - 1] == '/')
		return term_regex(t, word, err);
	colon = strchr(word, ':');
	t->value = xstrdup(colon ? colon + 1 : word);
	t->len = strlen(t->value);
	for (char *bar = t->value; (bar = strchr(bar, '|')); bar++)
		*bar = 0;	/* what follows it is looked at next */
	if (!colon)
		return 0;
	t->key = xstrndup(word, (size_t)(colon - word));
	if (key_known(t->key))
		return 0;
	return err_set(err, ERR_invalid_request, "there is no \"%s:\" to filter "
		       "by; there are type, state, task, run, actor, agent, "
		       "tool, chain, id, since, words and /regex/", t->key);
}

struct filter *filter_new(const char *text, struct err *err)
{
	struct filter *f = xcalloc(1, sizeof(*f));
	char *copy = xstrdup(text), *save = NULL;
	int rc = 0;

	for (char *word = strtok_r(copy, " ", &save); word && !rc;
	     word = strtok_r(NULL, " ", &save)) {
		f->terms = xrealloc(f->terms, (f->n + 1) * sizeof(*f->terms));
		f->terms[f->n] = (struct term){0};
		rc = term_parse(&f->terms[f->n++], word, err);
	}
	free(copy);
	if (!rc)
		return f;
	filter_free(f);
	return NULL;
}

void filter_free(struct filter *f)
{
	for (size_t i = 0; f && i < f->n; i++) {
		free(f->terms[i].key);
		free(f->terms[i].value);
		if (f->terms[i].regex)
			regfree(f->terms[i].regex);
		free(f->terms[i].regex);
	}
	if (f)
		free(f->terms);
	free(f);
}

/* Any alternative against text: as a glob, or as a part of it. */
static bool any_fits(const struct term *t, const char *text, bool part)
{
	for (const char *w = t->value; w <= t->value + t->len;
	     w += strlen(w) + 1)
		if (*w && (part ? strcasestr(text, w) != NULL :
				  !fnmatch(w, text, FNM_CASEFOLD)))
			return true;
	return false;
}

static bool is_gap(const struct item *it) { return it->kind == ITEM_GAP; }

static bool word_fits(const struct term *t, const struct item *it)
{
	const char *texts[TEXTS_MAX] = {it->id, it->chain, it->state->word};
	size_t n = 3;

	for (size_t i = 0; i < ARRAY_LEN(columns) && n < TEXTS_MAX;
	     i++)
		if (columns[i].kind == it->kind)
			texts[n++] = *(char **)((char *)it + columns[i].offset);
	for (size_t i = 0; i < n; i++)
		if (t->regex ? !regexec(t->regex, texts[i], 0, NULL, 0) :
			       any_fits(t, texts[i], true))
			return true;
	return false;
}

static bool key_fits(const struct term *t, const struct item *it, int64_t now)
{
	int64_t since;

	if (!strcmp(t->key, "since"))
		return clock_parse(t->value, now, &since) && it->at_us >= since;
	if (!strcmp(t->key, "state"))
		return any_fits(t, it->state->word, false) ||
		       any_fits(t, it->state->wire, false);
	if (!strcmp(t->key, "chain"))
		return any_fits(t, it->chain, false);
	if (!strcmp(t->key, "id"))
		return any_fits(t, it->id, false);
	for (size_t i = 0; i < ARRAY_LEN(columns); i++)
		if (columns[i].kind == it->kind &&
		    !strcmp(columns[i].key, t->key) &&
		    any_fits(t,
			     *(char **)((char *)it + columns[i].offset),
			     !strcmp(t->key, "type")))
			return true;
	return false;
}

bool filter_matches(const struct filter *f, const struct item *it, int64_t now)
{
	for (size_t i = 0; f && i < f->n; i++) {
		const struct term *t = &f->terms[i];
		bool fits = is_gap(it) || (t->key ? key_fits(t, it, now) :
						    word_fits(t, it));

		if (fits == t->negated && !is_gap(it))
			return false;
	}
	return true;
}

static void add_param(struct buf *b, const char *param, const char *value)
{
	buf_addf(b, "%s%s=", b->len ? "&" : "", param);
	for (const char *c = value; *c; c++)
		if (strchr("-._~", *c) || (*c >= '0' && *c <= '9') ||
		    (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z'))
			buf_add(b, c, 1);
		else
			buf_addf(b, "%%%02X", *c == '|' ? ',' :
				 (unsigned char)*c);
}

static const char *param_of(const char *key, size_t len)
{
	for (size_t i = 0; i < ARRAY_LEN(params); i++)
		if (strlen(params[i].key) == len &&
		    !strncmp(params[i].key, key, len))
			return params[i].param;
	return NULL;
}

char *filter_query(const char *text, struct err *err)
{
	char *copy = xstrdup(text), *save = NULL, *word;
	struct buf b = {0}, words = {0};

	for (word = strtok_r(copy, " ", &save); word;
	     word = strtok_r(NULL, " ", &save)) {
		size_t len = strcspn(word, ":");
		const char *param = param_of(word, len);

		if (!word[len]) {
			buf_addf(&words, "%s%s", words.len ? " " : "", word);
			continue;
		}
		if (!param)
			break;
		add_param(&b, param, word + len + 1);
	}
	if (word)
		err_set(err, ERR_invalid_request, "\"%s\" cannot be asked of "
			"the agent; use type:, state:, task:, run:, actor:, "
			"chain:, status:, since: or until:", word);
	else if (words.len)
		add_param(&b, "q", words.data);
	free(copy);
	buf_fini(&words);
	buf_adds(&b, "");
	if (!word)
		return buf_take(&b, NULL);
	buf_fini(&b);
	return NULL;
}
