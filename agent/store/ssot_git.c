/* See ssot_git.h. */
#include "agent/store/ssot_git.h"

#include <libgen.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/err.h"
#include "common/fs.h"
#include "common/mem.h"
#include "common/sha256.h"

static void setup(void)
{
	static const int levels[] = {
		GIT_CONFIG_LEVEL_PROGRAMDATA, GIT_CONFIG_LEVEL_SYSTEM,
		GIT_CONFIG_LEVEL_XDG, GIT_CONFIG_LEVEL_GLOBAL,
	};

	git_libgit2_init();
	for (size_t i = 0; i < sizeof(levels) / sizeof(*levels); i++)
		git_libgit2_opts(GIT_OPT_SET_SEARCH_PATH, levels[i], "");
	git_libgit2_opts(GIT_OPT_ENABLE_FSYNC_GITDIR, 1);
	/* Nothing is read twice here: the trees are kept by ssot_tree.c. */
	git_libgit2_opts(GIT_OPT_ENABLE_CACHING, 0);
	git_libgit2_opts(GIT_OPT_SET_MWINDOW_FILE_LIMIT, (size_t)64);
}

void ssot_git_setup(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, setup);
}

int ssot_git_error(struct err *err, const char *fmt, ...)
{
	const git_error *why = git_error_last();
	char text[300];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	err_set(err, ERR_io, "%s: %s", text,
		why ? why->message : "git gives no reason");
	if (why && why->klass != GIT_ERROR_OS)
		err_hint(err, "If `git fsck` says that the repository is "
			 "damaged, restore it, or move the folder away and "
			 "restart: it is made anew from the journal.");
	return -1;
}

int ssot_git_open(git_repository **repo, const char *path, struct err *err)
{
	ssot_git_setup();
	*repo = NULL;
	if (git_repository_open_bare(repo, path))
		return ssot_git_error(err, "opening %s", path);
	return 0;
}

int ssot_git_tree(git_repository *repo, const char *commit, git_oid *tree,
		  struct err *err)
{
	git_commit *c = NULL;
	git_oid id;
	int rc = !is_hex(commit, GIT_OID_HEXSZ) ? GIT_ENOTFOUND :
		 git_oid_fromstr(&id, commit);

	if (!rc)
		rc = git_commit_lookup(&c, repo, &id);
	if (!rc)
		git_oid_cpy(tree, git_commit_tree_id(c));
	git_commit_free(c);
	if (rc == GIT_ENOTFOUND)
		return err_set(err, ERR_not_found, "no commit %.40s",
			       commit ? commit : "");
	return rc ? ssot_git_error(err, "reading commit %s", commit) : 0;
}

/* Asked first: libgit2 1.5 leaks where its graph walk cannot read a commit. */
static bool readable(git_repository *repo, const git_oid *id)
{
	git_commit *commit;

	if (git_commit_lookup(&commit, repo, id))
		return false;
	git_commit_free(commit);
	return true;
}

int ssot_git_descends(git_repository *repo, const git_oid *commit,
		      const git_oid *from, struct err *err)
{
	int rc = git_oid_equal(commit, from) ? 1 :
		 !readable(repo, commit) || !readable(repo, from) ? -1 :
		 git_graph_descendant_of(repo, commit, from);

	return rc < 0 ? ssot_git_unread(repo, err) : rc;
}

int ssot_git_unread(git_repository *repo, struct err *err)
{
	return ssot_git_error(err, "reading the history of %s",
			      git_repository_path(repo));
}

int ssot_foreign(const char *path, const char *what, struct err *err)
{
	err_set(err, ERR_io, "%s: %s; the agent changes nothing there",
		path, what);
	return err_hint(err, "Move " SSOT_REF " back to the agent's newest "
			"commit, or move the folder away and restart: it is "
			"made anew from the journal.");
}

/* Made beside and renamed. */
int ssot_git_create(const char *path, struct err *err)
{
	git_repository_init_options o = GIT_REPOSITORY_INIT_OPTIONS_INIT;
	char *beside = xasprintf("%s.new", path);
	git_repository *repo = NULL;
	int rc = -1;

	o.flags = GIT_REPOSITORY_INIT_BARE | GIT_REPOSITORY_INIT_NO_REINIT |
		  GIT_REPOSITORY_INIT_MKPATH;
	o.initial_head = "main";
	fs_remove_tree(beside);
	if (fs_mkdir(beside, 0700, err))
		goto done;
	if (git_repository_init_ext(&repo, beside, &o)) {
		ssot_git_error(err, "making the repository %s", path);
		goto done;
	}
	git_repository_free(repo);
	rmdir(path);		/* an empty one is as good as none */
	if (rename(beside, path)) {
		err_sys(err, ERR_io, "making the repository %s", path);
		goto done;
	}
	rc = fs_sync_dir(dirname(beside), err);
done:
	free(beside);
	return rc;
}
