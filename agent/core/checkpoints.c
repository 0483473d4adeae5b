/* See checkpoints.h; what is compared at the start is in *_match.c. */
#include "agent/core/checkpoints.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/core/checkpoints_inner.h"
#include "agent/core/second.h"
#include "agent/ops/op.h"
#include "agent/store/home.h"
#include "agent/store/index.h"
#include "agent/store/journal.h"
#include "agent/store/settings.h"
#include "common/base64.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/fs.h"
#include "common/json.h"
#include "common/log.h"
#include "common/mem.h"

#define WAIT_US 5000000
#define PAUSE_US 100000			/* ten a second, but for who asks */
#define IDLE_US 1000000			/* looks at the clock */
#define BEHIND 20000			/* records; not before they are in */

static json_t *record_data(const struct checkpoint *c, const struct buf *note)
{
	char root[BASE64_LEN(SHA256_RAW) + 1];

	base64_text(c->root, SHA256_RAW, root);
	return json_pack("{s:I,s:s,s:s#}", "size", (json_int_t)c->size,
			 "root", root, "note", note->data, (int)note->len);
}

/* It fails now, or works again: said once, and recorded. */
static void tell(struct checkpoints *c, const struct err *why)
{
	const bool was = c->failing;

	c->failing = why;
	snprintf(c->error, sizeof(c->error), "%s", why ? why->detail : "");
	snprintf(c->hint, sizeof(c->hint), "%s", why ? err_hint_of(why) : "");
	if (was == c->failing)
		return;
	if (why)
		log_warn("the journal cannot be signed: %s; %s", c->error,
			 c->hint);
	else
		log_info("the journal is signed again");
	if (!atomic_load(&c->stopping))
		core_service(c->core, why ? "degraded" : "recovered",
			     why ? json_pack("{s:s,s:s}", "what",
					     "checkpoint", "detail",
					     c->error) :
				   json_pack("{s:s}", "what", "checkpoint"));
}

/* What was said before has to be the beginning of what is said now. */
static int still_true(struct checkpoints *c, struct err *err)
{
	uint8_t root[SHA256_RAW];

	if (!c->newest.size)
		return 0;
	if (tree_root(c->tree, c->newest.size, root, err))
		return -1;
	if (!memcmp(root, c->newest.root, SHA256_RAW))
		return 0;
	err_set(err, ERR_io, "the first %llu records are not those that %s "
		"was made of", (unsigned long long)c->newest.size, c->file);
	return err_hint(err, "kircerta-agent audit verify");
}

/* Under lock. Nothing of a tree that is not yet what it was known to be. */
static int sign(struct checkpoints *c, struct err *err)
{
	struct checkpoint next = c->newest;
	struct buf note = {0};
	int rc;

	if (c->mending)
		return err_set(err, ERR_overloaded, "the tree is being made "
			       "anew");
	next.size = tree_head(c->tree, next.root);
	if (next.size <= c->newest.size)
		return 0;
	rc = still_true(c, err) ||
	     checkpoint_sign(c->signer, next.size, next.root, &note, err) ||
	     fs_replace(c->file, note.data, note.len, 0600, err) ? -1 : 0;
	if (rc) {
		buf_fini(&note);
		return -1;
	}
	buf_fini(&c->note);
	c->note = note;
	c->newest = next;
	c->others = 0;
	c->last_us = clock_mono_us();
	c->on_record = !atomic_load(&c->stopping);
	if (c->on_record)
		core_service(c->core, "checkpoint", record_data(&next, &note));
	seconds_new(atomic_load(&c->core->seconds));
	return 0;
}

/* The same, and its failure is told. */
static void sign_if(struct checkpoints *c, bool due)
{
	struct err err = {0};
	bool failed = due && sign(c, &err);

	if (failed || (due && c->failing))
		tell(c, failed ? &err : NULL);
	err_fini(&err);
}

/* Not for every few thousand of what is only being read again. */
static bool is_due(const struct checkpoints *c)
{
	const struct settings *s = c->core->agent->settings;

	if (!c->others)
		return false;
	if (c->others >= (uint64_t)s->checkpoint_records &&
	    core_seq(c->core) < tree_size(c->tree) + BEHIND)
		return true;
	return clock_mono_us() >= c->last_us + s->checkpoint_interval;
}

static bool go_on(void *checkpoints)
{
	return !atomic_load(&((struct checkpoints *)checkpoints)->stopping);
}

