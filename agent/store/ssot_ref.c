/* The one ref of the repository: see ssot_git.h. */
#include "agent/store/ssot_git.h"

#include <stdbool.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/err.h"
#include "common/log.h"
#include "common/mem.h"

#define STALE_S 2		/* seconds */

int ssot_ref_check(git_repository *repo, const char *path,
		   const git_oid *from, struct err *err)
{
	git_oid now;
	int rc = git_reference_name_to_id(&now, repo, SSOT_REF);

	if (rc && rc != GIT_ENOTFOUND)
		return ssot_git_error(err, "reading %s", path);
	if (from ? rc || !git_oid_equal(&now, from) : !rc)
		return ssot_foreign(path, "main was moved by somebody else",
				    err);
	return 0;
}

/*
 * git holds the lock of a ref for milliseconds. One that has been there for
 * longer is what a kill left behind, and would be in the way for ever.
 */
static bool break_stale_lock(const char *path)
{
	char *lock = xasprintf("%s/" SSOT_REF ".lock", path);
	bool broken = false;
	struct stat st;

	if (!stat(lock, &st) && llabs((long long)time(NULL) - st.st_mtime) >
	    STALE_S) {
		broken = !unlink(lock);
		log_warn("%s was left behind: removed", lock);
	}
	free(lock);
	return broken;
}

static int swap_ref(git_repository *repo, const git_oid *from,
		    const git_oid *to)
{
	git_reference *ref = NULL;
	int rc = git_reference_create_matching(&ref, repo, SSOT_REF, to,
					       from != NULL, from, "record");

	git_reference_free(ref);
	return rc;
}

int ssot_ref_move(git_repository *repo, const char *path,
		  const git_oid *from, const git_oid *to, struct err *err)
{
	int rc = swap_ref(repo, from, to);

	if (rc == GIT_ELOCKED && break_stale_lock(path))
		rc = swap_ref(repo, from, to);
	if (rc == GIT_EMODIFIED || rc == GIT_EEXISTS)
		return ssot_foreign(path, "main was moved by somebody else",
				    err);
	if (!rc)
		return 0;
	ssot_git_error(err, "moving main of %s", path);
	if (rc == GIT_ELOCKED)
		err_hint(err, "A git is at work there, or was stopped at it; "
			 "the agent tries again and removes %s/" SSOT_REF
			 ".lock when it is old.", path);
	return -1;
}
