/*
 * What follows the journal, opened and compared with it before anything is
 * decided by it: the read model and the git history.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/core/checkpoints.h"
#include "agent/core/intake.h"
#include "agent/core/notify.h"
#include "agent/core/remote.h"
#include "agent/core/second.h"
#include "agent/core/share.h"
#include "agent/core/taken.h"
#include "agent/core/threads.h"
#include "agent/core/upkeep.h"
#include "agent/ops/op.h"
#include "agent/store/home.h"
#include "agent/store/index.h"
#include "agent/store/journal.h"
#include "agent/store/settings.h"
#include "agent/store/ssot.h"
#include "agent/store/state.h"
#include "common/err.h"
#include "common/json.h"
#include "common/log.h"
#include "common/mem.h"

#define READ_WAIT_US 5000000
#define HISTORY_US 2000000
#define INDEX_PAUSE_US 50000
#define INDEX_AT_ONCE 131072	/* records */
#define SSOT_PAUSE_US 200000
#define SSOT_NICE 5
#define UPKEEP_US 2000000
#define BUSY_LAG 2000		/* records */
#define LOOK_US 250000		/* was main moved while nothing happens? */

static int read_wait(void *core, bool records, struct err *err)
{
	struct core *k = core;
	uint64_t seq = records ? core_seq(k) : atomic_load(&k->doc_seq), at;

	if (!follower_wait(k->follow_index, seq, READ_WAIT_US))
		return 0;
	at = follower_seq(k->follow_index);
	return err_set(err, ERR_overloaded, "the read model is at record %llu "
		       "of %llu", (unsigned long long)at,
		       (unsigned long long)core_seq(k));
}

static void history_wait(void *core, char tip[SSOT_HEX])
{
	struct core *k = core;

	follower_wait(k->follow_ssot, atomic_load(&k->doc_seq), HISTORY_US);
	pthread_mutex_lock(&k->tip_lock);
	strcpy(tip, k->tip);
	pthread_mutex_unlock(&k->tip_lock);
}

static bool seconds(void *core, json_t *rows)
{
	struct core *k = core;
	bool bad = seconds_rows(k->seconds, rows);

	return notify_row(k->notify, rows) || bad;
}

static int checkpoint(void *core, uint64_t covers, struct buf *note,
		      struct err *err)
{
	return checkpoints_note(((struct core *)core)->checkpoints, covers,
				note, err);
}

static int tree_wait(void *core, uint64_t size, struct err *err)
{
	return checkpoints_wait(((struct core *)core)->checkpoints, size, err);
}

static json_t *followers(void *core)
{
	struct core *k = core;
	uint64_t head = core_seq(k);
	json_t *ssot = follower_json(k->follow_ssot, head);

	upkeep_json(k->upkeep, ssot);
	return json_pack("{s:o,s:o,s:o}", "index",
			 follower_json(k->follow_index, head), "ssot", ssot,
			 "tree", checkpoints_json(k->checkpoints));
}

static int apply_index(void *core, struct record *const *records, size_t n,
		       struct err *err)
{
	return index_apply(((struct core *)core)->index, records, n, err);
}

static int take_index(void *core, struct record *const *records, size_t n,
		      struct err *err)
{
	return index_take(((struct core *)core)->index, records, n, err);
}

static int commit_index(void *core, struct err *err)
{
	return index_commit(((struct core *)core)->index, err);
}

static uint64_t place_index(void *core, uint64_t seq)
{
	(void)seq;
	return index_cursor(((struct core *)core)->index).off;
}

/* Where our line ends, for who compares commits with it. */
static void note_tip(struct core *k)
{
	pthread_mutex_lock(&k->tip_lock);
	snprintf(k->tip, sizeof(k->tip), "%s", ssot_head(k->ssot));
	k->tip_seq = ssot_seq(k->ssot);
	pthread_mutex_unlock(&k->tip_lock);
}

