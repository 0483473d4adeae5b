/* See ssot.h: the commits that changed a task, and what each changed. */
#include "agent/store/ssot.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "agent/store/changes.h"
#include "agent/store/ssot_git.h"
#include "agent/store/ssot_graph.h"
#include "agent/store/ssot_trail.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/json.h"

#define COMMITS_MAX 10000
#define PAGE_MAX (2 << 20)	/* bytes of a page, or what one item has */
#define DOCUMENTS_MAX 100	/* listed of one commit */

/* The document that was read last: the next one to compare with. */
struct kept { git_oid blob; json_t *doc; };

static void set_said(json_t *out, const char *key, const char *text)
{
	json_set_str(out, key, *text ? text : NULL);
}

static json_t *describe(const git_commit *commit, const git_oid *blob)
{
	char id[GIT_OID_HEXSZ + 1], sha[GIT_OID_HEXSZ + 1], at[CLOCK_TEXT];
	struct ssot_commit_facts facts;
	json_t *out = json_object();

	ssot_git_facts(commit, &facts);
	git_oid_tostr(id, sizeof(id), git_commit_id(commit));
	git_oid_tostr(sha, sizeof(sha), blob);
	clock_text((int64_t)git_commit_time(commit) * 1000000, at);
	json_set_str(out, "commit", id);
	json_set_str(out, "at", at);
	json_set_str(out, "by", facts.author);
	set_said(out, "operation", facts.operation);
	set_said(out, "subject", facts.subject);
	json_set_int(out, "seq", (json_int_t)facts.seq);
	set_said(out, "log_id", facts.log_id);
	set_said(out, "correlation_id", facts.correlation_id);
	json_set_str(out, "sha", sha);
	return out;
}

/* The document of that blob, borrowed; NULL where it is none. */
static const json_t *doc_of(struct trail *t, struct kept *kept,
			    const git_oid *blob, int *rc)
{
	*rc = 0;
	if (!git_oid_is_zero(&kept->blob) &&
	    git_oid_equal(&kept->blob, blob))
		return kept->doc;
	json_decref(kept->doc);
	kept->doc = trail_doc(t, blob, rc);
	git_oid_cpy(&kept->blob, blob);
	return kept->doc;
}

/* "changes": null where one of the two is no document. */
static int add_changes(struct trail *t, struct kept *kept, json_t *item,
		       const git_oid *from, const git_oid *to)
{
	json_t *after, *before, *changes = NULL;
	bool made = git_oid_is_zero(from);
	int rc, more = 0;

	after = json_incref((json_t *)doc_of(t, kept, to, &rc));
	before = rc ? NULL : (json_t *)doc_of(t, kept, from, &rc);
	if (!rc && after && (before || made))
		changes = changes_between(before, after, &more);
	json_object_set_new(item, "changes", changes ? changes : json_null());
	if (more)
		json_set_int(item, "more_changes", more);
	json_decref(after);
	return rc;
}

static void add_document(json_t *list, const git_tree_entry *e,
			 const git_tree_entry *was)
{
	const char *name = git_tree_entry_name(e);
	char sha[GIT_OID_HEXSZ + 1];
	json_t *one = json_object(), *said = json_lossy(name);
	size_t len = json_string_length(said);

	if (len > 5 && !strcmp(json_string_value(said) + len - 5, ".json"))
		len -= 5;
	json_object_set_new(one, "document", json_sprintf("attempts/%.*s",
				(int)len, json_string_value(said)));
	json_set_str(one, "from", was ? git_oid_tostr(sha, sizeof(sha),
					git_tree_entry_id(was)) : NULL);
	json_set_str(one, "to", git_oid_tostr(sha, sizeof(sha),
					      git_tree_entry_id(e)));
	json_array_append_new(list, one);
	json_decref(said);
}

/* What came or is another in the folder of the attempts. */
static int add_documents(struct trail *t, json_t *item, const git_oid *from,
			 const git_oid *to)
{
	git_tree *before = NULL, *after = NULL;
	json_t *list = json_array();
	int rc = 0;

	json_object_set_new(item, "documents", list);
	if (git_oid_equal(from, to) || git_oid_is_zero(to))
		return 0;
	rc = git_tree_lookup(&after, t->repo, to);
	if (!rc && !git_oid_is_zero(from))
		rc = git_tree_lookup(&before, t->repo, from);
	for (size_t i = 0; !rc && i < git_tree_entrycount(after) &&
	     json_array_size(list) < DOCUMENTS_MAX; i++) {
		const git_tree_entry *e = git_tree_entry_byindex(after, i);
		const git_tree_entry *was = before ? git_tree_entry_byname(
				before, git_tree_entry_name(e)) : NULL;

		if (!was || !git_oid_equal(git_tree_entry_id(was),
					   git_tree_entry_id(e)))
			add_document(list, e, was);
	}
	git_tree_free(before);
	git_tree_free(after);
	return rc;
}

