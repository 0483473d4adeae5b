/*
 * See share.h: how the remote is, and what others pushed there. It is taken
 * in if it goes on from what we know, and is of documents all through.
 */
#include <stdio.h>
#include <string.h>

#include "agent/core/intake.h"
#include "agent/core/remote.h"
#include "agent/core/share_inner.h"
#include "agent/core/threads.h"
#include "agent/store/home.h"
#include "agent/store/ssot_blob.h"
#include "agent/store/ssot_graph.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/mem.h"

#define HISTORY_US 10000000	/* for our own history to follow */
#define STEP_US 250000		/* of that wait */

int share_away(struct share *s, struct remote *r,
	       const struct remote_said *said)
{
	char tip[SSOT_HEX];

	remote_ours(r, tip);	/* a history of our own is as good */
	s->met = s->met || *remote_agreed(r) || *tip;
	share_set_state(s, s->met ? REMOTE_AWAY : REMOTE_UNMET, said->words);
	if (!said->stopped)
		remote_trouble(r, said);
	s->look_at = clock_mono_us() + remote_pause(r);
	return -1;
}

int share_trouble(struct share *s, struct remote *r, struct err *err)
{
	struct remote_said said = {.fault = intake_refuses(err) ?
				   FAULT_CONTENT : FAULT_LOCAL};

	snprintf(said.words, sizeof(said.words), "%s", err->detail);
	err_fini(err);
	return share_away(s, r, &said);
}

static int unrelated(struct share *s, struct remote *r, const char *what)
{
	struct remote_said said = {.fault = FAULT_DIVERGED};

	snprintf(said.words, sizeof(said.words), "%s", what);
	return share_away(s, r, &said);
}

int share_settle(struct share *s, struct err *err)
{
	struct core *k = s->core;

	for (int64_t us = 0; us < HISTORY_US; us += STEP_US)
		if (!follower_wait(k->follow_ssot, atomic_load(&k->doc_seq),
				   STEP_US))
			return 0;
		else if (queue_closed(&s->proposals))
			break;		/* the agent is stopping */
	return err_set(err, ERR_io, "our own history is behind; see ssot");
}

/* Does a commit hold what a task repository holds? */
static int holds_tasks(const char *repo, const char *head, struct err *err)
{
	struct ssot_version v[] = {{"tasks", ""}, {"attempts", ""},
				   {"evidence", ""}, {"conflicts", ""}};
	int found = 0;

	if (ssot_versions(repo, head, v, ARRAY_LEN(v), err))
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(v); i++)
		found |= *v[i].sha != 0;
	return found;
}

/*
 * May we go on from there? Only from a history that begins where ours does,
 * or from any of tasks while we have none. 0; 1: no, and it was said; -1.
 */
static int check_related(struct share *s, struct remote *r, const char *tip,
			 const char *head, struct err *err)
{
	const char *repo = s->core->agent->home->ssot;
	char base[SSOT_HEX];
	int tasks;

	if (*tip && ssot_merge_base(repo, tip, head, base, err))
		return -1;
	if ((*tip && *base) || s->accept)
		return 0;
	tasks = holds_tasks(repo, head, err);
	if (tasks < 0)
		return -1;
	if (!tasks)
		return unrelated(s, r, "the remote's main holds no tasks: it "
				 "is another project's") ? 1 : 0;
	if (*tip)
		return unrelated(s, r, "the remote's main and ours do not "
				 "begin with the same commit") ? 1 : 0;
	return 0;
}

/* Take in what main has not yet, as far as one call goes; 1: it has all. */
static int take_some(struct share *s, struct remote *r, const char *head,
		     struct err *err)
{
	struct intake_taken taken;
	char tip[SSOT_HEX];
	int has;

	if (share_settle(s, err))
		return -1;
	remote_ours(r, tip);
	has = *tip ? ssot_is_ancestor(s->core->agent->home->ssot, head, tip,
				      err) : 0;
	if (has)
		return has;
	has = check_related(s, r, tip, head, err);
	if (has)
		return -1;
	s->others_at = clock_mono_us();
	return intake_take(s->core, "remote", INTAKE_PEER, head, &taken, err);
}

/* 0: what the remote has is in our main. */
static int take_in(struct share *s, struct remote *r, const char *head)
{
	struct err err = {0};
	int rc = !*head;

	while (!rc)
		rc = take_some(s, r, head, &err);
	if (rc > 0)
		return 0;
	return err.code ? share_trouble(s, r, &err) : -1;
}

/*
 * Agree with what is there if it goes on from what we agreed on; where we
 * have not met yet, or shall accept anything, only once it was taken in.
 */
static int look(struct share *s, struct remote *r, char head[SSOT_HEX],
		struct remote_said *said)
{
	s->agrees = !s->accept && *remote_agreed(r);
	return s->agrees ? remote_fetch(r, head, said) :
			   remote_look(r, head, said);
}

int share_catch_up(struct share *s, struct remote *r)
{
	struct remote_said said = {0};
	char head[SSOT_HEX], tip[SSOT_HEX];

	if (look(s, r, head, &said))
		return share_away(s, r, &said);
	if (take_in(s, r, head))
		return -1;
	if (!s->agrees && remote_agree(r, head, &said))
		return share_away(s, r, &said);
	s->accept = false;
	s->met = true;
	s->look_at = clock_mono_us() + remote_interval(r);
	share_set_state(s, REMOTE_UP, "");
	remote_fine(r);
	remote_ours(r, tip);
	remote_distance(r, tip, remote_agreed(r));
	return 0;
}