/* Where somebody moved main, that is taken in first. */
static int apply_ssot(void *core, struct record *const *records, size_t n,
		      struct err *err)
{
	struct core *k = core;
	struct intake_taken taken;
	struct err own = {0};
	int rc;

	while ((rc = ssot_apply(k->ssot, records, n, &own))) {
		const char *moved = ssot_moved(k->ssot);

		note_tip(k);
		if (!*moved)
			break;
		err_fini(&own);
		taken.seq = taken_seq(k, moved);	/* before a restart */
		strcpy(taken.commit, moved);
		rc = taken.seq ? 0 : intake_main(k, moved, &taken, &own);
		if (rc)
			break;
		ssot_accept(k->ssot, taken.commit, taken.seq);
	}
	note_tip(k);
	if (rc)
		*err = own;
	return rc;
}

/* The index knows where a record lies; from the start where it does not. */
uint64_t core_place(struct core *k, uint64_t seq)
{
	struct record_filter f = {.types = "*", .after_seq = seq, .limit = 1};
	const struct journal_head head = journal_head(k->agent->journal);
	struct record_place p = {0};
	struct reader *r;
	size_t n = 0;

	if (seq == head.seq)
		return head.off;
	if (!seq || reader_open(&r, k->agent->home->index, NULL))
		return 0;
	if (follower_wait(k->follow_index, seq + 1, 1000000) ||
	    reader_records(r, &f, &p, &n, NULL))
		n = 0;
	reader_close(r);
	return n ? p.off : 0;
}

static uint64_t place_ssot(void *core, uint64_t seq)
{
	return core_place(core, seq);
}

/* Recorded when it begins and when it is over, not for every try. */
static void ssot_changed(void *core, const char *why)
{
	core_service(core, why ? "ssot_sync_failed" : "ssot_synced",
		     why ? json_pack("{s:s,s:s}", "what", "ssot", "detail",
				     why) :
			   json_pack("{s:s}", "what", "ssot"));
}

static json_t *remote_row(void *core)
{
	struct core *k = core;

	json_t *row = k->remote ? remote_json(k->remote) : NULL;

	if (row && k->share)
		json_set_int(row, "waiting",
			     (json_int_t)share_waiting(k->share));
	return row;
}

/*
 * The index follows committed records only: if it has seen what the journal
 * does not have, the journal was rolled back, cut or swapped.
 */
static int index_match(struct core *k, struct err *err)
{
	struct index_cursor at = index_cursor(k->index);
	struct journal_head point = {.seq = at.seq, .off = at.off};
	int has;

	memcpy(point.leaf, at.leaf, SHA256_RAW);
	has = journal_has(k->agent->journal, &point, err);
	if (has)
		return has < 0 ? -1 : 0;
	err_set(err, ERR_io, "%s has seen record %llu, and the journal in %s "
		"does not have it so", k->agent->home->index,
		(unsigned long long)at.seq, k->agent->home->audit);
	return err_hint(err, "The journal is an older copy or was changed: "
			"restore it. To accept what is there, move index.db "
			"away and say so to whoever relies on the record.");
}

/* Is the index at path whole, and has it seen nothing but this journal? */
static bool index_good(struct core *k, const char *path)
{
	struct index_cursor at;
	struct journal_head point;
	struct index *x;
	bool rebuilt;

	if (index_open(&x, path, &rebuilt, NULL))
		return false;
	at = index_cursor(x);
	index_close(x);
	point = (struct journal_head){.seq = at.seq, .off = at.off};
	memcpy(point.leaf, at.leaf, SHA256_RAW);
	return !rebuilt && at.seq &&
	       journal_has(k->agent->journal, &point, NULL) == 1;
}

