/*
 * See ssot_verify.h. Three things are compared: the record that a commit of
 * ours names, by its hash; the words of that commit, which follow from the
 * record; and the files of the newest commit with the newest documents of the
 * records up to it. So neither side can be changed alone.
 */
#include "agent/store/ssot_verify.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/store/record.h"
#include "agent/store/ssot_commit.h"
#include "agent/store/ssot_git.h"
#include "agent/store/ssot_memo.h"
#include "agent/store/ssot_verify_inner.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/json.h"
#include "common/mem.h"

#define EVERY 4096

struct walk_commit *ssot_ours(struct ssot_verify *v, size_t i)
{
	size_t n;

	return &ssot_walk_list(v->walk, &n)[v->order[i]];
}

static int by_seq(const void *a, const void *b, void *list)
{
	const struct walk_commit *x = (struct walk_commit *)list +
				      *(const uint32_t *)a;
	const struct walk_commit *y = (struct walk_commit *)list +
				      *(const uint32_t *)b;

	return (x->seq > y->seq) - (x->seq < y->seq);
}

static void sort_ours(struct ssot_verify *v)
{
	struct walk_commit *list;
	size_t n;

	list = ssot_walk_list(v->walk, &n);
	v->order = xmalloc((n + 1) * sizeof(*v->order));
	for (size_t i = 0; i < n; i++)
		if (list[i].seq)
			v->order[v->n_order++] = (uint32_t)i;
	qsort_r(v->order, v->n_order, sizeof(*v->order), by_seq, list);
}

/* The newest of ours among those that main reaches. */
static void note_tip(struct ssot_verify *v)
{
	struct walk_commit *list;
	size_t n;

	list = ssot_walk_list(v->walk, &n);
	v->report.commits = v->n_main = n;
	for (size_t i = 0; i < n; i++) {
		v->report.ours += list[i].seq != 0;
		if (list[i].seq <= v->report.local.seq)
			continue;
		v->report.local.seq = list[i].seq;
		hex_of(list[i].id, GIT_RAW, v->report.local.commit);
	}
}

static bool until_ours(struct walk_commit *c, void *data)
{
	struct ssot_anchor *a = data;

	if (c->seq > a->seq) {
		a->seq = c->seq;
		hex_of(c->id, GIT_RAW, a->commit);
	}
	return !c->seq;
}

static bool count(struct walk_commit *c, void *data)
{
	(void)c;
	++*(size_t *)data;
	return true;
}

/* What the remote had when it was last asked. */
static int read_remote(struct ssot_verify *v, struct err *err)
{
	struct ssot_report *r = &v->report;
	struct walk_commit *tip;
	size_t all = 0, n;

	if (ssot_walk_ref(v->walk, SSOT_REMOTE_REF, &tip, err))
		return -1;
	if (!tip)
		return 0;
	hex_of(tip->id, GIT_RAW, r->remote);
	ssot_walk_list(v->walk, &n);
	r->behind = n - v->n_main;
	if (ssot_walk_back(v->walk, tip, until_ours, &r->away, err) ||
	    ssot_walk_back(v->walk, tip, count, &all, err))
		return -1;
	r->ahead = v->n_main - (all - r->behind);
	return 0;
}

static void walked(void *data, size_t commits)
{
	struct ssot_verify *v = data;

	if (v->o.progress)
		v->o.progress(v->o.data, "commits", commits);
}

/* Main has to be at one of the two places, or ahead of them. */
static void note_left(struct ssot_verify *v, const struct ssot_point *noted,
		      size_t n)
{
	char hex[SSOT_HEX];

	for (size_t i = 0; i < n; i++) {
		git_oid_tostr(hex, sizeof(hex), &noted[i].commit);
		if (ssot_walk_find(v->walk, hex))
			return;
	}
	if (n)
		strcpy(v->left, hex);
}

