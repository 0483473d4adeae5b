/*
 * See remote.h. The thread waits on two events: wake (do not wait) and stop,
 * which also ends whatever git is at work; then on last, once what the agent
 * did before it stopped is in the local repository.
 */
#include "agent/core/remote.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "agent/core/pause.h"
#include "agent/core/remote_git.h"
#include "agent/core/remote_row.h"
#include "agent/core/threads.h"
#include "agent/ops/op.h"
#include "agent/store/home.h"
#include "agent/store/settings.h"
#include "agent/store/settings_remote.h"
#include "agent/store/ssot_graph.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/json.h"
#include "common/log.h"
#include "common/mem.h"

#define LAST_US 3000000			/* for the push at the end */
#define MOST_TIMES 100			/* the timeout, while it goes on */
#define PAUSE_LEAST 1000000
#define PAUSE_MOST 60000000
#define COUNT_MOST 10000		/* commits; more are not counted */
#define MAIN "refs/heads/main"

struct remote {
	struct core *core;
	const struct settings *s;
	const char *repo;
	struct remote_git *git;
	const struct remote_mode *mode;
	pthread_t thread;
	int wake, stop, rested, last;	/* eventfds */
	/* the thread's own */
	char agreed[SSOT_HEX];
	bool hurried;
	struct remote_time time;
	int64_t pause;
	int stop_fd;			/* 0 for the push at the end */
	struct remote_row row;
};

struct core *remote_core(struct remote *r)
{
	return r->core;
}

const char *remote_repo(const struct remote *r)
{
	return r->repo;
}

int64_t remote_interval(const struct remote *r)
{
	return r->s->ssot_interval;
}

const char *remote_agreed(const struct remote *r)
{
	return r->agreed;
}

static bool is_set(int fd, int wait_ms)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, wait_ms) > 0;
}

bool remote_stopping(struct remote *r)
{
	return is_set(r->stop, 0);
}

void remote_ours(struct remote *r, char out[41])
{
	struct core *k = r->core;

	pthread_mutex_lock(&k->tip_lock);
	strcpy(out, k->tip);
	pthread_mutex_unlock(&k->tip_lock);
}

bool remote_hurried(struct remote *r)
{
	return r->hurried;
}

static int local_fault(struct remote_said *said, struct err *err)
{
	*said = (struct remote_said){.fault = FAULT_LOCAL};
	snprintf(said->words, sizeof(said->words), "%s", err->detail);
	err_fini(err);
	return -1;
}

static int ask(struct remote *r, const char *const args[], char **out,
	       struct remote_said *said)
{
	int rc;

	remote_row_asked(&r->row, clock_mono_us());
	rc = remote_git_run(r->git, args, &r->time, r->stop_fd, out, said);
	remote_row_asked(&r->row, 0);
	return rc;
}

static int run(struct remote *r, const char *const args[],
	       struct remote_said *said)
{
	return ask(r, args, NULL, said);
}

int remote_look(struct remote *r, char head[41], struct remote_said *said)
{
	static const char *const args[] = {
		"fetch", "--progress", "--no-tags", "--no-write-fetch-head",
		"--no-auto-maintenance", "--no-recurse-submodules",
		"--refmap=", "origin", "+" MAIN ":" REMOTE_SEEN, NULL,
	};
	struct err err = {0};

	*head = 0;
	if (run(r, args, said)) {
		/* It answered: it has no main. */
		if (strstr(said->words, "couldn't find remote ref")) {
			*said = (struct remote_said){0};
			return 0;
		}
		return -1;
	}
	return ssot_ref_read(r->repo, REMOTE_SEEN, head, &err) ?
	       local_fault(said, &err) : 0;
}

int remote_agree(struct remote *r, const char *commit,
		 struct remote_said *said)
{
	const char *set[] = {"update-ref", REMOTE_AGREED, commit, NULL};
	const char *drop[] = {"update-ref", "-d", REMOTE_AGREED, NULL};

