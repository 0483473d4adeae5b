/* See journal_segments.h. Names only; nothing is opened. */
#include "agent/store/journal_segments.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "common/mem.h"

#define DIGITS 20

char *segment_path(const char *dir, uint64_t first, bool packed)
{
	return xasprintf("%s/%020" PRIu64 ".jsonl%s", dir, first,
			 packed ? ".zst" : "");
}

void segments_fini(struct segments *s)
{
	xfree(s->at);
	s->n = 0;
}

static bool ends(const char *name, const char *with)
{
	const size_t n = strlen(name), k = strlen(with);

	return n >= k && !strcmp(name + n - k, with);
}

/* 20 digits that fit, and no number beside them: 0 is no first record. */
static bool read_first(const char *name, uint64_t *first)
{
	char again[DIGITS + 1];

	if (strspn(name, "0123456789") != DIGITS)
		return false;
	memccpy(again, name, 0, DIGITS);
	again[DIGITS] = 0;
	return strcmp(again, "18446744073709551615") < 0 &&
	       (*first = strtoull(again, NULL, 10));
}

static int add(struct segments *s, const char *dir, const char *name,
	       struct err *err)
{
	struct segment one = {.packed = ends(name, ".jsonl.zst")};

	if (!one.packed && !ends(name, ".jsonl"))
		return 0;
	if (!read_first(name, &one.first) ||
	    strcmp(name + DIGITS, one.packed ? ".jsonl.zst" : ".jsonl"))
		return err_set(err, ERR_audit_unavailable, "%s/%s is no part "
			       "of this journal", dir, name);
	s->at = xrealloc(s->at, (s->n + 1) * sizeof(*s->at));
	s->at[s->n++] = one;
	return 0;
}

/* By number, the plain one before the packed one. */
static int in_order(const void *a, const void *b)
{
	const struct segment *x = a, *y = b;

	return x->first != y->first ? (x->first > y->first ? 1 : -1) :
	       x->packed - y->packed;
}

static void sort(struct segments *s)
{
	size_t n = 0;

	if (s->n)
		qsort(s->at, s->n, sizeof(*s->at), in_order);
	for (size_t i = 0; i < s->n; i++)
		if (!n || s->at[n - 1].first != s->at[i].first)
			s->at[n++] = s->at[i];
	s->n = n;
}

int segments_read(struct segments *s, const char *dir, struct err *err)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	int rc = 0;

	*s = (struct segments){0};
	if (!d)
		return err_sys(err, ERR_audit_unavailable, "%s", dir);
	while (!rc && (e = readdir(d)))
		rc = add(s, dir, e->d_name, err);
	closedir(d);
	if (rc)
		segments_fini(s);
	else
		sort(s);
	return rc;
}