static int read_history(struct ssot_verify *v, const char *repo,
			struct err *err)
{
	struct walk_options o = {v->o.log_id, walked, v};
	struct ssot_point noted[2];	/* first: main only goes ahead */
	size_t n = ssot_memo_points(repo, v->o.log_id, noted);
	struct walk_commit *tip;

	if (ssot_walk_open(&v->walk, repo, &o, err) ||
	    ssot_walk_ref(v->walk, SSOT_REF, &tip, err))
		return -1;
	if (tip)
		hex_of(tip->id, GIT_RAW, v->report.main);
	note_tip(v);
	note_left(v, noted, n);
	if (read_remote(v, err))
		return -1;
	sort_ours(v);
	marks_begin(v);
	return 0;
}

int ssot_verify_open(struct ssot_verify **out, const char *repo,
		     const struct ssot_verify_options *o, struct err *err)
{
	struct ssot_verify *v = xcalloc(1, sizeof(*v));

	v->o = *o;
	v->docs = docs_new();
	if (read_history(v, repo, err)) {
		ssot_verify_close(v);
		return -1;
	}
	*out = v;
	return 0;
}

void ssot_verify_close(struct ssot_verify *v)
{
	if (!v)
		return;
	ssot_walk_close(v->walk);
	docs_free(v->docs);
	free(v->order);
	free(v);
}

static uint64_t words_of(const struct record *r, const char *log_id,
			 const struct ssot_mark *mark)
{
	char leaf[SHA256_HEX], checkpoint[SSOT_MARK];
	struct ssot_words w;
	struct buf text = {0};
	uint64_t out;

	ssot_record_words(&w, r, log_id, leaf);
	w.tree = "";
	if (mark) {
		ssot_mark_text(mark, checkpoint);
		w.checkpoint = checkpoint;
	}
	ssot_commit_text(&text, &w);
	out = ssot_walk_words(text.data, text.len);
	buf_fini(&text);
	return out;
}

/* Commits were made without the name of the journal once. */
static bool says(struct ssot_verify *v, const struct walk_commit *c,
		 const struct record *r)
{
	const struct ssot_mark *mark = v->mark.seq > v->before ? &v->mark :
								 NULL;
	struct ssot_problem *p;

	if (c->words == words_of(r, v->o.log_id, mark) ||
	    c->words == words_of(r, NULL, mark))
		return true;
	if (!mark || c->words != words_of(r, v->o.log_id, NULL))
		return false;
	p = ssot_problem(v, "checkpoint_missing", r->seq, "the commit of "
			 "record %llu does not carry the checkpoint of record "
			 "%llu: it was rewritten", LLU(r->seq),
			 LLU(mark->seq));
	hex_of(c->id, GIT_RAW, p->commit);
	return true;		/* else */
}

/* The first that does not fit says between which records it was changed. */
static void changed(struct ssot_verify *v, const struct record *r,
		    const struct walk_commit *c)
{
	struct ssot_problem *p;

	if (v->changed)
		return;
	v->changed = true;
	p = ssot_problem(v, "journal_changed", r->seq,
		    "record %llu is not the one that git has seen: the journal"
		    " was changed between records %llu and %llu, or replaced",
		    LLU(r->seq), LLU(v->good.seq + 1), LLU(r->seq));
	hex_of(c->id, GIT_RAW, p->commit);
}

/* How many commits name this record. */
static size_t judge_commits(struct ssot_verify *v, const struct record *r)
{
	struct walk_commit *c;
	size_t n = 0;

	for (; v->next < v->n_order; v->next++, n++) {
		c = ssot_ours(v, v->next);
		if (c->seq != r->seq)
			break;
		if (memcmp(c->leaf, r->leaf, SHA256_RAW)) {
			c->says = true;	/* there is worse to say */
			changed(v, r, c);
			continue;
		}
		c->says = says(v, c, r);
		v->good.seq = r->seq;
		hex_of(c->id, GIT_RAW, v->good.commit);
	}
	return n;
}

static const char *commit_of(const struct record *r)
{
	return json_str(json_object_get(r->data, "git"), "commit");
}