	if (!strcmp(commit, r->agreed))
		return 0;
	if (run(r, *commit ? set : drop, said)) {
		if (said->fault != FAULT_NO_GIT)
			said->fault = FAULT_LOCAL;
		return -1;
	}
	snprintf(r->agreed, sizeof(r->agreed), "%s", commit);
	return 0;
}

int remote_fetch(struct remote *r, char head[41], struct remote_said *said)
{
	struct err err = {0};
	int on = 1;

	if (remote_look(r, head, said))
		return -1;
	if (*r->agreed)
		on = *head ? ssot_is_ancestor(r->repo, r->agreed, head,
					      &err) : 0;
	if (on < 0)
		return local_fault(said, &err);
	if (on)
		return remote_agree(r, head, said);
	said->fault = FAULT_REWRITTEN;
	snprintf(said->words, sizeof(said->words), "main there was %s and is "
		 "%s, which does not go on from it", r->agreed,
		 *head ? head : "gone");
	return -1;
}

/*
 * The lease can only make git refuse more: that the commit goes on from what
 * the remote has is checked here, and the lease holds it to that.
 */
static enum push push(struct remote *r, const char *commit,
		      struct remote_said *said)
{
	char *what = xasprintf("%s:" MAIN, commit), *out;
	char *lease = xasprintf("--force-with-lease=" MAIN ":%s", r->agreed);
	const char *args[] = {
		"push", "--porcelain", "--progress", "--no-verify",
		"--recurse-submodules=no", lease, "origin", what, NULL,
	};
	int rc = ask(r, args, &out, said);
	enum push end = rc < 0 ? PUSH_AWAY :
			remote_git_pushed(out, MAIN, said);

	if (end == PUSH_OK && rc)	/* taken, and then it broke off */
		end = PUSH_AWAY;
	if (end == PUSH_AWAY && said->fault == FAULT_NONE) {
		said->fault = FAULT_UNREACHABLE;
		strcpy(said->words, "git push said nothing of main");
	}
	free(what);
	free(lease);
	free(out);
	return end;
}

enum push remote_push(struct remote *r, const char *commit,
		      struct remote_said *said)
{
	struct err err = {0};
	enum push end;
	int on = *r->agreed ? ssot_is_ancestor(r->repo, r->agreed, commit,
					       &err) : 1;

	*said = (struct remote_said){0};
	if (on < 0)
		return local_fault(said, &err), PUSH_AWAY;
	if (!on)
		return PUSH_STALE;
	end = push(r, commit, said);
	/* git has moved REMOTE_AGREED itself, by remote.origin.fetch. */
	if (end == PUSH_OK)
		snprintf(r->agreed, sizeof(r->agreed), "%s", commit);
	return end;
}

void remote_trouble(struct remote *r, const struct remote_said *said)
{
	remote_row_trouble(&r->row, said);
}

void remote_goes_on(struct remote *r)
{
	r->pause = 0;
}

void remote_fine(struct remote *r)
{
	r->pause = 0;
	remote_row_fine(&r->row);
}

json_t *remote_json(struct remote *r)
{
	return remote_row_json(&r->row);
}

void remote_distance(struct remote *r, const char *ours, const char *theirs)
{
	size_t ahead = 0, behind = 0;

	if (*ours)
		ssot_count(r->repo, theirs, ours, &ahead, COUNT_MOST, NULL);
	if (*theirs && *ours)
		ssot_count(r->repo, ours, theirs, &behind, COUNT_MOST, NULL);
	remote_row_distance(&r->row, ahead, behind);
}

int64_t remote_pause(struct remote *r)
{
	return pause_longer(&r->pause, PAUSE_LEAST, PAUSE_MOST);
}

