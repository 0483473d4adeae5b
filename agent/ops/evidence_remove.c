/*
 * Evidence that goes: by an admin's word or by the retention of its media
 * type. What was there, who removed it and why is durable before the file is
 * touched, as a record and as a document of kind "tombstone", named by the
 * hash. What an open approval or a run that is not over cites stays.
 */
#include "agent/ops/evidence.h"

#include <stdlib.h>
#include <string.h>

#include "agent/ops/handlers.h"
#include "agent/store/evidence.h"
#include "agent/store/index.h"
#include "agent/store/state.h"
#include "common/clock.h"
#include "common/json.h"
#include "common/log.h"
#include "common/mem.h"

#define CITED_MAX 20		/* named in a refusal */

static bool is_removed(const json_t *tombstone)
{
	const char *state = json_str(tombstone, "state");

	return state && !strcmp(state, "removed");
}

json_t *evidence_removed(struct reader *r, const char *sha256,
			 struct err *err)
{
	static const char *const shown[] = {"at", "by", "why"};
	json_t *doc = reader_doc(r, "tombstone", sha256, err), *v = NULL;

	if (is_removed(doc)) {
		v = json_object();
		for (size_t i = 0; i < ARRAY_LEN(shown); i++)
			json_set_str(v, shown[i], json_str(doc, shown[i]));
	}
	json_decref(doc);
	return v;
}

void evidence_mark(struct reader *r, json_t *artifact)
{
	json_t *removed = evidence_removed(r, json_str(artifact, "sha256"),
					   NULL);

	if (removed)
		json_object_set_new(artifact, "removed", removed);
}

int evidence_say_removed(const char *sha256, json_t *removed,
			 struct err *err)
{
	err_set(err, ERR_not_found, "%.16s was removed at %s by %s: %.300s",
		sha256, json_str(removed, "at"), json_str(removed, "by"),
		json_str(removed, "why"));
	err_hint(err, "The bytes are gone on purpose; a copy elsewhere can be "
		 "checked against its SHA-256, and sent with evidence.add.");
	return err_member(err, "removed", removed);
}

/* The writer's view of it, with what is not in the read model yet. */
static json_t *tombstone_of(struct agent *a, const char *sha256)
{
	json_t *doc = state_doc(a->state, "tombstone", sha256);

	return is_removed(doc) ? doc : NULL;
}

int evidence_record_added(struct agent *a, const struct call *c,
			  const char *correlation_id, struct fact *fact,
			  const char *sha256, struct err *err)
{
	json_t *was = tombstone_of(a, sha256), *back;

	if (was) {
		back = json_copy(was);
		json_set_str(back, "state", "restored");
		json_object_set_new(fact->put, "tombstone", back);
	}
	if (agent_record_as(a, c, correlation_id, fact, err))
		return -1;
	evidence_recorded(a->evidence, sha256);
	return 0;
}

/* Does any text in it, however deep, name the hash? */
static bool cites(const json_t *v, const char *sha256)
{
	const char *key;
	json_t *each;
	size_t i;

	if (json_is_string(v))
		return strstr(json_string_value(v), sha256) != NULL;
	json_array_foreach (v, i, each)
		if (cites(each, sha256))
			return true;
	json_object_foreach ((json_t *)v, key, each)
		if (cites(each, sha256))
			return true;
	return false;
}

static const struct { const char *kind, *states; } citing[] = {
	{"approval", "pending,approved"},
	{"run", "queued,awaiting_approval,running,outcome_unknown"},
};

/* What still needs the file: [{"kind","id"}], new; NULL if nothing does. */
static json_t *cited_by(struct agent *a, const char *sha256)
{
	json_t *found = json_array(), *docs, *each;
	size_t i, k;

	for (i = 0; i < ARRAY_LEN(citing); i++) {
		docs = state_list(a->state, citing[i].kind, citing[i].states);
		json_array_foreach (docs, k, each)
			if (json_array_size(found) < CITED_MAX &&
			    cites(each, sha256))
				json_array_append_new(found, json_pack(
					"{s:s,s:O}", "kind", citing[i].kind,
					"id", json_object_get(each, "id")));
		json_decref(docs);
	}
	if (json_array_size(found))
		return found;
	json_decref(found);
	return NULL;
}

static int in_use(json_t *by, const char *sha256, struct err *err)
{
	const json_t *first = json_array_get(by, 0);

	err_set(err, ERR_evidence_in_use, "%.16s is cited by %s %s", sha256,
		json_str(first, "kind"), json_str(first, "id"));
	return err_member(err, "cited_by", by);
}