/* A commit that main reaches, not only the remote; or NULL. */
static struct walk_commit *in_main(struct ssot_verify *v, const char *hex)
{
	struct walk_commit *c = hex ? ssot_walk_find(v->walk, hex) : NULL;
	size_t n;

	return c && (size_t)(c - ssot_walk_list(v->walk, &n)) < v->n_main ?
		       c : NULL;
}

/* One document. Does it change what history has? */
static bool take(struct ssot_verify *v, const struct record *r,
		 const char *path, const json_t *value, bool in)
{
	struct doc *doc = docs_at(v->docs, path);
	char hex[41], *text;
	uint8_t id[GIT_RAW];
	bool changes;
	size_t len;

	text = json_pretty(value, &len);
	git_blob_hex(text, len, hex);
	free(text);
	ssot_walk_raw(hex, GIT_RAW, id);
	changes = !doc->seq || memcmp(doc->id, id, GIT_RAW);
	memcpy(doc->newest, id, GIT_RAW);
	doc->newest_seq = r->seq;
	doc->ts_us = r->ts_us;
	doc->loose = !in && r->seq <= v->merging;
	if (in) {
		memcpy(doc->id, id, GIT_RAW);
		doc->seq = r->seq;
	}
	return changes;
}

static bool take_all(struct ssot_verify *v, const struct record *r, bool in)
{
	json_t *put = json_object_get(r->data, "put"), *value;
	char path[SSOT_PATH];
	bool changes = false;
	const char *kind;

	json_object_foreach (put, kind, value)
		if (ssot_path(r, kind, value, path))
			changes |= take(v, r, path, value, in);
	return changes;
}

/* What tells at the end whether git ought to have all of it. */
static void note_time(struct ssot_verify *v, const struct record *r)
{
	const char *what = json_str(r->data, "what");

	v->seq = r->seq;
	v->ts_us = r->ts_us;
	v->stopped = !strcmp(r->type, "agent_stopped");
	if (!strcmp(r->type, "agent_started"))
		v->started_us = r->ts_us;
	else if (what && strcmp(what, "ssot"))
		return;
	else if (!strcmp(r->type, "ssot_sync_failed"))
		v->trouble = true;
	else if (!strcmp(r->type, "ssot_synced"))
		v->trouble = false;
}

/* Back to what was ours before: our line, and what was taken earlier. */
static bool take_in(struct walk_commit *c, void *data)
{
	(void)data;
	if (c->says || c->merged)
		return false;
	return c->merged = true;
}

/* A commit became part of history with this record, and those before it. */
static int note_merge(struct ssot_verify *v, const struct record *r, bool in,
		      struct err *err)
{
	struct walk_commit *c = in_main(v, json_str(r->data, "commit"));

	if (!c) {
		v->report.lost += in;
		return 0;
	}
	v->merging = r->seq + (uint64_t)json_int(r->data, "records", 0);
	return ssot_walk_back(v->walk, c, take_in, NULL, err);
}

int ssot_verify_record(struct record *r, void *verify, struct err *err)
{
	struct ssot_verify *v = verify;
	bool taken = in_main(v, commit_of(r)) != NULL;
	bool in = r->seq <= v->report.local.seq, changes;
	size_t commits;

	note_time(v, r);
	ssot_mark_read(&v->mark, r);
	marks_record(v, r);
	if (!strcmp(r->type, "ssot_merged") && note_merge(v, r, in, err))
		return -1;
	commits = judge_commits(v, r);
	changes = take_all(v, r, in || taken);
	if (commits || (in && changes && !taken))
		v->before = r->seq;
	if (in && changes && !taken && !commits)
		ssot_problem(v, "commit_missing", r->seq, "no commit on main "
			"stands for record %llu: history was rewritten",
			LLU(r->seq));
	if (v->o.progress && r->seq % EVERY == 0)
		v->o.progress(v->o.data, "records", r->seq);
	return 0;
}
