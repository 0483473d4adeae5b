/* See intake.h. */
#include "agent/core/intake.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/core/claims.h"
#include "agent/core/threads.h"
#include "agent/ops/intake.h"
#include "agent/ops/op.h"
#include "agent/store/home.h"
#include "agent/store/index.h"
#include "agent/store/ssot_diff.h"
#include "common/err.h"
#include "common/id.h"
#include "common/json.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/sha256.h"

#define INDEX_S 30
#define COUNT_MAX 1000000	/* commits; more are said to be as many */

struct reading {
	struct intake *in;
	struct reader *reader;
};

/* A new task of a person may not join what somebody else began. */
static int note_joins(struct reading *g, struct err *err)
{
	struct intake_doc *d = &g->in->docs[g->in->n - 1];
	struct record_filter f = {.types = "*", .limit = 1};
	struct record_place place;
	size_t n = 0;

	if (g->in->peer || *d->base)
		return 0;
	f.correlation_id = json_str(d->doc, "correlation_id");
	if (reader_records(g->reader, &f, &place, &n, err))
		return -1;
	d->joins = n;
	return 0;
}

static int each_file(const struct ssot_change *c, void *data, struct err *err)
{
	struct reading *g = data;
	size_t before = g->in->n;

	if (intake_add(g->in, c, err))
		return -1;
	return g->in->n > before ? note_joins(g, err) : 0;
}

static int read_facts(struct core *k, struct intake *in, struct err *err)
{
	struct ssot_commit_facts facts;

	if (ssot_commit_facts(k->agent->home->ssot, in->commit, &facts, err) ||
	    ssot_count(k->agent->home->ssot, in->base, in->commit,
		       &in->commits, COUNT_MAX, err) ||
	    ssot_authors(k->agent->home->ssot, in->base, in->commit, in->by,
			 sizeof(in->by), err))
		return -1;
	if (in->peer && correlation_valid(facts.correlation_id))
		strcpy(in->correlation_id, facts.correlation_id);
	else
		id_make('c', in->correlation_id);
	return 0;
}

static int read_changes(struct core *k, struct intake *in, struct err *err)
{
	struct reading g = {.in = in};
	size_t ours = 0;
	int rc;

	if (reader_open(&g.reader, k->agent->home->index, err))
		return -1;
	rc = claims_check(k, in->peer, in->base, in->commit, g.reader, &ours,
			  err) ||
	     (!in->keep_ours && ssot_diff(k->agent->home->ssot, in->base,
					  in->commit, each_file, &g, err)) ?
		-1 : 0;
	if (!rc && ours && in->theirs)
		rc = claims_passed(k, in, err);
	reader_close(g.reader);
	return rc;
}

static struct intake *read_commit(struct core *k, const char *from,
				  enum intake_kind kind, const char *base,
				  const char *commit, struct err *err)
{
	struct intake *in = intake_new();

	in->from = strcmp(from, "main") ? "remote" : "main";
	in->peer = kind != INTAKE_PERSON;
	in->theirs = kind == INTAKE_PEER;
	in->keep_ours = kind == INTAKE_KEEP_OURS;
	snprintf(in->base, sizeof(in->base), "%s", base);
	snprintf(in->commit, sizeof(in->commit), "%s", commit);
	if (!read_facts(k, in, err) && !read_changes(k, in, err))
		return in;
	intake_free(in);
	return NULL;
}

/* After a large intake it may have much to do. */
static int wait_index(struct core *k)
{
	uint64_t seq = core_seq(k);

	for (int i = 0; i < INDEX_S; i++)
		if (!follower_wait(k->follow_index, seq, 1000000))
			return 0;
		else if (queue_closed(&k->applying))
			break;
	return -1;
}

/* The commit that was taken in last, as far as the index knows. */
static int read_last(struct core *k, const char *from, char commit[SSOT_HEX],
		     struct err *err)
{
	struct reader *r;
	json_t *doc;

	*commit = 0;
	if (wait_index(k) ||
	    reader_open(&r, k->agent->home->index, err))
		return err_set(err, ERR_io, "the read model is behind");
	doc = reader_doc(r, "intake", from, NULL);
	if (doc && is_hex(json_str(doc, "commit"), SSOT_HEX - 1) &&
	    !strcmp(json_str(doc, "state"), "done"))
		strcpy(commit, json_str(doc, "commit"));
	json_decref(doc);
	reader_close(r);
	return 0;
}

/* All of it or, if that is too much, as much as can be halved down to. */
static struct intake *read_some(struct core *k, const char *from,
				enum intake_kind kind, const char *base,
				const char *commit, struct err *err)
{
	char target[SSOT_HEX], half[SSOT_HEX];
	struct intake *in;

	snprintf(target, sizeof(target), "%s", commit);
	while (!(in = read_commit(k, from, kind, base, target, err)) &&
	       err->code == ERR_overloaded) {
		struct err own = {0};

		if (ssot_half_way(k->agent->home->ssot, base, target, half,
				  &own)) {
			err_fini(err);
			*err = own;
			return NULL;
		}
		err_fini(err);
		if (!*half) {
			err_set(err, ERR_ssot_refused, "commit %.12s changes "
				"over %d documents or %zu MiB: push it in "
				"parts", target, INTAKE_MAX,
				INTAKE_BYTES >> 20);
			return NULL;
		}
		strcpy(target, half);
	}
	return in;
}

