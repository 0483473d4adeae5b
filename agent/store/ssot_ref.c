/* The one ref of the repository: see ssot_git.h. */
#include "agent/store/ssot_git.h"

#include <string.h>

#include "agent/store/ssot_text.h"
#include "common/err.h"
#include "common/mem.h"
#include "common/sha256.h"

#define README_MAX (1 << 20)	/* bytes of one that is looked at */

int ssot_ref_get(git_repository *repo, const char *path, git_oid *now,
		 struct err *err)
{
	int rc = git_reference_name_to_id(now, repo, SSOT_REF);

	if (rc && rc != GIT_ENOTFOUND)
		return ssot_git_error(err, "reading %s", path);
	return !rc;
}

/* What is fetched from a remote is there before we are. */
int ssot_ref_none(git_repository *repo, const char *path, struct err *err)
{
	git_strarray refs = {0};
	size_t n = 0;

	if (git_reference_list(&refs, repo))
		return ssot_git_error(err, "reading %s", path);
	for (size_t i = 0; i < refs.count; i++)
		n += strncmp(refs.strings[i], "refs/remotes/", 13) != 0;
	git_strarray_dispose(&refs);
	return n ? ssot_foreign(path, "it has branches but no main", err) : 0;
}

int ssot_ref_moved(const char *path, const git_oid *from, struct err *err)
{
	char hex[GIT_OID_HEXSZ + 1];

	ssot_foreign(path, "main was moved by somebody else", err);
	if (from)
		err_hint(err, "What is on main does not build on the agent's "
			 "newest commit. Move it back (git --git-dir %s "
			 "update-ref " SSOT_REF " %s) and push what was there "
			 "anew, on top.", path,
			 git_oid_tostr(hex, sizeof(hex), from));
	return -1;
}

static bool is_sort(const git_tree *tree, const char *name, git_object_t type)
{
	const git_tree_entry *e = git_tree_entry_byname(tree, name);

	return !e || git_tree_entry_type(e) == type;
}

static bool says_tasks(git_repository *repo, const git_tree *tree)
{
	const git_tree_entry *e = git_tree_entry_byname(tree, "README.md");
	const size_t len = strcspn(ssot_readme, "\n") + 1;
	git_odb_object *o = NULL;
	git_odb *odb = NULL;
	git_object_t type;
	size_t size = 0;
	bool same;

	same = e && !git_repository_odb(&odb, repo) &&
	       !git_odb_read_header(&size, &type, odb, git_tree_entry_id(e)) &&
	       size >= len && size <= README_MAX &&
	       !git_odb_read(&o, odb, git_tree_entry_id(e)) &&
	       !memcmp(git_odb_object_data(o), ssot_readme, len);
	git_odb_object_free(o);
	git_odb_free(odb);
	return same;
}

/* Folders of one hex digit each. */
static bool has_tasks(git_repository *repo, const git_tree *tree)
{
	const git_tree_entry *e = git_tree_entry_byname(tree, "tasks");
	git_tree *tasks = NULL;
	bool all;

	if (!e || git_tree_lookup(&tasks, repo, git_tree_entry_id(e)))
		return false;
	all = git_tree_entrycount(tasks) > 0;
	for (size_t i = 0; all && i < git_tree_entrycount(tasks); i++) {
		e = git_tree_entry_byindex(tasks, i);
		all = is_hex(git_tree_entry_name(e), 1) &&
		      git_tree_entry_type(e) == GIT_OBJECT_TREE;
	}
	git_tree_free(tasks);
	return all;
}

bool ssot_ref_tasks(git_repository *repo, const git_oid *commit)
{
	static const char *const folders[] = {"tasks", "attempts", "evidence",
					      "conflicts"};
	git_commit *c = NULL;
	git_tree *tree = NULL;
	bool ok;

	ok = !git_commit_lookup(&c, repo, commit) && !git_commit_tree(&tree, c);
	for (size_t i = 0; ok && i < ARRAY_LEN(folders); i++)
		ok = is_sort(tree, folders[i], GIT_OBJECT_TREE);
	ok = ok && is_sort(tree, "README.md", GIT_OBJECT_BLOB) &&
	     (says_tasks(repo, tree) || has_tasks(repo, tree));
	git_tree_free(tree);
	git_commit_free(c);
	return ok;
}

int ssot_ref_move(git_repository *repo, const char *path,
		  const git_oid *from, const git_oid *to, struct err *err)
{
	int rc = ssot_head_check(repo, path, err);

	if (rc)
		return -1;
	rc = ssot_ref_swap(repo, path, from, to);
	if (rc == GIT_EMODIFIED || rc == GIT_EEXISTS)
		return ssot_ref_moved(path, from, err);
	if (!rc)
		return 0;
	ssot_git_error(err, "moving main of %s", path);
	if (rc == GIT_ELOCKED)
		err_hint(err, "A git is at work there, or was stopped at it; "
			 "the agent tries again. If no git runs there, remove "
			 "%s/" SSOT_REF ".lock; the agent does it when it is "
			 "ten minutes old.", path);
	return -1;
}