/* One that was made anew while the last agent was at work is taken over. */
static int open_index(struct core *k, struct err *err)
{
	const char *path = k->agent->home->index;
	char *anew = xasprintf("%s" INDEX_ANEW, path);
	const bool there = !access(anew, F_OK);
	bool good = there && index_good(k, anew), rebuilt;
	int rc = index_open(&k->index, path, &rebuilt, err) ||
		 index_match(k, err) ? -1 : 0;

	if (there && !good)
		log_warn("%s is not taken over: it is damaged or of another "
			 "journal", anew);
	if (!rc && good) {
		index_close(k->index);
		k->index = NULL;
		rc = index_replace(path, anew, err) ||
		     index_open(&k->index, path, &rebuilt, err) ||
		     index_match(k, err) ? -1 : 0;
		log_info("the index that was made anew counts from now on");
	} else if (!rc && there) {
		index_remove(anew);
	}
	free(anew);
	return rc;
}

static int first_leaf(struct record *r, void *data, struct err *err)
{
	(void)err;
	hex_of(r->leaf, SHA256_RAW, data);
	return 1;
}

/* A journal is known by its first record. */
int core_log_id(struct core *k, char out[SSOT_LOG], struct err *err)
{
	char leaf[SHA256_HEX] = "";

	if (journal_replay(k->agent->journal, 0, first_leaf, leaf, err) < 0)
		return -1;
	snprintf(out, SSOT_LOG, "%.16s", leaf);
	return 0;
}

static int open_ssot(struct core *k, struct err *err)
{
	struct ssot_options o = {
		.remote = k->agent->settings->ssot_remote &&
			  *k->agent->settings->ssot_remote,
	};
	char id[SSOT_LOG];

	if (core_log_id(k, id, err))
		return -1;
	o.log_id = *id ? id : NULL;
	return ssot_open(&k->ssot, k->agent->home->ssot, &o, err);
}

static int open_stores(struct core *k, struct err *err)
{
	const struct home *home = k->agent->home;

	if (open_index(k, err) || open_ssot(k, err))
		return -1;
	if (ssot_seq(k->ssot) > core_seq(k)) {
		err_set(err, ERR_io, "%s has record %llu, the journal ends "
			"at %llu", home->ssot,
			(unsigned long long)ssot_seq(k->ssot),
			(unsigned long long)core_seq(k));
		return err_hint(err, "The journal is an older copy than the "
				"repository: restore the newer journal.");
	}
	if (reader_open(&k->reader, home->index, err))
		return -1;
	for (int i = 0; i < WORKERS; i++) {
		k->workers[i].core = k;
		if (reader_open(&k->workers[i].reader, home->index, err))
			return -1;
	}
	k->agent->state = state_new(k->reader);
	return 0;
}

/* Nobody takes a start that is long for one that hangs. */
static void say_left(struct core *k, json_int_t left)
{
	char state[160];

	log_info("building the read model: %lld records left",
		 (long long)left);
	snprintf(state, sizeof(state), "STATUS=building the read model: %lld "
		 "records left\nEXTEND_TIMEOUT_USEC=30000000",
		 (long long)left);
	if (k->agent->tell)
		k->agent->tell(state);
}

/* The read model must be whole before anything is decided by it. */
static int follow_index(struct core *k, struct err *err)
{
	struct follower_kind index = {.name = "index", .apply = apply_index,
				      .place = place_index, .ctx = k,
				      .pause_us = INDEX_PAUSE_US,
				      .take = take_index,
				      .commit = commit_index,
				      .at_once = INDEX_AT_ONCE};
	uint64_t head = core_seq(k);

	k->follow_index = follower_start(&index, k->agent->journal,
					 index_cursor(k->index).seq);
	while (follower_wait(k->follow_index, head, 2000000)) {
		json_t *f = follower_json(k->follow_index, head);
		const char *why = json_str(f, "error");

		if (why)
			err_set(err, ERR_io, "index: %s", why);
		else
			say_left(k, json_int(f, "lag", 0));
		json_decref(f);
		if (err->code)
			return -1;
	}
	return 0;
}

