/* See remote_row.h. */
#include "agent/core/remote_row.h"

#include <stdio.h>
#include <string.h>

#include "agent/core/threads.h"
#include "agent/store/settings.h"
#include "common/clock.h"
#include "common/json.h"
#include "common/log.h"

#define SLOW_US 5000000

static const struct {
	const char *status, *code, *hint;
} faults[] = {
	[FAULT_NONE] = {"ok", NULL, NULL},
	[FAULT_STARTING] = {"degraded", "ssot_remote_starting",
		"Nothing to do: it is about to be reached."},
	[FAULT_UNREACHABLE] = {"degraded", "ssot_remote_unreachable",
		"See ssot.remote and the network. It is tried again within a "
		"minute, and at once on kill -HUP of the agent."},
	[FAULT_AUTH] = {"down", "ssot_remote_auth",
		"Correct ssot.token-file, ssot.key-file or ssot.known-hosts, "
		"or the rights there; it is tried again."},
	[FAULT_DIVERGED] = {"down", "ssot_remote_diverged",
		"The remote has commits that this agent has not. Take them "
		"away there, or restart with run --accept-remote to keep them "
		"in the history under ours."},
	[FAULT_REWRITTEN] = {"down", "ssot_remote_rewritten",
		"History that was there is gone: somebody forced a push. "
		"Restore it there, or restart with run --accept-remote."},
	[FAULT_REFUSED] = {"down", "ssot_remote_refused",
		"Let this agent push to main there: see detail for its words."},
	[FAULT_NO_GIT] = {"down", "git_missing", "Install git."},
	[FAULT_CONTENT] = {"down", "ssot_remote_content",
		"Push a commit there, on top of it, that mends this."},
	[FAULT_LOCAL] = {"down", "ssot_remote_local",
		"See detail; check the disk and ssot.git of the home."},
};

/* By mode. */
static const char *const effects[] = {
	[SSOT_MIRROR] = "the remote is behind; nothing is lost",
	[SSOT_SHARED] = "what this agent holds goes on and is shared later; "
			"other changes of tasks are refused",
};

void remote_row_init(struct remote_row *w, struct core *k, int mode)
{
	*w = (struct remote_row){.core = k, .mode = mode,
				 .fault = FAULT_STARTING,
				 .since = clock_wall_us(),
				 .words = "not reached since the start"};
	pthread_mutex_init(&w->lock, NULL);
}

void remote_row_fini(struct remote_row *w)
{
	pthread_mutex_destroy(&w->lock);
}

enum fault remote_row_fault(struct remote_row *w)
{
	enum fault fault;

	pthread_mutex_lock(&w->lock);
	fault = w->fault;
	pthread_mutex_unlock(&w->lock);
	return fault;
}

static void record(struct remote_row *w, const char *type, const char *code,
		   const char *words)
{
	json_t *data = json_pack("{s:s}", "what", "ssot_remote");

	if (code)
		json_set_str(data, "error_code", code);
	if (words)
		json_object_set_new(data, "detail", json_lossy(words));
	core_service(w->core, type, data);
}

void remote_row_trouble(struct remote_row *w, const struct remote_said *said)
{
	bool begins, other;

	if (said->stopped || said->fault == FAULT_NONE)
		return;
	pthread_mutex_lock(&w->lock);
	begins = w->fault <= FAULT_STARTING;
	other = w->fault != said->fault;
	if (other)
		w->since = clock_wall_us();
	w->fault = said->fault;
	snprintf(w->words, sizeof(w->words), "%s", said->words);
	pthread_mutex_unlock(&w->lock);
	if (other)
		log_warn("remote: %s: %s", faults[said->fault].code,
			 said->words);
	if (begins)
		record(w, "ssot_sync_failed", faults[said->fault].code,
		       said->words);
}

void remote_row_fine(struct remote_row *w)
{
	bool over;

	pthread_mutex_lock(&w->lock);
	over = w->fault > FAULT_STARTING;
	w->synced = clock_wall_us();
	if (w->fault != FAULT_NONE)
		w->since = w->synced;
	w->fault = FAULT_NONE;
	*w->words = 0;
	w->ahead = w->behind = 0;
	pthread_mutex_unlock(&w->lock);
	if (over) {
		log_info("remote: it works again");
		record(w, "ssot_synced", NULL, NULL);
	}
}

void remote_row_distance(struct remote_row *w, size_t ahead, size_t behind)
{
	pthread_mutex_lock(&w->lock);
	w->ahead = ahead;
	w->behind = behind;
	pthread_mutex_unlock(&w->lock);
}

void remote_row_asked(struct remote_row *w, int64_t mono_us)
{
	pthread_mutex_lock(&w->lock);
	w->asked = mono_us;
	pthread_mutex_unlock(&w->lock);
}

static void set_time(json_t *v, const char *key, int64_t wall_us)
{
	char text[CLOCK_TEXT];

	if (wall_us)
		clock_text(wall_us, text);
	json_set_str(v, key, wall_us ? text : NULL);
}

/* What is the matter, as far as it is known: silence is not yet a fault. */
static enum fault matter(const struct remote_row *w, char words[480])
{
	int64_t for_us = w->asked ? clock_mono_us() - w->asked : 0;

	snprintf(words, 480, "%s", w->words);
	if (w->fault != FAULT_NONE || for_us < SLOW_US)
		return w->fault;
	snprintf(words, 480, "it has been asked %lld s ago and has not "
		 "answered yet", (long long)(for_us / 1000000));
	return FAULT_UNREACHABLE;
}

json_t *remote_row_json(struct remote_row *w)
{
	json_t *v = json_pack("{s:s}", "name", "ssot_remote");
	char words[480];
	enum fault fault;

	pthread_mutex_lock(&w->lock);
	fault = matter(w, words);
	json_set_str(v, "status", faults[fault].status);
	json_set_str(v, "mode", w->mode == SSOT_SHARED ? "shared" :
		     "mirror");
	set_time(v, "since", w->since);
	json_set_int(v, "ahead", (json_int_t)w->ahead);
	json_set_int(v, "behind", (json_int_t)w->behind);
	set_time(v, "last_synced", w->synced);
	if (fault != FAULT_NONE) {
		json_set_str(v, "error_code", faults[fault].code);
		json_object_set_new(v, "detail", json_lossy(words));
		json_set_str(v, "effect", effects[w->mode]);
		json_set_str(v, "remediation_hint", faults[fault].hint);
	}
	pthread_mutex_unlock(&w->lock);
	return v;
}
