/* See quota.h: for each tool the times that still count. */
#include "agent/ops/quota.h"

#include <stdlib.h>
#include <string.h>

#include "common/mem.h"

struct times {
	int64_t *at;
	size_t n, cap;
};

struct count {
	char *tool;
	struct times calls, starts;
};

struct quota {
	struct count *all;		/* in the order they were first seen */
	size_t n;
};

struct quota *quota_new(void)
{
	return xcalloc(1, sizeof(struct quota));
}

void quota_free(struct quota *q)
{
	if (!q)
		return;
	for (size_t i = 0; i < q->n; i++) {
		free(q->all[i].tool);
		free(q->all[i].calls.at);
		free(q->all[i].starts.at);
	}
	free(q->all);
	free(q);
}

static struct count *find(struct quota *q, const char *tool)
{
	for (size_t i = 0; i < q->n; i++)
		if (!strcmp(q->all[i].tool, tool))
			return &q->all[i];
	return NULL;
}

static struct count *find_or_add(struct quota *q, const char *tool)
{
	struct count *c = find(q, tool);

	if (c)
		return c;
	q->all = xrealloc(q->all, (q->n + 1) * sizeof(*c));
	c = &q->all[q->n++];
	*c = (struct count){.tool = xstrdup(tool)};
	return c;
}

/* Forget what is over; how many are left. */
static size_t left(struct times *t, int64_t since)
{
	size_t n = 0;

	for (size_t i = 0; i < t->n; i++)
		if (t->at[i] > since)
			t->at[n++] = t->at[i];
	t->n = n;
	return n;
}

static void add(struct times *t, int64_t at, int64_t window)
{
	if (t->n == t->cap)
		left(t, at - window);
	if (t->n == t->cap) {
		t->cap = t->cap ? t->cap * 2 : 16;
		t->at = xrealloc(t->at, t->cap * sizeof(*t->at));
	}
	t->at[t->n++] = at;
}

void quota_call(struct quota *q, const char *tool, int64_t mono_us)
{
	add(&find_or_add(q, tool)->calls, mono_us, QUOTA_MINUTE);
}

void quota_start(struct quota *q, const char *tool, int64_t steady_us)
{
	add(&find_or_add(q, tool)->starts, steady_us, QUOTA_DAY);
}

size_t quota_calls(struct quota *q, const char *tool, int64_t mono_us)
{
	struct count *c = find(q, tool);

	return c ? left(&c->calls, mono_us - QUOTA_MINUTE) : 0;
}

static size_t starts(struct quota *q, const char *tool, int64_t steady_us)
{
	struct count *c = find(q, tool);

	return c ? left(&c->starts, steady_us - QUOTA_DAY) : 0;
}

size_t quota_starts(struct quota *q, const char *tool, int64_t steady_us)
{
	return starts(q, tool, steady_us) + starts(q, QUOTA_ANY, steady_us);
}
