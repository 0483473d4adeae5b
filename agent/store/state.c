/*
 * See state.h. A table of documents by kind and id, each with the record
 * that it came with. A document read from the index is kept as seq 0.
 */
#include "agent/store/state.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "agent/store/index.h"
#include "common/buf.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/json.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/sha256.h"
#include "common/words.h"

#define KEEP 8192		/* documents kept although settled */
#define KEEP_WEIGHT 400000	/* and values in them, some 100 bytes each */
#define LIST_MAX 100000
#define PAGE 500		/* documents read at a time */

struct held {
	struct held *next;		/* in its bucket */
	json_t *doc;			/* NULL: it was done away with */
	uint64_t seq;
	size_t weight;
	char sha[41];			/* "" until somebody asked */
	char key[];			/* kind:id */
};

struct state {
	struct reader *reader;
	struct held **buckets;
	size_t n_buckets, n;		/* a power of two; entries */
	size_t sweep_at;
	size_t weight, heavy_at;
	uint64_t seed;
	struct buf text;		/* of whatever is being hashed */
	json_t *before;			/* the mark: what puts replaced */
};

struct state *state_new(struct reader *r)
{
	struct state *s = xcalloc(1, sizeof(*s));

	*s = (struct state){.reader = r, .n_buckets = KEEP,
			    .buckets = xcalloc(KEEP, sizeof(*s->buckets)),
			    .sweep_at = KEEP, .heavy_at = KEEP_WEIGHT};
	if (getrandom(&s->seed, sizeof(s->seed), 0) < 0)
		s->seed = (uint64_t)clock_mono_us();
	return s;
}

static void forget(struct state *s, struct held **at)
{
	struct held *e = *at;

	*at = e->next;
	s->weight -= e->weight;
	s->n--;
	json_decref(e->doc);
	free(e);
}

void state_free(struct state *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->n_buckets; i++)
		while (s->buckets[i])
			forget(s, &s->buckets[i]);
	free(s->buckets);
	buf_fini(&s->text);
	json_decref(s->before);
	free(s);
}

static void key_of(char key[200], const char *kind, const char *id)
{
	snprintf(key, 200, "%s:%s", kind, id);
}

static struct held **bucket(struct state *s, const char *key)
{
	uint64_t h = s->seed;		/* FNV-1a, from where nobody knows */

	for (; *key; key++)
		h = (h ^ (unsigned char)*key) * 0x100000001b3;
	return &s->buckets[(h ^ h >> 32) & (s->n_buckets - 1)];
}

static struct held *find(struct state *s, const char *key)
{
	struct held *e = *bucket(s, key);

	while (e && strcmp(e->key, key))
		e = e->next;
	return e;
}

static void grow(struct state *s)
{
	const size_t old_n = s->n_buckets;
	struct held **old = s->buckets, *next;

	s->n_buckets *= 2;
	s->buckets = xcalloc(s->n_buckets, sizeof(*s->buckets));
	for (size_t i = 0; i < old_n; i++)
		for (struct held *e = old[i]; e; e = next) {
			struct held **at = bucket(s, e->key);

			next = e->next;
			e->next = *at;
			*at = e;
		}
	free(old);
}

static struct held *add(struct state *s, const char *key)
{
	const size_t size = strlen(key) + 1;
	struct held *e = xcalloc(1, sizeof(*e) + size), **at;

	if (s->n == s->n_buckets)
		grow(s);
	memcpy(e->key, key, size);
	at = bucket(s, key);
	e->next = *at;
	*at = e;
	s->n++;
	return e;
}

/* How many values it has: a short text may be a large document. */
static size_t weight_of(const json_t *v)
{
	size_t weight = 1 + json_string_length(v) / 100, i;
	const char *key;
	json_t *each;

	json_object_foreach ((json_t *)v, key, each)
		weight += weight_of(each);
	json_array_foreach (v, i, each)
		weight += weight_of(each);
	return weight;
}

static void keep(struct state *s, const char *key, json_t *doc, uint64_t seq)
{
	struct held *e = find(s, key);

	if (!e)
		e = add(s, key);
	json_incref(doc);
	json_decref(e->doc);
	s->weight -= e->weight;
	e->doc = doc;
	e->seq = seq;
	e->weight = weight_of(doc);
	*e->sha = 0;
	s->weight += e->weight;
}

json_t *state_doc(struct state *s, const char *kind, const char *id)
{
	struct err err = {0};
	struct held *e;
	char key[200];
	json_t *doc;

	if (!id || strlen(id) > DOC_ID_MAX)
		return NULL;
	key_of(key, kind, id);
	e = find(s, key);
	if (e)
		return e->doc;
	doc = reader_doc(s->reader, kind, id, &err);
	if (err.code && err.code != ERR_not_found)
		log_error("reading %s %s: %s", kind, id, err.detail);
	err_fini(&err);
	if (!doc)
		return NULL;
	keep(s, key, doc, 0);
	json_decref(doc);		/* the table's reference stays */
	return doc;
}

/* The entry that holds this very document. */
static struct held *holder(struct state *s, const char *kind,
			    const json_t *doc)
{
	const char *id = json_str(doc, "id");
	struct held *e;
	char key[200];

	if (!id || strlen(id) > DOC_ID_MAX)
		return NULL;
	key_of(key, kind, id);
	e = find(s, key);
	return e && e->doc == doc ? e : NULL;
}

size_t state_blob(struct state *s, const json_t *doc, char sha[41])
{
	buf_reset(&s->text);
	json_add_pretty(&s->text, doc);
	git_blob_hex(s->text.data, s->text.len, sha);
	return s->text.len;
}

