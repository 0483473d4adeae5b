/*
 * The record, read back: records are spliced from the journal's own bytes,
 * and a chain is verified while it is put together.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/ops/approval.h"
#include "agent/ops/evidence.h"
#include "agent/ops/handlers.h"
#include "agent/ops/run.h"
#include "agent/store/evidence.h"
#include "agent/store/index.h"
#include "agent/store/journal.h"
#include "common/clock.h"
#include "common/json.h"
#include "common/mem.h"

#define CHAIN_MAX 1000
#define ANSWER_MAX (4u << 20)	/* bytes of records in one answer */

/* A committed record as JSON; its bytes must still be a record. */
static json_t *record_at(struct agent *a, const struct record_place *p,
			 struct err *err)
{
	char *line = xmalloc(p->len + 1);
	json_t *v = NULL;

	if (!journal_read(a->journal, p->off, p->len, line, err)) {
		v = json_loadb(line, p->len, 0, NULL);
		if (!v || (uint64_t)json_int(v, "seq", -1) != p->seq) {
			json_decref(v);
			v = NULL;
			err_set(err, ERR_evidence_corrupt,
				"record %llu of the journal was changed",
				(unsigned long long)p->seq);
		}
	}
	free(line);
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

/* Matching records as an array; *last is the last one's seq, if more come. */
static json_t *records(struct agent *a, struct call *c,
		       struct record_filter *f, uint64_t *last,
		       struct err *err)
{
	struct record_place *places = xcalloc(f->limit, sizeof(*places));
	json_t *items = json_array(), *v;
	size_t n = 0, found;

	if (reader_records(c->reader, f, places, &n, err))
		n = 0;
	found = n;
	n = fitting(places, n);
	*last = n && (n < found || n == f->limit) ? places[n - 1].seq : 0;
	for (size_t i = 0; i < n && !err->code; i++) {
		v = record_at(a, &places[i], err);
		if (v)
			json_array_append_new(items, v);
	}
	free(places);
	if (!err->code)
		return items;
	json_decref(items);
	return NULL;
}

static int64_t time_arg(const struct call *c, const char *name)
{
	const char *text = call_str(c, name);
	int64_t us = 0;

	if (text)
		clock_parse(text, clock_wall_us(), &us);
	return us;
}

int op_audit_query(struct agent *a, struct call *c, struct err *err)
{
	size_t limit = (size_t)call_int(c, "limit", 100);
	const char *cursor = call_str(c, "cursor");
	struct record_filter f = {
		.types = call_str(c, "type") ? call_str(c, "type") : "*",
		.task_id = call_str(c, "task_id"),
		.correlation_id = call_str(c, "correlation_id"),
		.run_id = call_str(c, "run_id"), .actor = call_str(c, "actor"),
		.status = (int)call_int(c, "status", 0),
		.since_us = time_arg(c, "since"),
		.until_us = time_arg(c, "until"),
		.after_seq = (uint64_t)call_int(c, "after_seq", 0),
		.limit = limit,
	};
	json_t *items, *next = json_null();
	uint64_t last = 0;
	char text[24];

	if (cursor)
		f.after_seq = strtoull(cursor, NULL, 10);
	if (a->read_wait(a->core, true, err))
		return -1;
	items = records(a, c, &f, &last, err);
	if (!items)
		return -1;
	if (last) {
		snprintf(text, sizeof(text), "%llu", (unsigned long long)last);
		next = json_string(text);
	}
	return call_answer(c, json_pack("{s:o,s:o}", "items", items,
					"next_cursor", next));
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

/* Every record's leaf must be what its successor says: read both again. */
static void verify_links(struct agent *a, struct call *c, json_t *events,
			 json_t *missing)
{
	json_t *each;
	size_t i;

	json_array_foreach (events, i, each) {
		uint64_t seq = (uint64_t)json_int(each, "seq", 0);
		struct record_filter f = {.types = "*", .after_seq = seq - 1,
					  .limit = 2};
		struct record_place p[2];
		size_t n = 0;
		char id[24], hex[SHA256_HEX] = "";
		json_t *next = NULL;

		snprintf(id, sizeof(id), "%llu", (unsigned long long)seq);
		if (!reader_records(c->reader, &f, p, &n, NULL) && n == 2) {
			char *line = xmalloc(p[0].len);
			uint8_t leaf[SHA256_RAW];

			if (!journal_read(a->journal, p[0].off, p[0].len, line,
					  NULL)) {
				sha256_leaf(line, p[0].len, leaf);
				hex_of(leaf, sizeof(leaf), hex);
			}
			free(line);
			next = record_at(a, &p[1], &(struct err){0});
		}
		if (n == 2 && (!next || strcmp(json_str(next, "prev"), hex)))
			miss(missing, "record", id, "its link is broken");
		json_decref(next);
	}
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
	verify_runs(runs, missing);
	verify_links(a, c, events, missing);
	return call_answer(c, json_pack(
		"{s:s,s:o,s:o,s:o,s:o,s:o,s:b,s:o}", "correlation_id",
		call_str(c, "correlation_id"), "task_ids",
		task_ids_of(events), "runs", runs, "approvals", approvals,
		"events", events, "artifacts", artifacts, "complete",
		!json_array_size(missing), "missing", missing));
}
