/*
 * Taking in what others committed: our line goes on behind theirs, or a
 * commit of ours has both before it.
 */
#include <string.h>

#include "agent/store/record.h"
#include "agent/store/ssot_chain_inner.h"
#include "agent/store/ssot_compare.h"
#include "agent/store/ssot_git.h"
#include "agent/store/ssot_repo.h"
#include "agent/store/ssot_tree.h"
#include "common/err.h"
#include "common/json.h"
#include "common/log.h"

#define ANCHOR_AFTER 1000	/* commits of others */
#define STEPS 64
#define ANCHOR_RECORDS 20000	/* or of the journal: a start reads them */

static int drop_path(const struct compare_change *f, void *data,
		     struct err *err)
{
	struct chain *c = data;

	return f->after ? 0 : tree_drop(c->tree, f->path, err);
}

static int set_path(const struct compare_change *f, void *data,
		    struct err *err)
{
	struct chain *c = data;

	return f->after ? tree_set(c->tree, f->path, f->mode_after,
				   f->after->id, err) : 0;
}

static int tree_of(struct chain *c, const git_oid *id, git_oid *tree,
		   struct err *err)
{
	git_commit *commit;

	if (git_commit_lookup(&commit, c->repo->git, id))
		return ssot_git_unread(c->repo->git, err);
	*tree = *git_commit_tree_id(commit);
	git_commit_free(commit);
	return 0;
}

/* What their line changed since it left ours, into our tree. */
static int take_theirs(struct chain *c, const git_oid *theirs,
		       struct err *err)
{
	git_oid base, before, after;
	int rc = c->end.any ? git_merge_base(&base, c->repo->git,
					     &c->end.commit, theirs) :
			      GIT_ENOTFOUND;

	if (rc && rc != GIT_ENOTFOUND)
		return ssot_git_unread(c->repo->git, err);
	if ((!rc && tree_of(c, &base, &before, err)) ||
	    tree_of(c, theirs, &after, err))
		return -1;
	/* Drops first: a file may have become a folder, and back. */
	return ssot_compare(c->repo->git, rc ? NULL : &before, &after,
			    drop_path, c, err) ||
	       ssot_compare(c->repo->git, rc ? NULL : &before, &after,
			    set_path, c, err) ? -1 : 0;
}

/* Theirs is ahead of us: our line goes on behind it. */
static int adopt(struct chain *c, const struct record *r,
		 const git_oid *theirs, struct err *err)
{
	struct ssot_point newest;
	size_t foreign;
	git_oid tree;

	if (tree_of(c, theirs, &tree, err) ||
	    ssot_survey(c->repo->git, theirs, c->log_id, ANCHOR_AFTER,
			&newest, &foreign, err))
		return -1;
	c->end.any = true;
	c->end.commit = *theirs;
	c->end.tree = tree;
	chain_tree_again(c);
	if (foreign > ANCHOR_AFTER || r->seq > c->end.seq + ANCHOR_RECORDS)
		chain_commit(c, r, NULL);
	return 0;
}

static int merge(struct chain *c, const struct record *r,
		 const git_oid *theirs, bool ours, struct err *err)
{
	if (!ours && take_theirs(c, theirs, err))
		return -1;
	if (!c->end.any && chain_readme(c, err))
		return -1;
	chain_commit(c, r, theirs);
	return 0;
}

/* Is it in our line? 1, 0, -1, and *there: is it in the repository? */
static int has(struct chain *c, const git_oid *id, bool *there,
	       struct err *err)
{
	git_commit *commit = NULL;
	int rc;

	ssot_repo_show(c->repo);
	rc = git_commit_lookup(&commit, c->repo->git, id);
	git_commit_free(commit);
	*there = !rc;
	if (rc == GIT_ENOTFOUND)
		return 0;
	if (rc)
		return ssot_git_unread(c->repo->git, err);
	return c->end.any ? ssot_git_descends(c->repo->git, &c->end.commit,
					      id, err) : 0;
}

/*
 * Is their commit a few steps ahead of our end? Mostly it is; and this looks
 * at these steps only, whatever the clocks of their authors said.
 */
static bool just_ahead(struct chain *c, const git_oid *theirs)
{
	git_oid id = *theirs;
	bool found = false;

	for (int i = 0; i < STEPS && c->end.any && !found; i++) {
		git_commit *commit;
		unsigned n;

		if (git_commit_lookup(&commit, c->repo->git, &id))
			break;
		n = git_commit_parentcount(commit);
		if (n)
			id = *git_commit_parent_id(commit, 0);
		git_commit_free(commit);
		if (!n)
			break;
		found = git_oid_equal(&id, &c->end.commit);
	}
	return found;
}

static void note(struct chain *c, const char *commit, bool is_in)
{
	strcpy(c->asked, commit);
	c->has = is_in;
}

/* A commit that is not there: is that an error? */
static int missing(struct chain *c, const char *commit, struct err *err)
{
	if (c->remote)
		return err_set(err, ERR_io, "waits for commit %s from the "
			       "remote", commit);
	log_warn("commit %s, which was taken in once, is not there any more: "
		 "its documents are committed anew", commit);
	note(c, commit, false);
	return 0;
}

static bool ours_stays(const struct record *r)
{
	const char *strategy = json_str(r->data, "strategy");

	return strategy && !strcmp(strategy, "ours");
}

static int join(struct chain *c, const struct record *r,
		const git_oid *theirs, struct err *err)
{
	const bool ours = ours_stays(r);
	int ahead = !ours;

	if (!ours && c->end.any)
		ahead = ssot_git_descends(c->repo->git, theirs,
					  &c->end.commit, err);
	if (ahead < 0)
		return -1;
	return ahead ? adopt(c, r, theirs, err) :
		       merge(c, r, theirs, ours, err);
}

int chain_take_in(struct chain *c, const struct record *r,
		  const char *commit, struct err *err)
{
	git_oid theirs;
	bool there;
	int rc;

	*c->asked = 0;
	if (git_oid_fromstr(&theirs, commit))
		return ssot_git_error(err, "%s", commit);
	if (!ours_stays(r) && just_ahead(c, &theirs)) {
		if (adopt(c, r, &theirs, err))
			return -1;
		note(c, commit, true);
		return 0;
	}
	rc = has(c, &theirs, &there, err);
	if (!rc && !there)
		return missing(c, commit, err);
	if (rc < 0 || (!rc && join(c, r, &theirs, err)))
		return -1;
	note(c, commit, true);
	return 0;
}

int chain_came(struct chain *c, const struct record *r, struct err *err)
{
	const char *commit = json_str(json_object_get(r->data, "git"),
				      "commit");
	git_oid id;
	bool there;
	int rc;

	if (!is_hex(commit, SSOT_HEX - 1))
		return 0;
	if (!strcmp(c->asked, commit))
		return c->has;
	if (git_oid_fromstr(&id, commit) || (rc = has(c, &id, &there, err)) < 0)
		return -1;
	note(c, commit, rc);
	return rc;
}
