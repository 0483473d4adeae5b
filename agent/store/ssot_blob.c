/* See ssot_blob.h. */
#include "agent/store/ssot_blob.h"

#include <git2.h>
#include <string.h>

#include "agent/store/ssot_git.h"
#include "common/err.h"

static int version_of(git_tree *root, struct ssot_version *v,
		      struct err *err)
{
	git_tree_entry *entry;
	int rc = git_tree_entry_bypath(&entry, root, v->path);

	*v->sha = 0;
	if (rc == GIT_ENOTFOUND)
		return 0;
	if (rc)
		return ssot_git_error(err, "reading %s", v->path);
	git_oid_tostr(v->sha, sizeof(v->sha), git_tree_entry_id(entry));
	git_tree_entry_free(entry);
	return 0;
}

static int root_of(git_repository *repo, const char *id, git_tree **root,
		   struct err *err)
{
	git_commit *commit = NULL;
	git_oid oid;
	int rc = git_oid_fromstr(&oid, id) ||
		 git_commit_lookup(&commit, repo, &oid) ||
		 git_commit_tree(root, commit);

	git_commit_free(commit);
	return rc ? ssot_git_error(err, "reading commit %s", id) : 0;
}

int ssot_versions(const char *path, const char *commit,
		  struct ssot_version *v, size_t n, struct err *err)
{
	git_repository *repo;
	git_tree *root = NULL;
	int rc;

	for (size_t i = 0; i < n; i++)
		*v[i].sha = 0;
	if (!*commit)
		return 0;
	ssot_git_setup();
	if (git_repository_open_bare(&repo, path))
		return ssot_git_error(err, "opening %s", path);
	rc = root_of(repo, commit, &root, err);
	for (size_t i = 0; i < n && !rc; i++)
		rc = version_of(root, &v[i], err);
	git_tree_free(root);
	git_repository_free(repo);
	return rc;
}
