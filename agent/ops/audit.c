/*
 * A chain: everything that one correlation id caused, verified while it is
 * put together, and what is missing named.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/ops/approval.h"
#include "agent/ops/audit.h"
#include "agent/ops/evidence.h"
#include "agent/ops/handlers.h"
#include "agent/ops/run.h"
#include "agent/store/evidence.h"
#include "agent/store/index.h"
#include "agent/store/journal.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/json.h"
#include "common/mem.h"
#include "common/sha256.h"

#define CHAIN_MAX 1000

/* A committed record as JSON; its bytes must still be a record. */
static json_t *record_at(struct agent *a, const struct record_place *p,
			 struct err *err)
{
	struct buf b = {0};
	struct line line;
	json_t *v = NULL;

	if (!audit_line(a, p, &b, &line, err)) {
		v = json_span_load((struct span){b.data, b.len});
		if (!v)
			v = json_loadb(b.data, b.len, JSON_ALLOW_NUL, NULL);
		if (!v)
			err_set(err, ERR_evidence_corrupt,
				"record %llu of the journal was changed",
				(unsigned long long)p->seq);
	}
	buf_fini(&b);
	return v;
}

/* How many of the places fit into one answer; at least one does. */
static size_t fitting(const struct record_place *places, size_t n)
{
	size_t bytes = 0;

	for (size_t i = 0; i < n; i++) {
		bytes += places[i].len;
		if (i && bytes > ANSWER_MAX)
			return i;
	}
	return n;
}

static void miss(json_t *missing, const char *what, const char *id,
		 const char *how)
{
	json_array_append_new(missing, json_pack("{s:s,s:s,s:s}", "what", what,
						 "id", id, "how", how));
}

static json_t *docs_of(struct call *c, const char *kind,
		       json_t *(*shown)(const json_t *), json_t *missing,
		       struct err *err)
{
	struct doc_filter f = {.kind = kind, .limit = CHAIN_MAX + 1,
		.correlation_id = call_str(c, "correlation_id")};
	json_t *list = reader_docs(c->reader, &f, err), *each;
	size_t i;

	if (json_array_size(list) > CHAIN_MAX) {
		json_array_remove(list, CHAIN_MAX);
		miss(missing, kind, json_str(json_array_get(list,
			CHAIN_MAX - 1), "id"), "more follow this one");
	}
	json_array_foreach (list, i, each)
		if (shown)
			json_array_set_new(list, i, shown(each));
	return list;
}

/* How a file is missing: removed on purpose, or else. */
static void miss_artifact(struct call *c, json_t *artifact,
			  const struct err *why, json_t *missing)
{
	const char *sha = json_str(artifact, "sha256");
	json_t *removed;

	evidence_mark(c->reader, artifact);
	removed = json_object_get(artifact, "removed");
	json_object_set_new(artifact, "verified", json_false());
	miss(missing, "artifact", sha, removed && why->code == ERR_not_found ?
	     "removed" : err_row(why->code)->code);
	if (removed)
		json_object_set(json_array_get(missing,
			json_array_size(missing) - 1), "removed", removed);
}

/* Hash every artifact again; say which are not what was recorded. */
static void verify_artifacts(struct agent *a, struct call *c,
			     json_t *artifacts, json_t *missing)
{
	json_t *each;
	size_t i;

	json_array_foreach (artifacts, i, each) {
		const char *sha = json_str(each, "sha256");
		struct err err = {0};
		uint64_t size;
		char link[96];
		int fd;

		snprintf(link, sizeof(link), "/api/evidence/%s", sha);
		json_set_str(each, "link", link);
		if (!evidence_get(a->evidence, sha, &fd, &size, &err)) {
			close(fd);
			json_object_set_new(each, "verified", json_true());
		} else {
			miss_artifact(c, each, &err, missing);
		}
		err_fini(&err);
	}
}

struct cited {			/* evidence that the records name */
	struct agent *a;
	struct call *c;
	json_t *seen, *missing;
};

/* Each once; what is among the artifacts was looked at. */
static void verify_cited(struct cited *w, const char *sha)
{
	struct err err = {0};
	json_t *artifact;
	uint64_t size;
	int fd;

	if (!is_hex(sha, 64) || json_object_get(w->seen, sha))
		return;
	json_object_set_new(w->seen, sha, json_true());
	if (!evidence_get(w->a->evidence, sha, &fd, &size, &err)) {
		close(fd);
		return;
	}
	artifact = json_pack("{s:s}", "sha256", sha);
	miss_artifact(w->c, artifact, &err, w->missing);
	json_decref(artifact);
	err_fini(&err);
}

/* A result names its evidence so, wherever it stands in the data. */
static void find_cited(struct cited *w, json_t *value)
{
	json_t *each, *sha;
	const char *key;
	size_t i;

	json_array_foreach (value, i, each)
		find_cited(w, each);
	json_object_foreach (value, key, each) {
		if (!strcmp(key, "evidence"))
			json_array_foreach (each, i, sha)
				verify_cited(w, json_string_value(sha));
		find_cited(w, each);
	}
}