/* To the writer and back; in is taken over. */
static int put_through(struct core *k, struct intake *in,
		       struct intake_taken *out, struct err *err)
{
	struct call *c = internal_call("ssot.take", NULL);
	int rc = -1;

	c->prepared = in;
	c->prepared_free = intake_free;
	snprintf(c->correlation_id, sizeof(c->correlation_id), "%s",
		 in->correlation_id);
	c = core_apply_now(k, c);
	if (!c)
		return err_set(err, ERR_overloaded, "the agent is stopping");
	if (c->err.code) {
		*err = c->err;
		memset(&c->err, 0, sizeof(c->err));
	} else {
		out->seq = in->seq;
		strcpy(out->commit, in->commit);
		rc = 0;
	}
	call_free(c);
	return rc;
}

/*
 * Where this history is one that is taken in already: the end of our own
 * line, or what was taken in last and that line has not come to yet.
 */
static int find_base(struct core *k, const char *from, const char *commit,
		     char base[SSOT_HEX], struct err *err)
{
	const char *repo = k->agent->home->ssot;
	char tip[SSOT_HEX], last[SSOT_HEX];
	int ahead;

	*base = 0;
	pthread_mutex_lock(&k->tip_lock);
	strcpy(tip, k->tip);
	pthread_mutex_unlock(&k->tip_lock);
	if (*tip && ssot_merge_base(repo, tip, commit, base, err))
		return -1;
	if (read_last(k, from, last, err))
		return -1;
	if (!*last || !strcmp(last, commit))
		return 0;
	ahead = ssot_is_ancestor(repo, last, commit, NULL);
	if (ahead > 0 && *base)
		ahead = ssot_is_ancestor(repo, base, last, NULL);
	if (ahead > 0)
		strcpy(base, last);
	return 0;
}

int intake_take(struct core *k, const char *from, enum intake_kind kind,
		const char *commit, struct intake_taken *out,
		struct err *err)
{
	char base[SSOT_HEX];
	struct err own = {0};
	struct intake *in;

	if (find_base(k, from, commit, base, err))
		return -1;
	in = read_some(k, from, kind, base, commit, &own);
	if (in)
		return put_through(k, in, out, err);
	*err = own;
	return -1;
}

bool intake_refuses(const struct err *err)
{
	int status = err_row(err->code)->status;

	return status >= 400 && status < 500 && err->code != ERR_not_found;
}

/* Remember it, so that it is looked at once and told as often as asked. */
static void note_refused(struct core *k, const char *commit,
			 const struct err *why)
{
	strcpy(k->refused, commit);
	snprintf(k->refusal, sizeof(k->refusal), "%s", why->detail);
	if (find_base(k, "main", commit, k->way_back, NULL))
		*k->way_back = 0;
}

static int say_refused(struct core *k, struct err *err)
{
	err_set(err, ERR_ssot_refused, "%s", k->refusal);
	if (!*k->way_back)
		return err_hint(err, "Push a commit on top that mends this.");
	return err_hint(err, "Push a commit on top that mends this, or take "
			"it back: git push --force %.160s %.12s:main",
			k->agent->home->ssot, k->way_back);
}

int intake_main(struct core *k, const char *commit, struct intake_taken *out,
		struct err *err)
{
	struct err own = {0};

	if (!strcmp(commit, k->refused))
		return say_refused(k, err);
	*k->refused = 0;
	if (!intake_take(k, "main", INTAKE_PERSON, commit, out, &own))
		return 0;
	if (!intake_refuses(&own)) {
		*err = own;
		return -1;
	}
	note_refused(k, commit, &own);
	err_fini(&own);
	return say_refused(k, err);
}

static void resume(struct core *k, const json_t *cut)
{
	bool ours = !strcmp(json_str(cut, "strategy"), "ours");
	bool person = !strcmp(json_str(cut, "from"), "main");
	const char *base = json_str(cut, "base");
	struct err err = {0};
	struct call *c;

	c = internal_call("ssot.take", NULL);
	c->prepared = read_commit(k, json_str(cut, "from"), person ?
				  INTAKE_PERSON : ours ? INTAKE_KEEP_OURS :
				  INTAKE_PEER, base ? base : "",
				  json_str(cut, "commit"), &err);
	c->prepared_free = intake_free;
	if (c->prepared) {
		writer_batch(k, c);
	} else {
		log_error("commit %s was being taken in when the agent "
			  "ended, and cannot be read again: %s",
			  json_str(cut, "commit"), err.detail);
		call_free(c);
	}
	err_fini(&err);
}

void intake_resume(struct core *k)
{
	static const char *const from[] = {"main", "remote"};

	for (size_t i = 0; i < ARRAY_LEN(from); i++) {
		json_t *last = (json_t *)intake_last(k->agent, from[i]);

		if (!last || strcmp(json_str(last, "state"), "open"))
			continue;
		json_incref(last);
		resume(k, last);
		json_decref(last);
	}
}
