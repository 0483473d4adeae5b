/*
 * See state.h. Two maps under "kind:id": the documents, and the record that
 * each came with. A document read from the index is kept as seq 0.
 */
#include "agent/store/state.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/store/index.h"
#include "common/err.h"
#include "common/json.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/words.h"

#define KEEP 8192		/* documents kept although settled */
#define KEEP_WEIGHT 400000	/* and values in them, some 100 bytes each */
#define LIST_MAX 100000

struct state {
	struct reader *reader;
	json_t *docs, *seqs;
	size_t sweep_at;
	size_t weight, heavy_at;
};

struct state *state_new(struct reader *r)
{
	struct state *s = xcalloc(1, sizeof(*s));

	*s = (struct state){.reader = r, .docs = json_object(),
			    .seqs = json_object(), .sweep_at = KEEP,
			    .heavy_at = KEEP_WEIGHT};
	return s;
}

void state_free(struct state *s)
{
	if (!s)
		return;
	json_decref(s->docs);
	json_decref(s->seqs);
	free(s);
}

static void key_of(char key[200], const char *kind, const char *id)
{
	snprintf(key, 200, "%s:%s", kind, id);
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

static void forget(struct state *s, const char *key)
{
	json_t *doc = json_object_get(s->docs, key);

	if (doc)
		s->weight -= weight_of(doc);
	json_object_del(s->docs, key);
}

static void keep(struct state *s, const char *key, json_t *doc, uint64_t seq)
{
	json_t *old = json_object_get(s->docs, key);

	s->weight += weight_of(doc) - (old ? weight_of(old) : 0);
	json_object_set(s->docs, key, doc);
	json_object_set_new(s->seqs, key, json_integer((json_int_t)seq));
}

json_t *state_doc(struct state *s, const char *kind, const char *id)
{
	struct err err = {0};
	char key[200];
	json_t *doc;

	if (!id || strlen(id) > DOC_ID_MAX)
		return NULL;
	key_of(key, kind, id);
	doc = json_object_get(s->docs, key);
	if (doc)
		return doc;
	doc = reader_doc(s->reader, kind, id, &err);
	if (err.code && err.code != ERR_not_found)
		log_error("reading %s %s: %s", kind, id, err.detail);
	err_fini(&err);
	if (!doc)
		return NULL;
	keep(s, key, doc, 0);
	json_decref(doc);		/* the map's reference stays */
	return doc;
}

void state_put(struct state *s, const char *kind, json_t *doc, uint64_t seq)
{
	const char *id = json_str(doc, "id");
	char key[200];

	if (!id)
		return;
	key_of(key, kind, id);
	keep(s, key, doc, seq);
}

json_t *state_list(struct state *s, const char *kind, const char *states)
{
	struct doc_filter f = {.kind = kind, .state = states,
			       .limit = LIST_MAX};
	struct err err = {0};
	json_t *stored = reader_docs(s->reader, &f, &err), *each;
	json_t *out = json_array();
	size_t kind_len = strlen(kind), i;
	const char *key;
	char at[200];

	if (!stored)
		log_error("listing %s: %s", kind, err.detail);
	err_fini(&err);
	json_array_foreach (stored, i, each) {
		key_of(at, kind, json_str(each, "id"));
		if (!json_object_get(s->docs, at))
			json_array_append(out, each);
	}
	json_object_foreach (s->docs, key, each) {
		const char *state = json_str(each, "state");

		if (!strncmp(key, kind, kind_len) && key[kind_len] == ':' &&
		    state && words_index(states, ',', state) >= 0)
			json_array_append(out, each);
	}
	json_decref(stored);
	return out;
}

void state_settle(struct state *s, uint64_t seq)
{
	const char *key;
	json_t *each;
	void *next;

	if (json_object_size(s->docs) < s->sweep_at &&
	    s->weight < s->heavy_at)
		return;
	json_object_foreach_safe (s->seqs, next, key, each) {
		if ((uint64_t)json_integer_value(each) > seq)
			continue;
		forget(s, key);
		json_object_del(s->seqs, key);	/* key dies here */
	}
	s->heavy_at = s->weight * 2;
	if (s->heavy_at < KEEP_WEIGHT)
		s->heavy_at = KEEP_WEIGHT;
	s->sweep_at = json_object_size(s->docs) * 2;
	if (s->sweep_at < KEEP)
		s->sweep_at = KEEP;
}
