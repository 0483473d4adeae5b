/*
 * Mode mirror: the remote's main follows ours. It is looked at when the
 * agent starts, when a push finds it elsewhere, and now and then; commits
 * that we have not are never pushed over, an operator decides about them.
 */
#include <stdio.h>
#include <string.h>

#include "agent/core/intake.h"
#include "agent/core/remote.h"
#include "agent/core/threads.h"
#include "agent/ops/op.h"
#include "agent/store/ssot_graph.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/json.h"
#include "common/log.h"

#define LOOK_US 60000000		/* where there is nothing to push */
#define COUNT_MOST 10000000
#define STALE_MOST 3		/* pushes in a row that find it elsewhere */

struct mirror {
	char log_id[SSOT_LOG];
	char ours[SSOT_HEX], there[SSOT_HEX];	/* newest commits */
	char counted[SSOT_HEX];
	bool looked;			/* there is what it is, or we push */
	bool accepted;			/* the operator's word was used */
	int stale;
	size_t part;			/* commits that fit the line; 0: all */
	size_t pushing;			/* commits in the push, at most */
	int64_t next_try, look_again;	/* monotonic */
};

enum standing {
	STANDS,			/* where we agreed, or on our way to it */
	AHEAD,			/* it has what we have not */
	REWOUND,		/* it is at an earlier point of ours */
	REWRITTEN,		/* what we agreed on is gone from it */
	UNKNOWN,
};

/* 1, 0 or -1; nothing is an ancestor of everything. */
static int leads_to(const char *repo, const char *a, const char *b,
		    struct err *err)
{
	return !*a ? 1 : !*b ? 0 : ssot_is_ancestor(repo, a, b, err);
}

/*
 * What we agreed on may be missing from the remote though we have all that
 * is there: either somebody took it back, or it came in by a merge of ours.
 */
static enum standing judge(struct remote *r, const struct mirror *m,
			   struct err *err)
{
	const char *repo = remote_repo(r), *agreed = remote_agreed(r);
	int goes_on = leads_to(repo, agreed, m->there, err);
	int in_ours = goes_on < 0 ? -1 : leads_to(repo, m->there, m->ours,
						  err);
	int earlier;

	if (in_ours < 0)
		return UNKNOWN;
	if (!in_ours)
		return goes_on ? AHEAD : REWRITTEN;
	if (goes_on)
		return STANDS;
	earlier = leads_to(repo, m->there, agreed, err);
	return earlier < 0 ? UNKNOWN : earlier ? REWOUND : STANDS;
}

/* A commit of our own journal that our repository is only about to make. */
static bool coming(struct remote *r, struct mirror *m)
{
	struct core *k = remote_core(r);
	struct ssot_commit_facts facts;

	if (!*m->log_id && core_log_id(k, m->log_id, NULL))
		return false;
	return *m->there &&
	       !ssot_commit_facts(remote_repo(r), m->there, &facts, NULL) &&
	       *facts.log_id && !strcmp(facts.log_id, m->log_id) &&
	       facts.seq <= core_seq(k) &&
	       facts.seq > follower_seq(k->follow_ssot);
}

static void describe(struct remote *r, const struct mirror *m,
		     enum standing how, struct remote_said *said)
{
	struct ssot_commit_facts facts = {0};
	char newest[400] = "";

	if (*m->there &&
	    !ssot_commit_facts(remote_repo(r), m->there, &facts, NULL))
		snprintf(newest, sizeof(newest), "; its newest commit is "
			 "%.12s of %.100s: %.150s", m->there, facts.author,
			 facts.subject);
	if (how == AHEAD)
		snprintf(said->words, sizeof(said->words), "main of the "
			 "remote has commits that are not ours%s", newest);
	else
		snprintf(said->words, sizeof(said->words), "main of the "
			 "remote was at %.12s and %s%s", remote_agreed(r),
			 *m->there ? "no longer has it" : "is gone", newest);
	said->fault = how == AHEAD ? FAULT_DIVERGED : FAULT_REWRITTEN;
}

/*
 * Once per run, by --accept-remote: what is there stays in history, under
 * ours. The follower makes the merge that the record asks for.
 */
static int accept(struct remote *r, struct mirror *m, struct remote_said *said)
{
	struct core *k = remote_core(r);
	struct intake_taken taken;
	struct err err = {0};

	log_warn("remote: what is there is accepted: %s",
		 *m->there ? m->there : "no main");
	if (!*m->there) {
		core_service(k, "ssot_synced", json_pack("{s:s,s:s}", "what",
			     "ssot_remote", "detail", "accepted that main is "
			     "gone from the remote"));
	} else if (intake_take(k, "remote", INTAKE_KEEP_OURS, m->there,
			       &taken, &err)) {
		said->fault = FAULT_DIVERGED;
		snprintf(said->words, sizeof(said->words), "it cannot be "
			 "accepted: %.440s", err.detail);
		err_fini(&err);
		return -1;
	}
	m->accepted = true;
	return 0;
}

