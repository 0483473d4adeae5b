/*
 * A task's history. Going back from the newest commit, the task's entry is
 * looked up from the root only as far as the folders differ from those of
 * the commit after: mostly two trees a commit instead of five.
 */
#include "agent/store/ssot.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "agent/store/ssot_git.h"
#include "agent/store/ssot_graph.h"
#include "agent/store/ssot_text.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/json.h"

#define COMMITS_MAX 10000
#define DEPTH 5			/* tasks/h/h/h/id.json */

struct trail {
	git_repository *repo;
	char path[SSOT_PATH];
	char *name[DEPTH];	/* the parts of path */
	git_oid tree[DEPTH], entry[DEPTH];	/* last looked at */
	bool known[DEPTH], found[DEPTH];
};

static int trail_open(struct trail *t, const char *path, const char *task_id,
		      struct err *err)
{
	char *rest = t->path;

	memset(t, 0, sizeof(*t));
	ssot_git_setup();
	if (!ssot_task_path(task_id, t->path))
		return err_set(err, ERR_not_found, "no such task");
	for (int i = 0; i < DEPTH; i++)
		t->name[i] = strsep(&rest, "/");
	if (git_repository_open_bare(&t->repo, path))
		return ssot_git_error(err, "opening %s", path);
	return 0;
}

/* The entry of that name in a tree, from memory if it is the same tree. */
static int step(struct trail *t, int i, const git_oid *tree_id)
{
	const git_tree_entry *e;
	git_tree *tree;

	if (t->known[i] && git_oid_equal(&t->tree[i], tree_id))
		return 0;
	if (git_tree_lookup(&tree, t->repo, tree_id))
		return -1;
	e = git_tree_entry_byname(tree, t->name[i]);
	t->known[i] = true;
	t->found[i] = e != NULL;
	git_oid_cpy(&t->tree[i], tree_id);
	if (e)
		git_oid_cpy(&t->entry[i], git_tree_entry_id(e));
	git_tree_free(tree);
	return 0;
}

/* *blob gets the task's blob in this commit, zeros if it has none. */
static int look(struct trail *t, const git_commit *commit, git_oid *blob)
{
	const git_oid *at = git_commit_tree_id(commit);

	memset(blob, 0, sizeof(*blob));
	for (int i = 0; i < DEPTH; i++) {
		if (step(t, i, at))
			return -1;
		if (!t->found[i])
			return 0;
		at = &t->entry[i];
	}
	git_oid_cpy(blob, at);
	return 0;
}

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
	json_set_int(out, "seq", (json_int_t)facts.seq);
	set_said(out, "log_id", facts.log_id);
	set_said(out, "correlation_id", facts.correlation_id);
	json_set_str(out, "sha", sha);
	return out;
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

/*
 * The way back from a commit, as `git log -- FILE` goes: to the first parent
 * that has the same document, for then the commit did not change it; else to
 * the first that has one. NULL: this is where it was made.
 */
static int go_back(struct trail *t, const git_commit *commit, git_oid *blob,
		   git_commit **to, bool *changed)
{
	const git_oid now = *blob;
	git_commit *best = NULL;
	int rc = 0;

	*changed = true;
	memset(blob, 0, sizeof(*blob));
	for (unsigned i = 0; *changed && i < git_commit_parentcount(commit) &&
	     !rc; i++) {
		git_commit *parent = NULL;
		git_oid there;

		rc = git_commit_parent(&parent, commit, i);
		if (!rc)
			rc = look(t, parent, &there);
		if (!rc && git_oid_equal(&there, &now))
			*changed = false;
		if (!rc && !git_oid_is_zero(&there) && (!best || !*changed)) {
			git_commit *old = best;

			best = parent;
			parent = old;
			*blob = there;
		}
		git_commit_free(parent);
	}
	*to = best;
	return rc;
}

/* Newest last; *next gets where to go on, "" if that was all. */
static int walk(struct trail *t, git_commit *commit, size_t limit,
		json_t *out, char next[GIT_OID_HEXSZ + 1], struct err *err)
{
	git_oid blob;
	int rc = look(t, commit, &blob);

	*next = 0;
	if (!rc && git_oid_is_zero(&blob)) {
		git_commit_free(commit);
		return err_set(err, ERR_not_found, "no such task in history");
	}
	for (int i = 0; !rc && commit && !*next; i++) {
		git_commit *before = NULL;
		git_oid now = blob;
		bool changed;

		if (i == COMMITS_MAX || json_array_size(out) == limit) {
			git_oid_tostr(next, GIT_OID_HEXSZ + 1,
				      git_commit_id(commit));
			break;
		}
		rc = go_back(t, commit, &blob, &before, &changed);
		if (!rc && changed)
			json_array_insert_new(out, 0, describe(commit, &now));
		git_commit_free(commit);
		commit = before;
	}
	git_commit_free(commit);
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
	git_repository_free(t.repo);
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
