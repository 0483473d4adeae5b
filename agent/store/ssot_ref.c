/* The one ref of the repository: see ssot_git.h. */
#include "agent/store/ssot_git.h"

#include "common/err.h"

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

int ssot_ref_move(git_repository *repo, const char *path,
		  const git_oid *from, const git_oid *to, struct err *err)
{
	int rc = ssot_ref_swap(repo, path, from, to);

	if (rc == GIT_EMODIFIED || rc == GIT_EEXISTS)
		return ssot_foreign(path, "main was moved by somebody else",
				    err);
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
