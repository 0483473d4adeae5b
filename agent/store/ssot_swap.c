/*
 * See ssot_git.h. Main is moved as git moves it: main.lock, which only one
 * can make, renamed over it. The lock is a second name of a file of ours, so
 * that one that a kill left behind is known to be ours and not in the way.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "agent/store/ssot_git.h"
#include "common/err.h"
#include "common/fs.h"
#include "common/log.h"
#include "common/mem.h"

#define STALE_S 600		/* git holds it for milliseconds */

struct names { char *own, *lock, *main, *folder; };

static void names_init(struct names *n, const char *path)
{
	n->own = xasprintf("%s/tmp_kircerta.main", path);
	n->lock = xasprintf("%s/" SSOT_REF ".lock", path);
	n->main = xasprintf("%s/" SSOT_REF, path);
	n->folder = xstrdup(n->main);
	*strrchr(n->folder, '/') = 0;
}

static void names_fini(struct names *n)
{
	free(n->own);
	free(n->lock);
	free(n->main);
	free(n->folder);
}

/* What the last error of git is to be; -1. */
static int failed(const char *what, const char *path)
{
	int why = errno;
	char *text = xasprintf("%s '%s': %s", what, path, strerror(why));

	git_error_set_str(GIT_ERROR_OS, text);
	free(text);
	errno = why;
	return -1;
}

/* The whole id and a line feed, durable; there must be no such file. */
static int write_id(const char *path, const git_oid *to)
{
	char text[GIT_OID_HEXSZ + 2];
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	int why, rc;

	git_oid_tostr(text, GIT_OID_HEXSZ + 1, to);
	strcat(text, "\n");
	if (fd < 0)
		return -1;
	rc = fs_write_all(fd, text, strlen(text)) || fsync(fd) ? -1 : 0;
	why = errno;
	close(fd);
	if (rc)
		unlink(path);
	errno = why;
	return rc;
}

/* Whoever made the lock, it is nobody's any more: out of the way with it. */
static bool left_behind(const struct names *n)
{
	struct stat lock, own;
	bool ours, old;

	if (stat(n->lock, &lock))
		return false;
	ours = !stat(n->own, &own) && own.st_ino == lock.st_ino &&
	       own.st_dev == lock.st_dev;
	old = llabs((long long)time(NULL) - lock.st_mtime) > STALE_S;
	if ((!ours && !old) || unlink(n->lock))
		return false;
	log_warn("%s was left behind%s: removed", n->lock,
		 ours ? " by this agent" : "");
	return true;
}

/* Make the lock; where a file can have one name only, as a file. */
static int take(const struct names *n, const git_oid *to)
{
	left_behind(n);
	unlink(n->own);
	if (write_id(n->own, to))
		return failed("failed to write", n->own);
	if (!link(n->own, n->lock) ||
	    (errno != EEXIST && !write_id(n->lock, to)))
		return 0;
	failed("failed to create", n->lock);
	return errno == EEXIST ? GIT_ELOCKED : -1;
}

/* Nobody else can change main now: does it say what we think? */
static int still(git_repository *repo, const git_oid *from, const git_oid *to)
{
	git_odb *odb = NULL;
	git_oid now;
	int rc = git_reference_name_to_id(&now, repo, SSOT_REF);

	if (rc && rc != GIT_ENOTFOUND)
		return -1;
	if (from ? rc || !git_oid_equal(&now, from) : !rc)
		return GIT_EMODIFIED;
	if (git_repository_odb(&odb, repo))
		return -1;
	rc = git_odb_exists(odb, to) ? 0 : -1;
	git_odb_free(odb);
	if (rc)
		git_error_set_str(GIT_ERROR_REFERENCE,
				  "the new commit cannot be read back");
	return rc;
}

/*
 * Behind the rename all is done: if that is not durable, what a power cut
 * takes is made again from the journal.
 */
static void sync_folder(const struct names *n)
{
	struct err err = {0};

	if (fs_sync_dir(n->folder, &err))
		log_warn("%s", err.detail);
	err_fini(&err);
}

int ssot_head_check(git_repository *repo, const char *path, struct err *err)
{
	git_reference *head = NULL;
	int rc = git_reference_lookup(&head, repo, "HEAD");

	git_reference_free(head);
	if (!rc)
		return 0;
	ssot_git_error(err, "HEAD of %s", path);
	return err_hint(err, "Let it say where the tasks are: git symbolic-ref"
			" does it, or write \"ref: " SSOT_REF "\" into "
			"%s/HEAD.", path);
}

int ssot_ref_swap(git_repository *repo, const char *path, const git_oid *from,
		  const git_oid *to)
{
	struct names n;
	int rc;

	names_init(&n, path);
	rc = take(&n, to);
	if (!rc) {
		rc = still(repo, from, to);
		if (!rc && rename(n.lock, n.main))
			rc = failed("failed to write", n.main);
		if (rc)
			unlink(n.lock);
		else
			sync_folder(&n);
	}
	unlink(n.own);
	names_fini(&n);
	return rc;
}