int core_leaf(struct core *k, struct reader *r, uint64_t seq,
	      char hex[SHA256_HEX], struct err *err)
{
	struct record_filter f = {.types = "*", .after_seq = seq - 1,
				  .limit = 1};
	struct record_place p = {0};
	uint8_t leaf[SHA256_RAW];
	char *line;
	size_t n;
	int rc;

	if (reader_records(r, &f, &p, &n, err))
		return -1;
	if (!n || p.seq != seq)
		return err_set(err, ERR_internal, "the index lacks record "
			       "%llu", (unsigned long long)seq);
	line = xmalloc(p.len);
	rc = journal_read(k->agent->journal, p.off, p.len, line, err);
	if (!rc) {
		sha256_leaf(line, p.len, leaf);
		hex_of(leaf, sizeof(leaf), hex);
	}
	free(line);
	return rc;
}

/* The newest commit names a record by its hash: it has to be that one. */
static int ssot_match(struct core *k, struct err *err)
{
	uint64_t seq = ssot_seq(k->ssot);
	char hex[SHA256_HEX];

	if (!seq)
		return 0;
	if (core_leaf(k, k->reader, seq, hex, err))
		return -1;
	if (!strcmp(hex, ssot_leaf(k->ssot)))
		return 0;
	err_set(err, ERR_io, "%s was made from another record %llu than the "
		"journal has", k->agent->home->ssot, (unsigned long long)seq);
	return err_hint(err, "The journal or the repository was replaced: "
			"restore the two that belong together.");
}

static void follow_ssot(struct core *k)
{
	struct follower_kind ssot = {.name = "ssot", .apply = apply_ssot,
				     .idle_us = LOOK_US, .place = place_ssot,
				     .changed = ssot_changed, .ctx = k,
				     .pause_us = SSOT_PAUSE_US,
				     .nice = SSOT_NICE};

	k->follow_ssot = follower_start(&ssot, k->agent->journal,
					ssot_seq(k->ssot));
}

/* What is to be committed goes first, up to a point. */
static bool ssot_busy(void *core)
{
	struct core *k = core;

	return core_seq(k) > follower_seq(k->follow_ssot) + BUSY_LAG;
}

static void keep_ssot(struct core *k)
{
	struct upkeep_options o = {
		.path = k->agent->home->ssot, .ssot = k->ssot,
		.new_bytes = k->agent->settings->ssot_repack,
		.every_us = UPKEEP_US, .busy = ssot_busy, .ctx = k,
	};

	k->upkeep = upkeep_start(&o);
}

int stores_anchor(struct core *k, struct anchor *out, struct err *err)
{
	struct reader *r;
	int rc;

	pthread_mutex_lock(&k->tip_lock);
	out->seq = k->tip_seq;
	strcpy(out->tip, k->tip);
	pthread_mutex_unlock(&k->tip_lock);
	*out->leaf = 0;
	if (core_log_id(k, out->log_id, err))
		return -1;
	if (!out->seq)
		return 0;
	if (reader_open(&r, k->agent->home->index, err))
		return -1;
	rc = core_leaf(k, r, out->seq, out->leaf, err);
	reader_close(r);
	return rc;
}

int stores_open(struct core *k, struct err *err)
{
	struct agent *a = k->agent;

	a->core = k;
	a->read_wait = read_wait;
	a->history_wait = history_wait;
	a->followers = followers;
	a->checkpoint = checkpoint;
	a->seconds = seconds;
	a->tree_wait = tree_wait;
	a->remote = remote_row;
	if (open_stores(k, err) || follow_index(k, err) ||
	    ssot_match(k, err) || checkpoints_open(&k->checkpoints, k, err))
		return -1;
	checkpoints_follow(k->checkpoints);
	note_tip(k);
	follow_ssot(k);			/* not before it is known to be ours */
	keep_ssot(k);
	return 0;
}

void stores_close(struct core *k)
{
	upkeep_stop(k->upkeep);
	follower_stop(k->follow_ssot, 0);
	checkpoints_close(k->checkpoints);
	follower_stop(k->follow_index, 0);
	state_free(k->agent->state);
	for (int i = 0; i < WORKERS; i++)
		reader_close(k->workers[i].reader);
	reader_close(k->reader);
	index_close(k->index);
	ssot_close(k->ssot);
}
