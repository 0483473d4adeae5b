/* See retention.h. */
#include "agent/store/retention.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "agent/store/settings.h"
#include "common/clock.h"
#include "common/json.h"
#include "common/mem.h"

#define DAY 86400000000LL
#define HOUR 3600000000LL
#define SECOND 1000000LL

int retention_rule(const struct retention *rules, size_t n,
		   const char *media_type)
{
	for (size_t i = 0; media_type && i < n; i++)
		if (!fnmatch(rules[i].pattern, media_type, 0))
			return (int)i;
	return -1;
}

void retained_add(struct retained_list *l, const struct retention *rules,
		  size_t n_rules, const json_t *artifact)
{
	const char *sha = json_str(artifact, "sha256");
	const char *at = json_str(artifact, "created_at");
	int rule = retention_rule(rules, n_rules,
				  json_str(artifact, "media_type"));
	struct retained *r;
	int64_t us;

	if (rule < 0 || !is_hex(sha, SHA256_HEX - 1) || !at ||
	    !clock_parse(at, 0, &us))
		return;
	if (l->n == l->cap) {
		l->cap = l->cap ? l->cap * 2 : 64;
		l->items = xrealloc(l->items, l->cap * sizeof(*l->items));
	}
	r = &l->items[l->n++];
	*r = (struct retained){.at_us = us, .rule = rule,
		.size = (uint64_t)json_int(artifact, "size", 0)};
	memcpy(r->sha256, sha, SHA256_HEX);
}

static int order(int64_t a, int64_t b)
{
	return a < b ? -1 : a > b;
}

/* By hash, the newest first. */
static int by_hash(const void *a, const void *b)
{
	const struct retained *x = a, *y = b;
	int by = strcmp(x->sha256, y->sha256);

	return by ? by : order(y->at_us, x->at_us);
}

/* By age, the oldest first; and by hash, so that it is always the same. */
static int by_age(const void *a, const void *b)
{
	const struct retained *x = a, *y = b;
	int by = order(x->at_us, y->at_us);

	return by ? by : strcmp(x->sha256, y->sha256);
}

static void sort(struct retained_list *l,
		 int (*by)(const void *, const void *))
{
	if (l->n)
		qsort(l->items, l->n, sizeof(*l->items), by);
}

static void drop_doubles(struct retained_list *l)
{
	size_t n = 0;

	sort(l, by_hash);
	for (size_t i = 0; i < l->n; i++)
		if (!n || strcmp(l->items[n - 1].sha256, l->items[i].sha256))
			l->items[n++] = l->items[i];
	l->n = n;
}

static void judge_age(struct retained *r, const struct retention *rule,
		      int64_t now_us)
{
	if (rule->max_age && r->at_us <= now_us - rule->max_age)
		r->fate = TOO_OLD;
}

/* From the newest on, until the room is used up. */
static void judge_size(struct retained_list *l, int rule, uint64_t most)
{
	uint64_t used = 0;

	for (size_t i = l->n; i--;) {
		struct retained *r = &l->items[i];

		if (r->rule != rule || r->fate != RETAINED)
			continue;
		if (r->size > most - used) {
			r->fate = TOO_MUCH;
			used = most;	/* what is older goes too */
		} else {
			used += r->size;
		}
	}
}

void retained_decide(struct retained_list *l, const struct retention *rules,
		     size_t n_rules, int64_t now_us)
{
	size_t n = 0;

	drop_doubles(l);
	sort(l, by_age);
	for (size_t i = 0; i < l->n; i++)
		judge_age(&l->items[i], &rules[l->items[i].rule], now_us);
	for (size_t i = 0; i < n_rules; i++)
		if (rules[i].max_size)
			judge_size(l, (int)i, (uint64_t)rules[i].max_size);
	for (size_t i = 0; i < l->n; i++)
		if (l->items[i].fate != RETAINED)
			l->items[n++] = l->items[i];
	l->n = n;
}

void retained_fini(struct retained_list *l)
{
	free(l->items);
	memset(l, 0, sizeof(*l));
}

static char *age_text(int64_t us)
{
	return us % DAY == 0 ? xasprintf("%lldd", (long long)(us / DAY)) :
	       us % HOUR == 0 ? xasprintf("%lldh", (long long)(us / HOUR)) :
	       us % SECOND == 0 ? xasprintf("%llds",
					    (long long)(us / SECOND)) :
				  xasprintf("%lldms", (long long)(us / 1000));
}

char *retained_why(const struct retained *r, const struct retention *rules)
{
	const struct retention *rule = &rules[r->rule];
	char *age, *why;

	if (r->fate == TOO_MUCH)
		return xasprintf("retention: all %s are over %lld bytes, and "
				 "this was the oldest", rule->pattern,
				 (long long)rule->max_size);
	age = age_text(rule->max_age);
	why = xasprintf("retention: %s is kept for %s", rule->pattern, age);
	free(age);
	return why;
}