static int64_t soon(struct remote *r, int64_t pause)
{
	int64_t interval = remote_interval(r);

	return pause < interval ? pause : interval;
}

static int64_t failed(struct remote *r, struct mirror *m,
		      const struct remote_said *said)
{
	int64_t pause = remote_pause(r);

	remote_trouble(r, said);
	m->next_try = clock_mono_us() + pause;
	return soon(r, pause);
}

/* 0: it stands. 1: not yet, try soon. -1: *said. */
static int look(struct remote *r, struct mirror *m, struct remote_said *said)
{
	struct err err = {0};
	enum standing how;

	if (remote_look(r, m->there, said))
		return -1;
	how = judge(r, m, &err);
	if (how == UNKNOWN) {
		said->fault = FAULT_LOCAL;
		snprintf(said->words, sizeof(said->words), "%s", err.detail);
		err_fini(&err);
		return -1;
	}
	if (how == AHEAD && coming(r, m))
		return 1;
	if (how != STANDS && remote_core(r)->agent->accept_remote &&
	    !m->accepted) {
		if (accept(r, m, said))
			return -1;
		if (how != REWOUND)
			return 1;
		how = STANDS;		/* all that is there is ours */
	}
	if (how == STANDS) {
		m->look_again = clock_mono_us() + LOOK_US;
		m->looked = !remote_agree(r, m->there, said);
		return m->looked ? 0 : -1;
	}
	describe(r, m, how, said);
	return -1;
}

static void count(struct remote *r, struct mirror *m)
{
	if (!strcmp(m->counted, m->ours))
		return;
	remote_distance(r, m->ours, *m->there ? m->there : remote_agreed(r));
	strcpy(m->counted, m->ours);
}

/*
 * What to push: all of it, but where that was too much for the line, half of
 * what the remote lacks, or half of that.
 */
static void choose(struct remote *r, struct mirror *m, char target[SSOT_HEX])
{
	const char *repo = remote_repo(r), *agreed = remote_agreed(r);
	char half[SSOT_HEX];

	strcpy(target, m->ours);
	m->pushing = 0;
	if (!m->part)
		return;
	ssot_count(repo, agreed, target, &m->pushing, COUNT_MOST, NULL);
	for (; m->pushing > m->part; m->pushing -= m->pushing / 2) {
		if (ssot_half_way(repo, agreed, target, half, NULL) || !*half)
			break;
		strcpy(target, half);
	}
	if (leads_to(repo, agreed, target, NULL) != 1)
		strcpy(target, m->ours);
}

/* The line did not take it in time: less at once. */
static void shrink(struct remote *r, struct mirror *m)
{
	if (!m->pushing)
		ssot_count(remote_repo(r), remote_agreed(r), m->ours,
			   &m->pushing, COUNT_MOST, NULL);
	m->part = (m->pushing + 1) / 2;
}

static int64_t pushed(struct remote *r, struct mirror *m, const char *target)
{
	m->look_again = clock_mono_us() + LOOK_US;
	m->stale = 0;
	strcpy(m->there, target);
	m->part += m->part / 2 + 1;
	if (!strcmp(target, m->ours)) {
		m->part = 0;
		remote_fine(r);
		return remote_interval(r);
	}
	remote_goes_on(r);
	*m->counted = 0;
	count(r, m);
	return 0;
}

static int64_t push(struct remote *r, struct mirror *m)
{
	struct remote_said said;
	char target[SSOT_HEX];

	choose(r, m, target);
	switch (remote_push(r, target, &said)) {
	case PUSH_OK:
		return pushed(r, m, target);
	case PUSH_STALE:
		m->looked = false;
		if (++m->stale < STALE_MOST)
			return 0;
		said.fault = FAULT_REFUSED;
		if (!*said.words)
			strcpy(said.words, "every push finds main elsewhere "
			       "than it was a moment ago");
		break;
	case PUSH_REFUSED:
		break;
	case PUSH_AWAY:
		if (said.late)
			shrink(r, m);
		break;
	}
	return failed(r, m, &said);
}

static int64_t turn(struct remote *r, void *own)
{
	struct mirror *m = own;
	struct remote_said said;
	int rc;

	remote_ours(r, m->ours);
	if (!remote_hurried(r) && clock_mono_us() < m->next_try) {
		count(r, m);
		return soon(r, m->next_try - clock_mono_us());
	}
	if (remote_hurried(r) || clock_mono_us() > m->look_again)
		m->looked = false;
	if (!m->looked) {
		rc = look(r, m, &said);
		*m->counted = 0;
		count(r, m);
		if (rc)
			return rc < 0 ? failed(r, m, &said) :
					remote_interval(r);
		if (!strcmp(m->ours, remote_agreed(r)))
			remote_fine(r);
	}
	if (strcmp(m->ours, remote_agreed(r)))
		return push(r, m);
	return remote_interval(r);
}

const struct remote_mode mirror_mode = {sizeof(struct mirror), turn};