/* The bytes that the item takes of the page, or what libgit2 says. */
static int add_item(struct trail *t, struct kept *kept, json_t *out,
		    const git_commit *commit, const struct trail_at *from,
		    const struct trail_at *to, size_t *bytes)
{
	json_t *item = describe(commit, &to->is[TRAIL_TASK]);
	int rc = add_changes(t, kept, item, &from->is[TRAIL_TASK],
			     &to->is[TRAIL_TASK]);

	if (!rc)
		rc = add_documents(t, item, &from->is[TRAIL_ATTEMPTS],
				   &to->is[TRAIL_ATTEMPTS]);
	*bytes += json_dumpb(item, NULL, 0, JSON_COMPACT);
	json_array_insert_new(out, 0, item);
	return rc;
}

/* Where to begin: at the cursor, or at the newest commit. */
static int first(struct trail *t, const char *cursor, git_commit **commit,
		 struct err *err)
{
	git_oid id;
	int rc;

	if (!cursor) {
		rc = git_reference_name_to_id(&id, t->repo, SSOT_REF);
		if (rc == GIT_ENOTFOUND)
			return err_set(err, ERR_not_found,
				       "no such task in history");
		if (!rc)
			rc = git_commit_lookup(commit, t->repo, &id);
		return rc ? ssot_git_error(err, "reading the history") : 0;
	}
	if (!is_hex(cursor, GIT_OID_HEXSZ) || git_oid_fromstr(&id, cursor) ||
	    git_commit_lookup(commit, t->repo, &id))
		return err_set(err, ERR_invalid_request,
			       "cursor: is no commit of this history");
	return 0;
}

/* Newest last; *next gets where to go on, "" if that was all. */
static int walk(struct trail *t, git_commit *commit, size_t limit,
		json_t *out, char next[GIT_OID_HEXSZ + 1], struct err *err)
{
	struct kept kept = {0};
	struct trail_at at;
	size_t bytes = 0;
	int rc = trail_look(t, commit, &at);

	*next = 0;
	if (!rc && git_oid_is_zero(&at.is[TRAIL_TASK])) {
		git_commit_free(commit);
		return err_set(err, ERR_not_found, "no such task in history");
	}
	for (int i = 0; !rc && commit && !*next; i++) {
		git_commit *before = NULL;
		struct trail_at now = at;
		bool changed;

		if (i == COMMITS_MAX || bytes >= PAGE_MAX ||
		    json_array_size(out) == limit) {
			git_oid_tostr(next, GIT_OID_HEXSZ + 1,
				      git_commit_id(commit));
			break;
		}
		rc = trail_back(t, commit, &at, &before, &changed);
		if (!rc && changed)
			rc = add_item(t, &kept, out, commit, &at, &now,
				      &bytes);
		git_commit_free(commit);
		commit = before;
	}
	git_commit_free(commit);
	json_decref(kept.doc);
	return rc ? ssot_git_error(err, "reading the history") : 0;
}

static json_t *history(const char *path, const char *task_id,
		       const char *cursor, size_t limit, struct err *err)
{
	json_t *items = json_array(), *out = NULL;
	char next[GIT_OID_HEXSZ + 1];
	git_commit *commit = NULL;
	struct trail t;

	if (!trail_open(&t, path, task_id, err) &&
	    !first(&t, cursor, &commit, err) &&
	    !walk(&t, commit, limit, items, next, err)) {
		out = json_pack("{s:O}", "items", items);
		json_set_str(out, "next_cursor", *next ? next : NULL);
	}
	json_decref(items);
	trail_close(&t);
	return out;
}

/* A pack that is merged away under the reader is found in another one. */
json_t *ssot_history(const char *path, const char *task_id,
		     const char *cursor, size_t limit, struct err *err)
{
	struct err why = {0};
	json_t *out = NULL;

	for (int i = 0; !out && i < 3 && (!i || why.code == ERR_io); i++) {
		err_fini(&why);
		memset(&why, 0, sizeof(why));
		out = history(path, task_id, cursor, limit, &why);
	}
	if (!out)
		err_set(err, why.code, "%s", why.detail);
	err_fini(&why);
	return out;
}
