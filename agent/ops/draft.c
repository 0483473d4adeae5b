/* See draft.h. Facts are kept as the records that they would become. */
#include "agent/ops/draft.h"

#include <stdlib.h>
#include <string.h>

#include "agent/ops/op.h"
#include "agent/store/settings.h"
#include "agent/store/ssot_text.h"
#include "agent/store/state.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/json.h"
#include "common/mem.h"
#include "common/sha256.h"

/* Stand for what is not known yet, and as long as it can get. */
#define SEQ_LONG ((uint64_t)1 << 52)
#define MARK_BYTES 600

struct draft {
	struct record **facts;
	size_t n_facts;
	struct draft_doc *docs;
	size_t n_docs;
	struct after *after, **after_tail;
	struct after **outer_tail;	/* the agent's, while this is open */
};

void draft_open(struct agent *a)
{
	struct draft *d = xcalloc(1, sizeof(*d));

	d->after_tail = &d->after;
	d->outer_tail = a->after_tail;
	a->after_tail = d->after_tail;
	a->draft = d;
	state_mark(a->state);
}

static json_t *marked(const struct agent *a, const char *commit)
{
	return json_pack("{s:s,s:s}", "commit", commit, "by",
			 a->settings->name);
}

/* Too long is found out now: later is too late. */
struct record *draft_keep(struct draft *d, const struct entry *e,
			  struct err *err)
{
	static const uint8_t prev[SHA256_RAW];
	struct entry own = *e;
	char mark[MARK_BYTES + 1];
	struct record *r;

	memset(mark, '-', MARK_BYTES);
	mark[MARK_BYTES] = 0;
	own.data = json_copy(e->data);
	json_set_str(own.data, "git", mark);
	r = record_make(&own, SEQ_LONG, clock_wall_us(), prev, err);
	json_decref(own.data);
	if (!r)
		return NULL;
	d->facts = xrealloc(d->facts, (d->n_facts + 1) * sizeof(*d->facts));
	d->facts[d->n_facts++] = r;
	return r;
}

static struct draft_doc *doc_at(struct draft *d, const char *path)
{
	struct draft_doc *doc;

	for (size_t i = 0; i < d->n_docs; i++)
		if (!strcmp(d->docs[i].path, path))
			return &d->docs[i];
	d->docs = xrealloc(d->docs, (d->n_docs + 1) * sizeof(*d->docs));
	doc = &d->docs[d->n_docs++];
	*doc = (struct draft_doc){.path = xstrdup(path)};
	return doc;
}

static void sha_of(const json_t *doc, char sha[41])
{
	size_t len;
	char *text;

	*sha = 0;
	if (!doc)
		return;
	text = json_pretty(doc, &len);
	git_blob_hex(text, len, sha);
	free(text);
}

static void find_docs(struct agent *a, struct draft *d,
		      const struct record *r)
{
	json_t *put = json_object_get(r->data, "put"), *each;
	struct draft_doc *doc;
	char path[SSOT_PATH];
	const char *kind;

	json_object_foreach (put, kind, each) {
		if (!ssot_path(r, kind, each, path))
			continue;
		doc = doc_at(d, path);
		doc->kind = kind;
		doc->doc = each;
		free(doc->text);
		doc->text = json_pretty(each, &doc->len);
		git_blob_hex(doc->text, doc->len, doc->sha);
		sha_of(state_doc(a->state, kind, json_str(each, "id")),
		       doc->base_sha);
	}
}

struct draft *draft_close(struct agent *a)
{
	struct draft *d = a->draft;

	a->draft = NULL;
	d->after_tail = a->after_tail;
	a->after_tail = d->outer_tail;
	state_undo(a->state);
	for (size_t i = 0; i < d->n_facts; i++)
		find_docs(a, d, d->facts[i]);
	return d;
}

void draft_free(struct draft *d)
{
	if (!d)
		return;
	for (struct after *f = d->after, *next; f; f = next) {
		next = f->next;
		f->drop(f->arg);
		free(f);
	}
	for (size_t i = 0; i < d->n_docs; i++) {
		free(d->docs[i].path);
		free(d->docs[i].text);
	}
	for (size_t i = 0; i < d->n_facts; i++)
		record_unref(d->facts[i]);
	free(d->docs);
	free(d->facts);
	free(d);
}

bool draft_is_empty(const struct draft *d)
{
	return !d->n_facts && !d->after;
}

void draft_put(struct draft *d, const char *kind, json_t *doc)
{
	json_t *data = d->facts[d->n_facts - 1]->data;
	json_t *put = json_object_get(data, "put");

	if (!put) {
		put = json_object();
		json_object_set_new(data, "put", put);
	}
	json_object_set_new(put, kind, doc);
}

size_t draft_facts(const struct draft *d)
{
	return d->n_facts;
}

const struct record *draft_about(const struct draft *d)
{
	return d->n_facts ? d->facts[0] : NULL;
}

const struct draft_doc *draft_docs(const struct draft *d, size_t *n)
{
	*n = d->n_docs;
	return d->docs;
}

static int record_one(struct agent *a, const struct call *c,
		      const struct record *r, const char *commit,
		      struct err *err)
{
	json_t *put = json_object_get(r->data, "put");
	struct fact fact = {
		.type = r->type, .task_id = r->task_id, .run_id = r->run_id,
		.status = r->status, .data = json_copy(r->data),
		.put = json_incref(put),
	};

	json_object_del(fact.data, "git");
	if (commit)
		json_object_set_new(fact.data, "git", marked(a, commit));
	return agent_record_as(a, c, r->correlation_id, &fact, err);
}

static void hand_on(struct agent *a, struct draft *d)
{
	if (!d->after)
		return;
	*a->after_tail = d->after;
	a->after_tail = d->after_tail;
	d->after = NULL;
	d->after_tail = &d->after;
}

static bool is_of_runs(const struct record *r)
{
	const json_t *put = json_object_get(r->data, "put");

	return !json_object_get(put, "task") &&
	       (json_object_get(put, "run") || json_object_get(put, "approval"));
}

int draft_record_runs(struct agent *a, const struct call *c, struct draft *d,
		      struct err *err)
{
	size_t kept = 0;
	int rc = 0;

	for (size_t i = 0; i < d->n_facts; i++) {
		struct record *r = d->facts[i];

		if (!is_of_runs(r)) {
			d->facts[kept++] = r;
			continue;
		}
		rc = rc ? rc : record_one(a, c, r, NULL, err);
		record_unref(r);
	}
	d->n_facts = kept;
	hand_on(a, d);
	return rc;
}

int draft_record(struct agent *a, const struct call *c, struct draft *d,
		 const char *commit, struct err *err)
{
	int rc = 0;

	for (size_t i = 0; i < d->n_facts && !rc; i++)
		rc = record_one(a, c, d->facts[i], commit, err);
	hand_on(a, d);
	return rc;
}
