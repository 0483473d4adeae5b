/*
 * See fidelity_judge.h: until when an effect is answered for. A redispatch
 * ends that if a reviewer could see the effect: it was over when the verdict
 * was given, by somebody who neither made it nor held or reported on what was
 * judged. Nobody clears away by a word of their own what they did.
 */
#include "agent/ops/fidelity_judge.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/clock.h"
#include "common/json.h"
#include "common/mem.h"

/* A redispatch, and the verdict that it hands on. */
struct opened {
	json_int_t attempt;
	const char *judge;
	int64_t at;
};

static bool is_name(const char *a, const char *b)
{
	return a && b && !strcasecmp(a, b);
}

/* Did they hold that attempt, or report on it? */
static bool worked(const struct fidelity *f, json_int_t attempt,
		   const char *who)
{
	return is_name(who, json_str(fidelity_doc(f, FIDELITY_ACK, attempt),
				     "by")) ||
	       is_name(who, json_str(fidelity_doc(f, FIDELITY_RESULT, attempt),
				     "by"));
}

/* One by who did the work, or without a verdict, has ended nothing. */
static bool read_opened(const struct fidelity *f, json_int_t attempt,
			struct opened *o)
{
	const json_t *verdict = fidelity_doc(f, FIDELITY_VERDICT, attempt - 1);
	const char *at = json_str(verdict, "at");

	o->attempt = attempt;
	o->judge = json_str(verdict, "by");
	return o->judge && at && clock_parse(at, 0, &o->at) &&
	       !worked(f, attempt - 1, o->judge);
}

static int by_attempt(const void *a, const void *b)
{
	const struct opened *x = a, *y = b;

	return x->attempt < y->attempt ? -1 : x->attempt > y->attempt;
}

/* Those that may end something, ascending; owned. */
static struct opened *all_opened(const struct fidelity *f, size_t *n)
{
	json_t *docs = f->docs[FIDELITY_REDISPATCH], *doc;
	struct opened *all = xcalloc(json_object_size(docs) + 1,
				     sizeof(*all));
	const char *key;

	*n = 0;
	json_object_foreach (docs, key, doc)
		*n += read_opened(f, strtoll(key, NULL, 10), &all[*n]);
	qsort(all, *n, sizeof(*all), by_attempt);
	return all;
}

static bool ends(const struct fidelity *f, const struct opened *o,
		 const struct served *e)
{
	return o->attempt > e->attempt && e->settled && e->ended <= o->at &&
	       !is_name(o->judge, e->by) && !worked(f, e->attempt, o->judge);
}

void effects_round(struct fidelity *f)
{
	size_t n;
	struct opened *all = all_opened(f, &n);

	for (size_t i = 0; i < f->n_effects; i++) {
		struct served *e = &f->effects[i];
		size_t k = 0;

		while (k < n && !ends(f, &all[k], e))
			k++;
		e->until = k < n ? all[k].attempt : INT64_MAX;
	}
	free(all);
}