int checkpoints_rebuild(struct checkpoints *c, uint64_t size,
			const uint8_t good[SHA256_RAW], struct err *err)
{
	uint8_t root[SHA256_RAW];
	int rc;

	log_info("making the tree of %llu records anew from the journal",
		 (unsigned long long)size);
	if (tree_cut(c->tree, 0, err))
		return -1;
	rc = tree_fill(c->tree, c->core->agent->journal, size, go_on, c, err);
	if (rc > 0)
		return err_set(err, ERR_stopping, "the agent is stopping");
	if (rc)
		return -1;
	tree_head(c->tree, root);
	if (!memcmp(root, good, SHA256_RAW))
		return 0;
	tree_cut(c->tree, 0, NULL);
	c->changed = true;
	err_set(err, ERR_io, "the first %llu records of the journal in %s are "
		"not those that were signed", (unsigned long long)size,
		c->core->agent->home->audit);
	return err_hint(err, "The journal was changed; kircerta-agent audit "
			"verify says where. Restore it from a copy.");
}

static void set_mending(struct checkpoints *c, bool mending)
{
	pthread_mutex_lock(&c->lock);
	c->mending = mending;
	pthread_mutex_unlock(&c->lock);
}

/*
 * The files of the tree turned out to be damaged. What is in memory of it is
 * not, and says what the journal must give again.
 */
static int mend(struct checkpoints *c, struct err *err)
{
	if (c->changed) {
		err_set(err, ERR_io, "the journal is not what was signed");
		return err_hint(err, "kircerta-agent audit verify says "
				"where. Restore it from a copy.");
	}
	if (!c->mending)
		c->good_size = tree_head(c->tree, c->good_root);
	set_mending(c, true);
	if (checkpoints_rebuild(c, c->good_size, c->good_root, err))
		return -1;
	set_mending(c, false);
	return 0;
}

/* Under lock: add those that the tree has not. */
static int add(struct checkpoints *c, struct record *const *records, size_t n,
	       struct err *err)
{
	uint8_t (*leaves)[SHA256_RAW] = xcalloc(n, sizeof(*leaves));
	const uint64_t size = tree_size(c->tree);
	size_t new = 0, others = 0;
	int rc;

	for (size_t i = 0; i < n; i++) {
		if (records[i]->seq <= size)
			continue;
		memcpy(leaves[new++], records[i]->leaf, SHA256_RAW);
		others += strcmp(records[i]->type, "checkpoint") != 0;
	}
	if (new && records[n - 1]->seq != size + new)
		rc = err_set(err, ERR_internal, "the tree has %llu records, "
			     "and gets %llu", (unsigned long long)size,
			     (unsigned long long)records[n - 1]->seq);
	else
		rc = tree_add(c->tree, (const uint8_t (*)[SHA256_RAW])leaves,
			      new, err);
	if (!rc)
		c->others += others;
	free(leaves);
	return rc;
}

/* Without records too, for the clock and for what turned out damaged. */
static int apply(void *checkpoints, struct record *const *records, size_t n,
		 struct err *err)
{
	struct checkpoints *c = checkpoints;
	int rc = 0;

	if (c->mending || tree_damaged(c->tree))
		rc = mend(c, err);
	if (rc)
		return -1;
	pthread_mutex_lock(&c->lock);
	if (n)
		rc = add(c, records, n, err);
	if (!rc)
		sign_if(c, is_due(c));
	pthread_mutex_unlock(&c->lock);
	return rc;
}

static uint64_t place(void *checkpoints, uint64_t seq)
{
	return core_place(((struct checkpoints *)checkpoints)->core, seq);
}

static void changed(void *checkpoints, const char *why)
{
	struct checkpoints *c = checkpoints;
	struct err err = {0};

	if (why)
		err_set(&err, ERR_io, "%s", why);
	pthread_mutex_lock(&c->lock);
	tell(c, why ? &err : NULL);
	pthread_mutex_unlock(&c->lock);
	err_fini(&err);
}

void checkpoints_follow(struct checkpoints *c)
{
	const int64_t interval =
		c->core->agent->settings->checkpoint_interval;
	struct follower_kind kind = {
		.name = "tree", .apply = apply, .place = place,
		.changed = changed, .ctx = c, .pause_us = PAUSE_US,
		.idle_us = interval < IDLE_US ? interval : IDLE_US,
	};

	c->follower = follower_start(&kind, c->core->agent->journal,
				     tree_size(c->tree));
}

void checkpoints_feed(struct checkpoints *c, struct record *const *records,
		      size_t n)
{
	follower_feed(c->follower, records, n);
}

void checkpoints_begin(struct checkpoints *c)
{
	struct buf note = {0};

	pthread_mutex_lock(&c->lock);	/* the follower may sign by now */
	/* Alone, without those who signed it too: it comes out the same. */
	if (c->newest.size && !c->on_record &&
	    !checkpoint_sign(c->signer, c->newest.size, c->newest.root, &note,
			     NULL))
		core_service(c->core, "checkpoint",
			     record_data(&c->newest, &note));
	c->on_record = true;
	pthread_mutex_unlock(&c->lock);
	buf_fini(&note);
}

