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

/* How many of them are found in this commit for the first time. */
static size_t find_in(git_repository *repo, const git_oid *id,
		      const struct ssot_version *v, size_t n, bool *had,
		      struct err *err)
{
	char hex[SSOT_HEX];
	git_tree *root = NULL;
	size_t found = 0;

	git_oid_tostr(hex, sizeof(hex), id);
	if (root_of(repo, hex, &root, err))
		return 0;
	for (size_t i = 0; i < n && !err->code; i++) {
		struct ssot_version now = {v[i].path, ""};

		if (had[i] || version_of(root, &now, err) ||
		    strcmp(now.sha, v[i].sha))
			continue;
		had[i] = true;
		found++;
	}
	git_tree_free(root);
	return found;
}

static int walk_up(git_repository *repo, const char *from, const char *to,
		   git_revwalk **walk)
{
	git_oid first, last;

	if (git_oid_fromstr(&last, to) || git_revwalk_new(walk, repo) ||
	    git_revwalk_sorting(*walk, GIT_SORT_TOPOLOGICAL |
				GIT_SORT_REVERSE) ||
	    git_revwalk_push(*walk, &last))
		return -1;
	return *from && (git_oid_fromstr(&first, from) ||
			 git_revwalk_hide(*walk, &first)) ? -1 : 0;
}

int ssot_had(const char *path, const char *from, const char *to,
	     const struct ssot_version *v, size_t n, bool *had,
	     struct err *err)
{
	git_repository *repo;
	git_revwalk *walk = NULL;
	size_t left = n;
	git_oid each;

	memset(had, 0, n * sizeof(*had));
	if (ssot_git_open(&repo, path, err))
		return -1;
	if (walk_up(repo, from, to, &walk))
		ssot_git_error(err, "reading the history");
	while (left && !err->code && !git_revwalk_next(&each, walk))
		left -= find_in(repo, &each, v, n, had, err);
	git_revwalk_free(walk);
	git_repository_free(repo);
	return err->code ? -1 : 0;
}