/* It may be stored again meanwhile; then it stays. */
static void go_remove(struct agent *a, void *sha256)
{
	struct err err = {0};

	if (tombstone_of(a, sha256) &&
	    evidence_remove(a->evidence, sha256, &err) < 0)
		log_error("%s; it is tried again at the next start",
			  err.detail);
	else if (a->sweep)
		a->sweep(a->core);
	err_fini(&err);
	free(sha256);
}

static json_t *tombstone_new(const json_t *artifact, const char *by,
			     const char *why)
{
	static const char *const kept[] = {"sha256", "size", "name",
					   "media_type"};
	json_t *doc = json_object();
	char now[CLOCK_TEXT];

	clock_text(clock_wall_us(), now);
	json_set_str(doc, "id", json_str(artifact, "sha256"));
	json_set_str(doc, "state", "removed");
	for (size_t i = 0; i < ARRAY_LEN(kept); i++)
		json_object_set(doc, kept[i],
				json_object_get(artifact, kept[i]));
	json_set_str(doc, "at", now);
	json_set_str(doc, "by", by);
	json_set_str(doc, "why", why);
	return doc;
}

static int record_removed(struct agent *a, const struct call *c,
			  const json_t *artifact, const char *why,
			  struct err *err)
{
	const char *by = c->known ? c->who.name : "agent";
	json_t *doc = tombstone_new(artifact, by, why);
	struct fact fact = {
		.type = "evidence_removed",
		.task_id = json_str(artifact, "task_id"),
		.run_id = json_str(artifact, "run_id"),
		.data = json_copy(doc),
		.put = json_pack("{s:o}", "tombstone", doc),
	};

	json_object_del(fact.data, "id");
	json_object_del(fact.data, "state");
	json_object_del(fact.data, "at");
	return agent_record(a, c, &fact, err);
}

/* artifact: a document of it. */
static int remove_evidence(struct agent *a, struct call *c,
			   const json_t *artifact, const char *why,
			   struct err *err)
{
	const char *sha = json_str(artifact, "sha256");
	const json_t *was = tombstone_of(a, sha);
	json_t *by;

	if (was)
		return evidence_say_removed(sha, json_pack("{s:O,s:O,s:O}",
			"at", json_object_get(was, "at"), "by",
			json_object_get(was, "by"), "why",
			json_object_get(was, "why")), err);
	if (evidence_held(a->evidence, sha))
		return err_set(err, ERR_evidence_in_use,
			       "%.16s is just being stored", sha);
	by = cited_by(a, sha);
	if (by)
		return in_use(by, sha, err);
	if (record_removed(a, c, artifact, why, err))
		return -1;
	agent_after(a, go_remove, free, xstrdup(sha));
	return 0;
}

static void free_doc(void *doc)
{
	json_decref(doc);
}

int op_evidence_remove_prepare(struct agent *a, struct call *c,
			       struct err *err)
{
	struct doc_filter f = {.kind = "artifact", .limit = 1,
			       .ref = call_str(c, "sha256")};
	json_t *list;

	if (a->read_wait(a->core, false, err))
		return -1;
	list = reader_docs(c->reader, &f, err);
	c->prepared = json_incref(json_array_get(list, 0));
	c->prepared_free = free_doc;
	json_decref(list);
	return c->prepared || err->code ? -!!err->code :
		err_set(err, ERR_not_found, "no evidence %s", f.ref);
}

int op_evidence_remove(struct agent *a, struct call *c, struct err *err)
{
	const char *sha = json_str(c->prepared, "sha256");
	json_t *shown;

	if (remove_evidence(a, c, c->prepared, call_str(c, "reason"), err))
		return -1;
	shown = json_copy(tombstone_of(a, sha));
	json_object_del(shown, "id");
	return call_answer(c, shown);
}

/*
 * args: {"artifact": document, "why"}: its retention is over. While the mode
 * is stopped somebody wants to see what happened: nothing goes by itself.
 */
int op_evidence_expire(struct agent *a, struct call *c, struct err *err)
{
	if (!strcmp(agent_mode(a), "stopped"))
		return 0;
	return remove_evidence(a, c, json_object_get(c->args, "artifact"),
			       json_str(c->args, "why"), err);
}

/* args: {"sha256"}: recorded as removed, and a crash left the file. */
int op_evidence_bury(struct agent *a, struct call *c, struct err *err)
{
	(void)err;
	go_remove(a, xstrdup(json_str(c->args, "sha256")));
	return 0;
}