/* What a killed git left of the refs that nobody but this thread moves. */
static void break_locks(struct remote *r)
{
	static const char *const refs[] = {REMOTE_AGREED, REMOTE_SEEN};

	for (size_t i = 0; i < ARRAY_LEN(refs); i++) {
		char *lock = xasprintf("%s/%s.lock", r->repo, refs[i]);

		if (!unlink(lock))
			log_warn("%s was left behind: removed", lock);
		free(lock);
	}
}

/* Worth a try, and it does not keep the agent from ending. */
static void last_push(struct remote *r)
{
	char ours[SSOT_HEX];
	struct remote_said said;

	remote_ours(r, ours);
	if (remote_row_fault(&r->row) != FAULT_NONE || !*ours ||
	    r->s->ssot_mode != SSOT_MIRROR || !strcmp(ours, r->agreed))
		return;
	r->stop_fd = 0;
	r->time.most_us = LAST_US;
	if (r->time.silence_us > LAST_US)
		r->time.silence_us = LAST_US;
	if (remote_push(r, ours, &said) != PUSH_OK)
		log_warn("remote: it is behind: %s", said.words);
}

static void *main_of(void *arg)
{
	struct remote *r = arg;
	struct err err = {0};
	void *own = xcalloc(1, r->mode->own);
	eventfd_t n;

	break_locks(r);
	if (ssot_ref_read(r->repo, REMOTE_AGREED, r->agreed, &err)) {
		log_error("remote: %s", err.detail);
		err_fini(&err);
	}
	while (!remote_stopping(r)) {
		int64_t us = r->mode->turn(r, own);
		struct pollfd p[] = {{r->wake, POLLIN, 0},
				     {r->stop, POLLIN, 0}};

		poll(p, 2, (int)((us + 999) / 1000));
		r->hurried = !eventfd_read(r->wake, &n);
	}
	eventfd_write(r->rested, 1);
	is_set(r->last, -1);
	last_push(r);
	free(own);
	return NULL;
}

static int no_remote(struct err *err)
{
	err_set(err, ERR_bad_config, "--accept-remote: there is no remote");
	return err_hint(err, "Set ssot.remote, or start without it.");
}

int remote_open(struct remote **out, struct core *k, struct err *err)
{
	static const struct remote_mode *const modes[] = {
		[SSOT_MIRROR] = &mirror_mode,
		[SSOT_SHARED] = &share_mode,
	};
	const struct settings *s = k->agent->settings;
	struct remote *r;

	*out = NULL;
	if (remote_files_check(s, err))
		return -1;
	if (!s->ssot_remote || !*s->ssot_remote)
		return k->agent->accept_remote ? no_remote(err) : 0;
	r = xcalloc(1, sizeof(*r));
	r->core = k;
	r->s = s;
	r->repo = k->agent->home->ssot;
	r->git = remote_git_new(s, r->repo);
	r->mode = modes[s->ssot_mode];
	r->time = (struct remote_time){s->ssot_timeout,
				       s->ssot_timeout * MOST_TIMES};
	r->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r->stop = r->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r->rested = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r->last = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	remote_row_init(&r->row, k, s->ssot_mode);
	if (r->wake < 0 || r->stop < 0 || r->rested < 0 || r->last < 0 ||
	    pthread_create(&r->thread, NULL, main_of, r))
		abort();
	pthread_setname_np(r->thread, "remote");
	*out = r;
	return 0;
}

void remote_hurry(struct remote *r)
{
	if (r)
		eventfd_write(r->wake, 1);
}

void remote_halt(struct remote *r)
{
	if (r)
		eventfd_write(r->stop, 1);
}

void remote_rest(struct remote *r)
{
	remote_halt(r);
	if (r)
		is_set(r->rested, -1);
}

void remote_close(struct remote *r)
{
	if (!r)
		return;
	remote_halt(r);
	eventfd_write(r->last, 1);
	pthread_join(r->thread, NULL);
	remote_git_free(r->git);
	close(r->wake);
	close(r->stop);
	close(r->rested);
	close(r->last);
	remote_row_fini(&r->row);
	free(r);
}
