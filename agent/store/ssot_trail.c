/* See ssot_trail.h. */
#include "agent/store/ssot_trail.h"

#include <string.h>

#include "agent/store/ssot_git.h"
#include "common/err.h"
#include "common/json.h"

static void split(struct lane *l, git_object_t type)
{
	char *rest = l->path;

	l->type = type;
	for (int i = 0; i < TRAIL_DEPTH; i++)
		l->name[i] = strsep(&rest, "/");
}

int trail_open(struct trail *t, const char *path, const char *task_id,
	       struct err *err)
{
	memset(t, 0, sizeof(*t));
	ssot_git_setup();
	if (!ssot_task_path(task_id, t->lane[TRAIL_TASK].path) ||
	    !ssot_attempts_path(task_id, t->lane[TRAIL_ATTEMPTS].path))
		return err_set(err, ERR_not_found, "no such task");
	split(&t->lane[TRAIL_TASK], GIT_OBJECT_BLOB);
	split(&t->lane[TRAIL_ATTEMPTS], GIT_OBJECT_TREE);
	if (git_repository_open_bare(&t->repo, path) ||
	    git_repository_odb(&t->odb, t->repo))
		return ssot_git_error(err, "opening %s", path);
	return 0;
}

void trail_close(struct trail *t)
{
	git_odb_free(t->odb);
	git_repository_free(t->repo);
}

static bool remembers(const struct lane *l, int i, const git_oid *tree)
{
	return l->known[i] && git_oid_equal(&l->tree[i], tree);
}

/* A file where a folder should be is nothing of ours, and so the reverse. */
static void remember(struct lane *l, int i, const git_tree *tree)
{
	const git_tree_entry *e = git_tree_entry_byname(tree, l->name[i]);
	git_object_t want = i < TRAIL_DEPTH - 1 ? GIT_OBJECT_TREE : l->type;

	l->known[i] = true;
	l->found[i] = e && git_tree_entry_type(e) == want;
	git_oid_cpy(&l->tree[i], git_tree_id(tree));
	if (e)
		git_oid_cpy(&l->entry[i], git_tree_entry_id(e));
}

/* The root is read once for all lanes. */
static int step(struct trail *t, struct lane *l, int i, const git_oid *id)
{
	git_tree *tree;
	int rc;

	if (remembers(l, i, id))
		return 0;
	rc = git_tree_lookup(&tree, t->repo, id);
	if (rc)
		return rc;
	if (i)
		remember(l, i, tree);
	for (int k = 0; !i && k < TRAIL_LANES; k++)
		remember(&t->lane[k], i, tree);
	git_tree_free(tree);
	return 0;
}

static int look(struct trail *t, struct lane *l, const git_oid *root,
		git_oid *out)
{
	const git_oid *at = root;
	int rc;

	for (int i = 0; i < TRAIL_DEPTH; i++) {
		rc = step(t, l, i, at);
		if (rc)
			return rc;
		if (!l->found[i])
			return 0;
		at = &l->entry[i];
	}
	git_oid_cpy(out, at);
	return 0;
}

int trail_look(struct trail *t, const git_commit *commit, struct trail_at *at)
{
	const git_oid *root = git_commit_tree_id(commit);
	int rc = 0;

	memset(at, 0, sizeof(*at));
	for (int k = 0; !rc && k < TRAIL_LANES; k++)
		rc = look(t, &t->lane[k], root, &at->is[k]);
	return rc;
}

static bool same(const struct trail_at *a, const struct trail_at *b)
{
	for (int k = 0; k < TRAIL_LANES; k++)
		if (!git_oid_equal(&a->is[k], &b->is[k]))
			return false;
	return true;
}

/* How much of it is alike: all, the document alone, or nothing. */
static int alike(const struct trail_at *a, const struct trail_at *b)
{
	if (git_oid_is_zero(&a->is[TRAIL_TASK]))
		return 0;
	if (same(a, b))
		return 3;
	return git_oid_equal(&a->is[TRAIL_TASK], &b->is[TRAIL_TASK]) ? 2 : 1;
}

int trail_back(struct trail *t, const git_commit *commit, struct trail_at *at,
	       git_commit **to, bool *changed)
{
	const struct trail_at now = *at;
	int rc = 0, best = 0;

	*to = NULL;
	memset(at, 0, sizeof(*at));
	for (unsigned i = 0; best < 3 && i < git_commit_parentcount(commit) &&
	     !rc; i++) {
		git_commit *parent = NULL;
		struct trail_at there;

		rc = git_commit_parent(&parent, commit, i);
		if (!rc)
			rc = trail_look(t, parent, &there);
		if (!rc && alike(&there, &now) > best) {
			git_commit *old = *to;

			best = alike(&there, &now);
			*to = parent;
			parent = old;
			*at = there;
		}
		git_commit_free(parent);
	}
	*changed = best < 3;
	return rc;
}

json_t *trail_doc(struct trail *t, const git_oid *blob, int *rc)
{
	git_odb_object *object;
	json_t *doc = NULL;
	git_object_t type;
	size_t len;

	*rc = 0;
	if (git_oid_is_zero(blob))
		return NULL;
	*rc = git_odb_read_header(&len, &type, t->odb, blob);
	if (*rc || type != GIT_OBJECT_BLOB || len > TRAIL_DOC_MAX)
		return NULL;
	*rc = git_odb_read(&object, t->odb, blob);
	if (*rc)
		return NULL;
	doc = json_parse(git_odb_object_data(object),
			 git_odb_object_size(object), NULL);
	git_odb_object_free(object);
	return doc;
}
