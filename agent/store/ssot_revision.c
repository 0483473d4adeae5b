/* See ssot.h: a task as it was. */
#include "agent/store/ssot.h"

#include <stdbool.h>
#include <string.h>

#include "agent/store/ssot_git.h"
#include "agent/store/ssot_trail.h"
#include "common/err.h"

#define COMMITS_MAX 200000	/* looked at for a blob: some seconds */

static int never(struct err *err)
{
	return err_set(err, ERR_not_found,
		       "rev: no version of this task is named so");
}

/* The one object whose id begins so, whatever it is. */
static int find(struct trail *t, const char *rev, git_oid *id,
		git_object_t *type, struct err *err)
{
	size_t n = strlen(rev), len;
	git_oid start;
	int rc;

	rc = git_oid_fromstrn(&start, rev, n);
	if (!rc)
		rc = git_odb_exists_prefix(id, t->odb, &start, n);
	if (!rc)
		rc = git_odb_read_header(&len, type, t->odb, id);
	if (rc == GIT_EAMBIGUOUS)
		return err_set(err, ERR_ambiguous_id, "rev: more than one "
			       "object is named so");
	if (rc == GIT_ENOTFOUND)
		return never(err);
	return rc ? ssot_git_error(err, "looking for a version") : 0;
}

/* What lies there without being in our line was never the task's. */
static int of_commit(struct trail *t, const git_oid *tip, const git_oid *id,
		     struct trail_at *at, struct err *err)
{
	git_commit *commit = NULL;
	int rc = ssot_git_descends(t->repo, tip, id, err);

	if (rc <= 0)
		return rc ? -1 : never(err);
	rc = git_commit_lookup(&commit, t->repo, id);
	if (!rc)
		rc = trail_look(t, commit, at);
	git_commit_free(commit);
	if (rc)
		return ssot_git_error(err, "reading a version");
	return git_oid_is_zero(&at->is[TRAIL_TASK]) ? never(err) : 0;
}

static int too_far(struct err *err)
{
	return err_set(err, ERR_not_found, "rev: no version of the newest %d "
		       "commits is named so; an older one is found by its "
		       "commit", COMMITS_MAX);
}

/* Back from the tip until the task is that blob. */
static int of_blob(struct trail *t, const git_oid *tip, const git_oid *id,
		   struct trail_at *at, struct err *err)
{
	git_commit *commit = NULL, *before;
	bool changed, found = false;
	int n = 0, rc = git_commit_lookup(&commit, t->repo, tip);

	if (!rc)
		rc = trail_look(t, commit, at);
	while (!rc && commit && n++ < COMMITS_MAX) {
		found = git_oid_equal(&at->is[TRAIL_TASK], id);
		if (found)
			break;
		rc = trail_back(t, commit, at, &before, &changed);
		git_commit_free(commit);
		commit = before;
	}
	git_commit_free(commit);
	if (rc)
		return ssot_git_error(err, "reading the history");
	return found ? 0 : n > COMMITS_MAX ? too_far(err) : never(err);
}

static int look_for(struct trail *t, const char *tip, const char *rev,
		    struct trail_at *at, struct err *err)
{
	git_object_t type;
	git_oid end, id;

	if (git_oid_fromstr(&end, tip) || find(t, rev, &id, &type, err))
		return err->code ? -1 : never(err);
	return type == GIT_OBJECT_COMMIT ? of_commit(t, &end, &id, at, err) :
	       type == GIT_OBJECT_BLOB ? of_blob(t, &end, &id, at, err) :
	       never(err);
}

static json_t *revision(struct trail *t, const char *tip, const char *rev,
			char sha[41], struct err *err)
{
	struct trail_at at;
	json_t *doc;
	int rc;

	if (look_for(t, tip, rev, &at, err))
		return NULL;
	git_oid_tostr(sha, GIT_OID_HEXSZ + 1, &at.is[TRAIL_TASK]);
	doc = trail_doc(t, &at.is[TRAIL_TASK], &rc);
	if (rc)
		ssot_git_error(err, "reading a version");
	else if (!doc)
		err_set(err, ERR_not_found, "rev: what that commit has in the "
			"place of the task is no document");
	return doc;
}

json_t *ssot_revision(const char *path, const char *task_id, const char *tip,
		      const char *rev, char sha[41], struct err *err)
{
	struct err why = {0};
	json_t *out = NULL;

	for (int i = 0; !out && i < 3 && (!i || why.code == ERR_io); i++) {
		struct trail t;

		err_fini(&why);
		memset(&why, 0, sizeof(why));
		if (!trail_open(&t, path, task_id, &why))
			out = revision(&t, tip, rev, sha, &why);
		trail_close(&t);
	}
	if (!out)
		err_set(err, why.code, "%s", why.detail);
	err_fini(&why);
	return out;
}