void state_sha(struct state *s, const char *kind, const json_t *doc,
	       char sha[41])
{
	struct held *e = holder(s, kind, doc);

	if (e && *e->sha) {
		memcpy(sha, e->sha, sizeof(e->sha));
		return;
	}
	state_blob(s, doc, sha);
	if (e)
		memcpy(e->sha, sha, sizeof(e->sha));
}

void state_set_sha(struct state *s, const char *kind, const json_t *doc,
		   const char sha[41])
{
	struct held *e = holder(s, kind, doc);

	if (e)
		memcpy(e->sha, sha, sizeof(e->sha));
}

/* [seq, document] as it was when the mark was set; null: not at hand. */
static void note_before(struct state *s, const char *key)
{
	struct held *e;

	if (!s->before || json_object_get(s->before, key))
		return;
	e = find(s, key);
	json_object_set_new(s->before, key, e ?
		json_pack("[I,O*]", (json_int_t)e->seq, e->doc) : json_null());
}

void state_put(struct state *s, const char *kind, json_t *doc, uint64_t seq)
{
	const char *id = json_str(doc, "id");
	char key[200];

	if (!id)
		return;
	key_of(key, kind, id);
	note_before(s, key);
	keep(s, key, doc, seq);
}

void state_drop(struct state *s, const char *kind, const char *id,
		uint64_t seq)
{
	char key[200];

	key_of(key, kind, id);
	note_before(s, key);
	keep(s, key, NULL, seq);
}

void state_mark(struct state *s)
{
	s->before = json_object();
}

static void put_back(struct state *s, const char *key, const json_t *was)
{
	struct held **at = bucket(s, key);

	if (json_is_array(was)) {
		keep(s, key, json_array_get(was, 1), (uint64_t)
		     json_integer_value(json_array_get(was, 0)));
		return;
	}
	while (*at && strcmp((*at)->key, key))
		at = &(*at)->next;
	if (*at)
		forget(s, at);
}

void state_undo(struct state *s)
{
	json_t *before = s->before, *each;
	const char *key;

	s->before = NULL;
	json_object_foreach (before, key, each)
		put_back(s, key, each);
	json_decref(before);
}

/* Those of kind in memory that are in one of the states. */
static void add_own(const struct state *s, const char *kind,
		    const char *states, json_t *out)
{
	const size_t len = strlen(kind);

	for (size_t i = 0; i < s->n_buckets; i++)
		for (struct held *e = s->buckets[i]; e; e = e->next) {
			const char *state = json_str(e->doc, "state");

			if (!strncmp(e->key, kind, len) && e->key[len] == ':' &&
			    state && words_index(states, ',', state) >= 0)
				json_array_append(out, e->doc);
		}
}

json_t *state_list(struct state *s, const char *kind, const char *states)
{
	struct doc_filter f = {.kind = kind, .state = states,
			       .limit = LIST_MAX};
	struct err err = {0};
	json_t *stored = reader_docs(s->reader, &f, &err), *each;
	json_t *out = json_array();
	char key[200];
	size_t i;

	if (!stored)
		log_error("listing %s: %s", kind, err.detail);
	err_fini(&err);
	json_array_foreach (stored, i, each) {
		key_of(key, kind, json_str(each, "id"));
		if (!find(s, key))
			json_array_append(out, each);
	}
	add_own(s, kind, states, out);
	json_decref(stored);
	return out;
}

/* Those in memory. */
static void each_own(const struct state *s, const char *kind,
		     const char *task_id, state_each *each, void *data)
{
	const size_t len = strlen(kind);

	for (size_t i = 0; i < s->n_buckets; i++)
		for (struct held *e = s->buckets[i]; e; e = e->next) {
			const char *of = json_str(e->doc, "task_id");

			if (!strncmp(e->key, kind, len) && e->key[len] == ':' &&
			    of && !strcmp(of, task_id))
				each(kind, e->doc, data);
		}
}

int state_of_task(struct state *s, const char *kind, const char *task_id,
		  state_each *each, void *data, struct err *err)
{
	struct doc_filter f = {.kind = kind, .task_id = task_id,
			       .limit = PAGE};
	char key[200], after[DOC_ID_MAX + 1] = "";
	json_t *page, *doc;
	size_t i, n;

	each_own(s, kind, task_id, each, data);
	do {
		f.after_id = after;
		page = reader_docs(s->reader, &f, err);
		if (!page)
			return -1;
		n = json_array_size(page);
		json_array_foreach (page, i, doc) {
			const char *id = json_str(doc, "id");

			key_of(key, kind, id);
			if (!find(s, key))
				each(kind, doc, data);
			snprintf(after, sizeof(after), "%s", id);
		}
		json_decref(page);
	} while (n == PAGE);
	return 0;
}

void state_settle(struct state *s, uint64_t seq)
{
	if (s->n < s->sweep_at && s->weight < s->heavy_at)
		return;
	for (size_t i = 0; i < s->n_buckets; i++)
		for (struct held **at = &s->buckets[i]; *at;)
			if ((*at)->seq <= seq)
				forget(s, at);
			else
				at = &(*at)->next;
	s->heavy_at = s->weight * 2;
	if (s->heavy_at < KEEP_WEIGHT)
		s->heavy_at = KEEP_WEIGHT;
	s->sweep_at = s->n * 2;
	if (s->sweep_at < KEEP)
		s->sweep_at = KEEP;
}
