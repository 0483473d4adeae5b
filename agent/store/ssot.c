/*
 * See ssot.h. The ref is the only thing that is ever changed, by comparing
 * and swapping, after the objects it needs are durable. What is in memory is
 * a cache of what the ref says; any failure forgets it.
 */
#include "agent/store/ssot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/store/ssot_chain.h"
#include "agent/store/ssot_git.h"
#include "agent/store/ssot_memo.h"
#include "agent/store/ssot_pack.h"
#include "agent/store/ssot_repo.h"
#include "common/err.h"
#include "common/mem.h"

#define STEP_BYTES (32 << 20)	/* of a pack, about */

/*
 * A place that main is at, ahead of us. Others moved it there, and record seq
 * takes that in; or it is a commit that says it is ours, of record seq: then
 * our line comes to it again.
 */
struct accepted {
	bool any, reached;	/* reached: our line has it */
	bool claim;
	git_oid commit;
	uint64_t seq;
};

struct ssot {
	struct ssot_repo repo;
	struct chain *chain;
	struct ssot_point saved;	/* durable; main says it, unless */
	struct accepted accepted;	/* main is ahead of us here */
	char moved[SSOT_HEX], head[SSOT_HEX];
};

/*
 * Main is not where the note says we left it. That is somebody else's doing,
 * or the note was lost with the power, which the commits that follow from the
 * journal will tell.
 */
static void claim_tip(struct ssot *s, const git_oid *tip,
		      const struct ssot_point *newest)
{
	if (git_oid_equal(&newest->commit, tip) &&
	    newest->seq > s->saved.seq)
		s->accepted = (struct accepted){
			.any = true, .claim = true, .commit = *tip,
			.seq = newest->seq,
		};
	else
		git_oid_tostr(s->moved, sizeof(s->moved), tip);
}

/* Our newest commit in main; where there is none, main may be others'. */
static int read_point(struct ssot *s, const git_oid *tip, const char *log_id,
		      struct err *err)
{
	struct ssot_point newest;
	size_t others;
	bool noted = ssot_memo_read(s->repo.git, s->repo.path, log_id, tip,
				    &s->saved);

	if (noted && git_oid_equal(&s->saved.commit, tip))
		return 0;
	if (ssot_survey(s->repo.git, tip, log_id, 0, &newest, &others, err))
		return -1;
	if (!noted)
		s->saved = newest;
	if (!s->saved.any && !ssot_ref_tasks(s->repo.git, tip))
		return ssot_foreign(s->repo.path, "the newest commit on main "
				    "is somebody else's, and there are no "
				    "tasks in it", err);
	if (!s->saved.any || !git_oid_equal(tip, &s->saved.commit))
		claim_tip(s, tip, &newest);
	return 0;
}

/* One of the two is an older copy, or was replaced. */
static int check_journal(const char *path, const char *log_id,
			 struct err *err)
{
	if (!ssot_memo_other(path, log_id))
		return 0;
	err_set(err, ERR_io, "%s was made from another journal", path);
	return err_hint(err, "The journal or the repository was replaced: "
			"restore the two that belong together.");
}

static int read_main(struct ssot *s, const char *log_id, struct err *err)
{
	git_oid tip;
	int rc = ssot_ref_get(s->repo.git, s->repo.path, &tip, err);

	return rc > 0 ? read_point(s, &tip, log_id, err) :
	       rc < 0 ? -1 : ssot_ref_none(s->repo.git, s->repo.path, err);
}

int ssot_open(struct ssot **out, const char *path,
	      const struct ssot_options *o, struct err *err)
{
	struct ssot *s = xcalloc(1, sizeof(*s));
	const char *log_id = o->log_id ? o->log_id : "";

	s->chain = chain_new(&s->repo, log_id, o->remote);
	if (ssot_repo_open(&s->repo, path, err) ||
	    ssot_head_check(s->repo.git, path, err) ||
	    check_journal(path, log_id, err) ||
	    read_main(s, log_id, err)) {
		ssot_close(s);
		return -1;
	}
	chain_reset(s->chain, &s->saved);
	ssot_repo_upkeep(&s->repo);
	*out = s;
	return 0;
}

void ssot_close(struct ssot *s)
{
	if (!s)
		return;
	chain_free(s->chain);
	ssot_repo_close(&s->repo);
	free(s);
}

void ssot_packs_hold(struct ssot *s, int64_t ns)
{
	pthread_mutex_lock(&s->repo.merging);
	s->repo.hold_ns = ns;
	pthread_mutex_unlock(&s->repo.merging);
}

void ssot_packs_changed(struct ssot *s)
{
	atomic_store(&s->repo.stale, true);
}

uint64_t ssot_seq(const struct ssot *s)
{
	return s->saved.seq;
}

const char *ssot_leaf(const struct ssot *s)
{
	return s->saved.leaf;
}

const char *ssot_head(struct ssot *s)
{
	*s->head = 0;
	if (s->saved.any)
		git_oid_tostr(s->head, sizeof(s->head), &s->saved.commit);
	return s->head;
}