static void verify_evidence(struct agent *a, struct call *c, json_t *events,
			    const json_t *artifacts, json_t *missing)
{
	struct cited w = {a, c, json_object(), missing};
	json_t *each;
	size_t i;

	json_array_foreach (artifacts, i, each)
		json_object_set_new(w.seen, json_str(each, "sha256"),
				    json_true());
	find_cited(&w, events);
	json_decref(w.seen);
}

static void verify_runs(const json_t *runs, json_t *missing)
{
	json_t *each;
	size_t i;

	json_array_foreach (runs, i, each)
		if (!run_is_over(each) ||
		    !strcmp(json_str(each, "state"), "outcome_unknown"))
			miss(missing, "outcome", json_str(each, "id"),
			     json_str(each, "state"));
}

/* Is the leaf of the record at p[0] what the one at p[1] says it is? */
static bool linked(struct agent *a, const struct record_place p[2],
		   struct buf *b)
{
	uint8_t leaf[SHA256_RAW];
	struct line line;

	buf_reset(b);
	if (audit_line(a, &p[0], b, &line, NULL))
		return false;
	sha256_leaf(b->data, b->len, leaf);
	buf_reset(b);
	return !audit_line(a, &p[1], b, &line, NULL) &&
	       !memcmp(leaf, line.prev, SHA256_RAW);
}

/* Every record's leaf must be what its successor says: read both again. */
static void verify_links(struct agent *a, struct call *c,
			 const json_t *events, json_t *missing)
{
	struct buf b = {0};
	json_t *each;
	size_t i;

	json_array_foreach (events, i, each) {
		uint64_t seq = (uint64_t)json_int(each, "seq", 0);
		struct record_filter f = {.types = "*", .after_seq = seq - 1,
					  .limit = 2};
		struct record_place p[2];
		char id[24];
		size_t n = 0;

		snprintf(id, sizeof(id), "%llu", (unsigned long long)seq);
		if (!reader_records(c->reader, &f, p, &n, NULL) && n == 2 &&
		    !linked(a, p, &b))
			miss(missing, "record", id, "its link is broken");
	}
	buf_fini(&b);
}

static json_t *task_ids_of(const json_t *events)
{
	json_t *seen = json_object(), *ids = json_array(), *each;
	size_t i;

	json_array_foreach (events, i, each) {
		const char *id = json_str(each, "task_id");

		if (id && !json_object_get(seen, id)) {
			json_object_set_new(seen, id, json_true());
			json_array_append_new(ids, json_string(id));
		}
	}
	json_decref(seen);
	return ids;
}

/* All records of the chain in order; a damaged one ends in missing. */
static json_t *chain_events(struct agent *a, struct call *c, json_t *missing,
			    struct err *err)
{
	struct record_filter f = {
		.correlation_id = call_str(c, "correlation_id"),
		.types = "*", .limit = CHAIN_MAX + 1,
	};
	struct record_place *p = xcalloc(f.limit, sizeof(*p));
	json_t *events = json_array(), *v;
	struct err own = {0};
	char id[24];
	size_t n = 0, found;

	if (reader_records(c->reader, &f, p, &n, err))
		n = 0;
	found = n;
	n = fitting(p, n < CHAIN_MAX ? n : CHAIN_MAX);
	for (size_t i = 0; i < n; i++) {
		v = record_at(a, &p[i], &own);
		if (v) {
			json_array_append_new(events, v);
			continue;
		}
		snprintf(id, sizeof(id), "%llu", (unsigned long long)p[i].seq);
		miss(missing, "record", id, own.detail);
		err_fini(&own);
	}
	if (n < found) {
		snprintf(id, sizeof(id), "%llu",
			 (unsigned long long)p[n - 1].seq);
		miss(missing, "events", id, "more follow this one: ask "
		     "audit.query for what comes after it");
	}
	free(p);
	return events;
}

int op_audit_chain(struct agent *a, struct call *c, struct err *err)
{
	json_t *missing = json_array(), *events, *runs, *approvals, *artifacts;

	if (a->read_wait(a->core, true, err))
		return -1;
	events = chain_events(a, c, missing, err);
	runs = docs_of(c, "run", run_shown, missing, err);
	approvals = docs_of(c, "approval", approval_shown, missing, err);
	artifacts = docs_of(c, "artifact", NULL, missing, err);
	if (!err->code && !json_array_size(events) &&
	    !json_array_size(missing))
		err_set(err, ERR_not_found, "no record has this correlation "
			"id");
	if (err->code) {
		json_decref(missing);
		json_decref(events);
		json_decref(runs);
		json_decref(approvals);
		json_decref(artifacts);
		return -1;
	}
	verify_artifacts(a, c, artifacts, missing);
	verify_evidence(a, c, events, artifacts, missing);
	verify_runs(runs, missing);
	verify_links(a, c, events, missing);
	return call_answer(c, json_pack(
		"{s:s,s:o,s:o,s:o,s:o,s:o,s:b,s:o}", "correlation_id",
		call_str(c, "correlation_id"), "task_ids",
		task_ids_of(events), "runs", runs, "approvals", approvals,
		"events", events, "artifacts", artifacts, "complete",
		!json_array_size(missing), "missing", missing));
}
