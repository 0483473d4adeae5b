/*
 * See fidelity.h: takes in the documents, and puts the attempts together.
 * Some come from other agents, so each member may be anything.
 */
#include "agent/ops/fidelity.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/ops/fidelity_judge.h"
#include "agent/ops/issues.h"
#include "common/json.h"
#include "common/mem.h"
#include "common/sha256.h"
#include "common/words.h"

#define ATTEMPTS_MAX 50		/* in an answer, the newest */

const char *const fidelity_kinds[] = {
	[FIDELITY_ACK] = "ack", [FIDELITY_RESULT] = "result",
	[FIDELITY_VERDICT] = "verdict", [FIDELITY_REDISPATCH] = "redispatch",
	"run", "package", NULL
};

struct fidelity *fidelity_new(const json_t *task)
{
	struct fidelity *f = xcalloc(1, sizeof(*f));

	f->task = task;
	for (int i = 0; i < FIDELITY_DOCS; i++)
		f->docs[i] = json_object();
	return f;
}

void fidelity_free(struct fidelity *f)
{
	if (!f)
		return;
	for (int i = 0; i < FIDELITY_DOCS; i++)
		json_decref(f->docs[i]);
	effects_free(f);
	free(f);
}

const json_t *fidelity_doc(const struct fidelity *f, enum fidelity_doc kind,
			   json_int_t attempt)
{
	char key[24];

	snprintf(key, sizeof(key), "%lld", (long long)attempt);
	return json_object_get(f->docs[kind], key);
}

/*
 * The document of an attempt that counts now: a task that was taken from
 * review, resumed and taken again is acknowledged and reported on again.
 */
static const json_t *doc_now(const struct fidelity *f, enum fidelity_doc kind,
			     json_int_t attempt)
{
	const char *again = kind == FIDELITY_ACK ? "pending" :
						   "pending,running,stalled";
	const char *state = json_str(f->task, "state");

	return attempt == json_int(f->task, "attempt", 1) && state &&
	       words_index(again, ',', state) >= 0 ? NULL :
		fidelity_doc(f, kind, attempt);
}

/* A verdict is on one result: on another it says nothing. */
static bool is_on(const json_t *verdict, const json_t *result)
{
	const json_t *of = json_object_get(verdict, "result_sha");
	char sha[41] = "", *text;
	size_t len;

	if (!of)
		return true;
	if (!result || !json_is_string(of))
		return !result == !json_is_string(of);
	text = json_pretty(result, &len);
	git_blob_hex(text, len, sha);
	free(text);
	return !strcmp(sha, json_string_value(of));
}

const json_t *fidelity_now(const struct fidelity *f, enum fidelity_doc kind,
			   json_int_t attempt)
{
	const json_t *doc = doc_now(f, kind, attempt);

	return kind != FIDELITY_VERDICT || is_on(doc, doc_now(f,
			FIDELITY_RESULT, attempt)) ? doc : NULL;
}

void fidelity_add(struct fidelity *f, const char *kind, const json_t *doc)
{
	char key[24];

	for (int i = 0; i < FIDELITY_DOCS; i++) {
		if (strcmp(kind, fidelity_kinds[i]))
			continue;
		snprintf(key, sizeof(key), "%lld",
			 (long long)json_int(doc, "attempt", 1));
		json_object_set(f->docs[i], key, (json_t *)doc);
		return;
	}
	effect_add(f, kind, doc);
}

static int by_number(const void *a, const void *b)
{
	const json_int_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

struct numbers { json_int_t *at; size_t n, room; };

static void add_number(struct numbers *l, json_int_t n, json_int_t most)
{
	if (n < 1 || n > most)
		return;			/* of an attempt that is no more */
	if (l->n == l->room) {
		l->room = l->room ? 2 * l->room : 64;
		l->at = xrealloc(l->at, l->room * sizeof(*l->at));
	}
	l->at[l->n++] = n;
}

/* The attempts of which there is anything, ascending, each once. */
static struct numbers attempts_of(const struct fidelity *f, json_int_t now)
{
	struct numbers l = {0};
	size_t n = 1;
	const char *key;
	json_t *doc;

	add_number(&l, now, now);
	for (int i = 0; i < FIDELITY_DOCS; i++)
		json_object_foreach (f->docs[i], key, doc)
			add_number(&l, strtoll(key, NULL, 10), now);
	for (size_t i = 0; i < f->n_effects; i++)
		add_number(&l, f->effects[i].attempt, now);
	qsort(l.at, l.n, sizeof(*l.at), by_number);
	for (size_t i = 1; i < l.n; i++)
		if (l.at[i] != l.at[n - 1])
			l.at[n++] = l.at[i];
	l.n = n;
	return l;
}

static json_t *attempts_json(const struct fidelity *f, json_int_t now,
			     size_t *earlier)
{
	struct numbers l = attempts_of(f, now);
	json_t *out = json_array();

	*earlier = l.n > ATTEMPTS_MAX ? l.n - ATTEMPTS_MAX : 0;
	for (size_t i = *earlier; i < l.n; i++)
		json_array_append_new(out, fidelity_judge(f, l.at[i]));
	free(l.at);
	return out;
}

json_t *fidelity_answer(struct fidelity *f, fidelity_stored *stored,
			void *data)
{
	json_t *out = json_object(), *issues, *attempts, *gaps;
	json_int_t now = json_int(f->task, "attempt", 1);
	char hash[SHA256_HEX];
	size_t earlier;

	f->stored = stored;
	f->stored_data = data;
	effects_sort(f);
	effects_round(f);
	attempts = attempts_json(f, now, &earlier);
	gaps = json_object_get(json_array_get(attempts,
			json_array_size(attempts) - 1), "gaps");
	issues = json_object_get(f->task, "issues");
	json_set_str(out, "task_id", json_str(f->task, "id"));
	json_set_str(out, "state", json_str(f->task, "state"));
	json_set_int(out, "attempt", now);
	json_object_set_new(out, "complete",
			    json_boolean(!json_array_size(gaps)));
	json_object_set(out, "gaps", gaps);
	json_set_str(out, "issues_sha256", issues && !issues_sha256(issues,
			hash, NULL) ? hash : NULL);
	json_set_int(out, "earlier_attempts", (json_int_t)earlier);
	json_object_set_new(out, "attempts", attempts);
	return out;
}