const char *ssot_moved(const struct ssot *s)
{
	return s->moved;
}

void ssot_accept(struct ssot *s, const char *commit, uint64_t seq)
{
	struct accepted a = {.any = true, .seq = seq};

	if (is_hex(commit, SSOT_HEX - 1) &&
	    !git_oid_fromstr(&a.commit, commit))
		s->accepted = a;
}

/* What main must still say; NULL: that it is not there. */
static const git_oid *expected(const struct ssot *s)
{
	return s->accepted.any ? &s->accepted.commit :
	       s->saved.any ? &s->saved.commit : NULL;
}

/* A record among these may tell of the move: then it is accepted. */
static bool told(struct ssot *s, struct record *const *records, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const char *commit = chain_takes(records[i]);

		if (!commit || strcmp(commit, s->moved) ||
		    records[i]->seq <= s->saved.seq)
			continue;
		ssot_accept(s, commit, records[i]->seq);
		return true;
	}
	return false;
}

/* Somebody moved main to now: can that be gone on from? */
static int judge_move(struct ssot *s, const git_oid *now,
		      struct record *const *records, size_t n,
		      struct err *err)
{
	const git_oid *from = expected(s);
	int rc = from ? ssot_git_descends(s->repo.git, now, from, err) : 1;

	if (rc < 0)
		return -1;
	if (!rc)
		return ssot_ref_moved(s->repo.path, from, err);
	if (!ssot_ref_tasks(s->repo.git, now))
		return ssot_foreign(s->repo.path, "main was moved by somebody "
				    "else to where no tasks are", err);
	git_oid_tostr(s->moved, sizeof(s->moved), now);
	if (told(s, records, n)) {
		*s->moved = 0;
		return 0;
	}
	return err_set(err, ERR_io, "%s: main was moved by somebody else, to "
		       "commit %s", s->repo.path, s->moved);
}

static int check_main(struct ssot *s, struct record *const *records,
		      size_t n, struct err *err)
{
	const git_oid *from = expected(s);
	git_oid now;
	int rc;

	*s->moved = 0;
	if (atomic_exchange(&s->repo.stale, false) &&
	    ssot_repo_reopen(&s->repo, err))
		return -1;
	rc = ssot_ref_get(s->repo.git, s->repo.path, &now, err);
	if (rc < 0)
		return -1;
	if (rc ? from && git_oid_equal(&now, from) : !from)
		return 0;
	return rc ? judge_move(s, &now, records, n, err) :
		    ssot_ref_moved(s->repo.path, from, err);
}

static int move_main(struct ssot *s, struct err *err)
{
	const struct ssot_point *end = chain_end(s->chain);
	const git_oid *from = expected(s);

	if (end->any && (!s->saved.any ||
			 !git_oid_equal(&s->saved.commit, &end->commit)))
		ssot_memo_write(s->repo.path, chain_log(s->chain), &s->saved,
				end);
	if (end->any && (!from || !git_oid_equal(from, &end->commit)) &&
	    ssot_ref_move(s->repo.git, s->repo.path, from, &end->commit, err))
		return -1;
	s->accepted.any = false;
	return 0;
}

/*
 * Write what was gathered, durable, then let the ref say so; but not before
 * our line has what others moved main to.
 */
static int finish(struct ssot *s, struct err *err)
{
	if (ssot_repo_write(&s->repo, chain_pack(s->chain), err))
		return -1;
	if ((!s->accepted.any || s->accepted.reached) && move_main(s, err))
		return -1;
	s->saved = *chain_end(s->chain);
	chain_written(s->chain);
	ssot_repo_upkeep(&s->repo);
	return 0;
}

static int add(struct ssot *s, const struct record *r, struct err *err)
{
	const char *takes = chain_takes(r);
	struct accepted *a = &s->accepted;

	if (chain_add(s->chain, r, err))
		return -1;
	if (!a->any || a->reached)
		return 0;
	if (a->claim ? git_oid_equal(&a->commit, &chain_end(s->chain)->commit) :
		       takes && !git_oid_strcmp(&a->commit, takes))
		a->reached = true;
	else if (a->claim && r->seq >= a->seq)
		a->any = false;		/* it was none of ours */
	return 0;
}

int ssot_apply(struct ssot *s, struct record *const *records, size_t n,
	       struct err *err)
{
	int rc = check_main(s, records, n, err);

	for (size_t i = 0; i < n && !rc; i++) {
		rc = add(s, records[i], err);
		if (rc && chain_takes(records[i]))
			finish(s, NULL);	/* it may wait for long */
		if (!rc && pack_bytes(chain_pack(s->chain)) > STEP_BYTES)
			rc = finish(s, err);
	}
	if (!rc)
		rc = finish(s, err);
	if (rc) {
		s->accepted.reached = false;
		chain_reset(s->chain, &s->saved);
	}
	return rc;
}
