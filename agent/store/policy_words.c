/* See policy_words.h. */
#include "agent/store/policy_words.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"

#define BLANKS " \t\r\n"
#define DAY (24 * 60)

char *words_plain(const char *text)
{
	char *out = xstrdup(text), *to = out;

	for (const char *at = text + strspn(text, BLANKS); *at;) {
		size_t n = strcspn(at, BLANKS);

		if (to > out)
			*to++ = ' ';
		memcpy(to, at, n);
		to += n;
		at += n + strspn(at + n, BLANKS);
	}
	*to = 0;
	return out;
}

/* "07:30" in minutes, to 24:00; -1 if it is none. */
static int minutes(const char *at)
{
	for (int i = 0; i < 5; i++)
		if (i == 2 ? at[i] != ':' : !isdigit((unsigned char)at[i]))
			return -1;
	int hour = (at[0] - '0') * 10 + at[1] - '0';
	int minute = (at[3] - '0') * 10 + at[4] - '0';

	return minute > 59 || hour * 60 + minute > DAY ? -1 :
						hour * 60 + minute;
}

/* "22:00-07:00", 11 characters. */
static bool range(const char *at, size_t len, struct policy_hours *h)
{
	if (len != 11 || at[5] != '-')
		return false;
	h->from = minutes(at);
	h->to = minutes(at + 6);
	return h->from >= 0 && h->from < DAY && h->to >= 0 &&
	       h->to != h->from;
}

const char *hours_read(struct policy *p, const char *text)
{
	p->n_hours = 0;
	for (const char *at = text; *at;) {
		size_t n = strcspn(at, " ");

		if (p->n_hours == POLICY_HOURS_MAX)
			return "has more than 8 times";
		if (!range(at, n, &p->hours[p->n_hours++]))
			return "is not HH:MM-HH:MM, such as 22:00-07:00";
		at += n + (at[n] == ' ');
	}
	return NULL;
}

bool policy_quiet(const struct policy *p, int minute)
{
	for (size_t i = 0; i < p->n_hours; i++) {
		const struct policy_hours *h = &p->hours[i];

		if (h->from < h->to ? minute >= h->from && minute < h->to :
				      minute >= h->from || minute < h->to)
			return true;
	}
	return false;
}

const char *policy_arg_set(struct policy *p, const char *key,
			   const char *value, int line)
{
	char *words = words_plain(value);
	struct policy_arg *a = NULL;

	if (!*words) {
		free(words);
		return "allows nothing: name what it may be";
	}
	for (size_t i = 0; i < p->n_args; i++)
		if (!strcmp(p->args[i].name, key))
			a = &p->args[i];
	if (!a) {
		p->args = xrealloc(p->args, (p->n_args + 1) * sizeof(*a));
		a = &p->args[p->n_args++];
		*a = (struct policy_arg){.name = xstrdup(key)};
	}
	free(a->words);
	a->words = words;
	a->line = line;
	return NULL;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct policy_arg *)a)->name,
		      ((const struct policy_arg *)b)->name);
}

void policy_args_sort(struct policy *p)
{
	if (p->n_args)
		qsort(p->args, p->n_args, sizeof(*p->args), by_name);
}

void policy_args_fini(struct policy *p)
{
	for (size_t i = 0; i < p->n_args; i++) {
		free(p->args[i].name);
		free(p->args[i].words);
	}
	free(p->args);
}

/* As a key of the file spells it. */
static bool is_key_of(const char *key, const char *arg)
{
	for (; *key && *arg; key++, arg++)
		if (*key != (*arg == '_' ? '-' :
			     tolower((unsigned char)*arg)))
			return false;
	return !*key && !*arg;
}

const struct policy_arg *policy_arg_for(const struct policy *p,
					const char *arg)
{
	for (size_t i = 0; i < p->n_args; i++)
		if (is_key_of(p->args[i].name, arg))
			return &p->args[i];
	return NULL;
}
