/*
 * A task's history. Going back from the newest commit, the task's entry is
 * looked up from the root only as far as the folders differ from those of
 * the commit after: mostly two trees a commit instead of five.
 */
#include "agent/store/ssot.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "agent/store/ssot_commit.h"
#include "agent/store/ssot_git.h"
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

static json_t *describe(const git_commit *commit, const git_oid *blob)
{
	const char *message = git_commit_message(commit);
	char id[GIT_OID_HEXSZ + 1], sha[GIT_OID_HEXSZ + 1], text[256];
	char at[CLOCK_TEXT], leaf[SHA256_HEX], log[SSOT_LOG + 1] = "";
	json_t *out = json_object();
	uint64_t seq = 0;

	git_oid_tostr(id, sizeof(id), git_commit_id(commit));
	git_oid_tostr(sha, sizeof(sha), blob);
	clock_text((int64_t)git_commit_time(commit) * 1000000, at);
	json_set_str(out, "commit", id);
	json_set_str(out, "at", at);
	json_set_str(out, "by", git_commit_author(commit)->name);
	json_set_str(out, "operation", ssot_trailer(
		message, "Operation", text, sizeof(text)) ? text : NULL);
	ssot_trailer(message, "Audit-Log", log, sizeof(log));
	ssot_commit_ours(message, log, &seq, leaf);
	json_set_int(out, "seq", (json_int_t)seq);
	json_set_str(out, "correlation_id", ssot_trailer(
		message, "Correlation-Id", text, sizeof(text)) ? text : NULL);
	json_set_str(out, "sha", sha);
	return out;
}

static int newest(struct trail *t, git_commit **commit, struct err *err)
{
	git_oid id;
	int rc = git_reference_name_to_id(&id, t->repo, SSOT_REF);

	if (rc == GIT_ENOTFOUND)
		return err_set(err, ERR_not_found, "no such task in history");
	if (rc || git_commit_lookup(commit, t->repo, &id))
		return ssot_git_error(err, "reading the history");
	return 0;
}

/*
 * Walk back. A commit touched the task if its parent has another blob there;
 * where the parent has none, the task was made and the walk is over.
 */
static int walk(struct trail *t, git_commit *commit, size_t limit,
		json_t *out, struct err *err)
{
	git_oid blob, before;
	int rc = look(t, commit, &blob);

	if (!rc && git_oid_is_zero(&blob)) {
		git_commit_free(commit);
		return err_set(err, ERR_not_found, "no such task in history");
	}
	for (int i = 0; !rc && i < COMMITS_MAX && !git_oid_is_zero(&blob) &&
	     json_array_size(out) < limit; i++) {
		git_commit *parent = NULL;

		rc = git_commit_parent(&parent, commit, 0);
		if (rc == GIT_ENOTFOUND)
			rc = 0;
		memset(&before, 0, sizeof(before));
		if (parent)
			rc = look(t, parent, &before);
		if (!rc && !git_oid_equal(&blob, &before))
			json_array_insert_new(out, 0, describe(commit, &blob));
		git_commit_free(commit);
		commit = parent;
		blob = before;
	}
	git_commit_free(commit);
	return rc ? ssot_git_error(err, "reading the history") : 0;
}

static json_t *history(const char *path, const char *task_id, size_t limit,
		       struct err *err)
{
	git_commit *commit = NULL;
	json_t *out = NULL;
	struct trail t;

	if (!trail_open(&t, path, task_id, err) && !newest(&t, &commit, err)) {
		out = json_array();
		if (walk(&t, commit, limit, out, err)) {
			json_decref(out);
			out = NULL;
		}
	}
	git_repository_free(t.repo);
	return out;
}

/* A pack that is merged away under the reader is found in another one. */
json_t *ssot_history(const char *path, const char *task_id, size_t limit,
		     struct err *err)
{
	struct err why = {0};
	json_t *out = NULL;

	for (int i = 0; !out && i < 3 && (!i || why.code == ERR_io); i++) {
		err_fini(&why);
		memset(&why, 0, sizeof(why));
		out = history(path, task_id, limit, &why);
	}
	if (!out)
		err_set(err, why.code, "%s", why.detail);
	err_fini(&why);
	return out;
}