int checkpoints_wait(struct checkpoints *c, uint64_t size, struct err *err)
{
	if (size > core_seq(c->core)) {
		err_set(err, ERR_not_found, "there are %llu records, not %llu",
			(unsigned long long)core_seq(c->core),
			(unsigned long long)size);
		return err_hint(err, "Name fewer. If a checkpoint that you "
				"kept has as many, records are missing here: "
				"kircerta-agent audit verify --since FILE.");
	}
	if (!follower_wait(c->follower, size, WAIT_US) &&
	    tree_size(c->tree) >= size)
		return 0;
	return err_set(err, ERR_overloaded, "the tree is being made: it has "
		       "%llu records of %llu",
		       (unsigned long long)tree_size(c->tree),
		       (unsigned long long)core_seq(c->core));
}

/* The newest, if it covers as many; else one is made, if it may. */
static int copy_note(struct checkpoints *c, uint64_t covers, bool make,
		     struct buf *note, struct err *err)
{
	int rc = 0;

	pthread_mutex_lock(&c->lock);
	if (make && c->newest.size < covers)
		rc = sign(c, err);
	if (!rc && c->newest.size < covers)
		rc = 1;
	if (!rc)
		buf_add(note, c->note.data, c->note.len);
	pthread_mutex_unlock(&c->lock);
	return rc;
}

int checkpoints_note(struct checkpoints *c, uint64_t covers, struct buf *note,
		     struct err *err)
{
	int rc;

	covers = covers ? covers : 1;
	rc = copy_note(c, covers, false, note, err);
	if (rc <= 0)
		return rc;
	if (checkpoints_wait(c, covers, err))
		return -1;
	rc = copy_note(c, covers, true, note, err);
	return rc <= 0 ? rc : err_set(err, ERR_overloaded, "the tree is being "
				      "made");
}

int checkpoints_cosign(struct checkpoints *c, const char *text, size_t len,
		       const char *lines, size_t lines_len, struct err *err)
{
	struct buf note = {0};
	struct note parsed;
	int rc = 1;

	pthread_mutex_lock(&c->lock);
	buf_add(&note, c->note.data, c->note.len);
	buf_add(&note, lines, lines_len);
	if (c->newest.size && !note_parse(&parsed, note.data, note.len, err))
		rc = parsed.text_len != len || memcmp(parsed.text, text, len);
	else if (c->newest.size)
		rc = -1;
	if (!rc)
		rc = fs_replace(c->file, note.data, note.len, 0600, err);
	if (!rc) {
		buf_fini(&c->note);
		c->note = note;
		note = (struct buf){0};
	}
	pthread_mutex_unlock(&c->lock);
	buf_fini(&note);
	return rc;
}

json_t *checkpoints_json(struct checkpoints *c)
{
	json_t *v = follower_json(c->follower, core_seq(c->core));

	pthread_mutex_lock(&c->lock);
	json_set_int(v, "checkpoint", (json_int_t)c->newest.size);
	if (c->failing && !json_str(v, "error")) {
		json_object_set_new(v, "error", json_lossy(c->error));
		json_object_set_new(v, "hint", json_lossy(c->hint));
		json_set_str(v, "error_code", "io");
	}
	pthread_mutex_unlock(&c->lock);
	return v;
}

int checkpoints_open(struct checkpoints **out, struct core *k,
		     struct err *err)
{
	struct checkpoints *c = xcalloc(1, sizeof(*c));
	const struct home *home = k->agent->home;

	*out = c;
	c->core = k;
	c->file = home->checkpoint;
	pthread_mutex_init(&c->lock, NULL);
	c->last_us = clock_mono_us();
	if (note_signer_open(&c->signer, home->journal_key,
			     home->journal_vkey, err) ||
	    tree_open(&c->tree, home->tree, err) || checkpoints_match(c, err))
		return -1;
	k->agent->tree = c->tree;
	k->agent->journal_key = note_signer_key(c->signer);
	return 0;
}

void checkpoints_stop(struct checkpoints *c, int64_t timeout_us)
{
	if (!c || !c->follower)
		return;
	atomic_store(&c->stopping, true);
	follower_stop(c->follower, timeout_us);
	c->follower = NULL;
	pthread_mutex_lock(&c->lock);
	sign_if(c, c->others && !c->changed && !c->mending);
	pthread_mutex_unlock(&c->lock);
}

void checkpoints_close(struct checkpoints *c)
{
	if (!c)
		return;
	follower_stop(c->follower, 0);
	tree_close(c->tree);
	note_signer_close(c->signer);
	buf_fini(&c->note);
	pthread_mutex_destroy(&c->lock);
	free(c);
}
