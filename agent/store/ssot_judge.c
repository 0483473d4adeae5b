/* See ssot_verify.h: what is wrong once all records were seen. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "agent/store/ssot_verify_inner.h"
#include "common/err.h"

#define SETTLED_US 10000000	/* the agent follows long before */

struct ssot_problem *ssot_problem(struct ssot_verify *v, const char *what,
				  uint64_t seq, const char *fmt, ...)
{
	struct ssot_report *r = &v->report;
	size_t at = r->n_problems < SSOT_PROBLEMS ? r->n_problems :
						    SSOT_PROBLEMS - 1;
	struct ssot_problem *p = &r->problems[at];
	va_list ap;

	r->n_problems++;
	*p = (struct ssot_problem){.what = what, .seq = seq};
	va_start(ap, fmt);
	vsnprintf(p->text, sizeof(p->text), fmt, ap);
	va_end(ap);
	return p;
}

/* Commits of ours name records that the journal does not have. */
static bool judge_cut(struct ssot_verify *v)
{
	struct ssot_problem *p;
	struct walk_commit *last;

	if (v->next == v->n_order)
		return false;
	last = ssot_ours(v, v->n_order - 1);
	p = ssot_problem(v, "journal_cut", v->seq + 1, "git has seen record "
			 "%llu, the journal ends at %llu: it is an older copy,"
			 " or its end was cut off", LLU(last->seq),
			 LLU(v->seq));
	hex_of(last->id, GIT_RAW, p->commit);
	return true;
}

/* main is there, and the journal knows nothing of it. */
static bool judge_stranger(struct ssot_verify *v)
{
	struct ssot_report *r = &v->report;
	const char *log;
	size_t n = ssot_walk_strangers(v->walk, &log);

	if (!r->main[0] || r->waiting < r->commits)
		return false;
	if (n)
		ssot_problem(v, "other_journal", 0, "no commit on main is of "
			     "this journal, %s; %zu are of %s: the repository "
			     "is another agent's, or the journal was replaced",
			     v->o.log_id, n, log);
	else
		ssot_problem(v, "other_repository", 0, "no commit on main is "
			     "of this journal: another repository was put in "
			     "its place");
	return true;
}

/*
 * A commit of ours is made from a record, word by word; or it was made for
 * others to agree to, and came back from them.
 */
static void judge_words(struct ssot_verify *v)
{
	for (size_t i = 0; i < v->next; i++) {
		struct walk_commit *c = ssot_ours(v, i);
		struct ssot_problem *p;

		if (v->order[i] >= v->n_main || c->says || c->merged)
			continue;
		p = ssot_problem(v, "commit_changed", c->seq, "the commit of "
				 "record %llu does not say what the record "
				 "says: it was rewritten", LLU(c->seq));
		hex_of(c->id, GIT_RAW, p->commit);
	}
}

static bool judge_end(struct ssot_verify *v)
{
	struct ssot_report *r = &v->report;
	bool cut, stranger;

	if (r->away.seq > r->local.seq)
		ssot_problem(v, "rolled_back", r->away.seq, "the remote has "
			     "our commit of record %llu, main only that of "
			     "%llu: main was moved back, or the repository is "
			     "an older copy", LLU(r->away.seq),
			     LLU(r->local.seq));
	if (v->left[0])
		memcpy(ssot_problem(v, "main_moved", 0, "main does not have "
				    "the commit where the agent left it: it "
				    "was moved back or rewritten")->commit,
		       v->left, sizeof(v->left));
	judge_words(v);
	cut = judge_cut(v);
	stranger = judge_stranger(v);		/* both have their say */
	return cut || stranger;
}

/* main as far as the journal knows of it. */
struct base { struct walk_commit *at; uint64_t seq; size_t waiting; };

static bool until_known(struct walk_commit *c, void *data)
{
	struct base *b = data;

	if (!c->seq && !c->merged) {
		b->waiting++;
		return true;
	}
	if (!b->at || c->merged || c->seq > b->seq) {
		b->at = c;
		b->seq = c->seq;
	}
	return false;
}

static int find_base(struct ssot_verify *v, struct base *b, struct err *err)
{
	struct walk_commit *tip = ssot_walk_find(v->walk, v->report.main);
	int rc = tip ? ssot_walk_back(v->walk, tip, until_known, b, err) : 0;

	v->report.waiting = b->waiting;
	return rc;
}

struct looking { struct ssot_verify *v; struct base base; };

/* Folder, three digits, and then the task's id, as a file or a folder. */
static void name_task(struct ssot_problem *p)
{
	const char *id = strchr(p->path, '/');
	size_t len;

	for (int i = 0; id && i < 3; i++)
		id = strchr(id + 1, '/');
	if (!id)
		return;
	len = strcspn(++id, "/");
	if (!id[len] && len > 5 && !strcmp(id + len - 5, ".json"))
		len -= 5;
	if (len != 4 || strncmp(id, "none", len))
		snprintf(p->task_id, sizeof(p->task_id), "%.*s", (int)len, id);
}

static void differs(struct looking *l, const char *what, uint64_t seq,
		    const char *path, const char *how)
{
	struct ssot_problem *p;

	l->v->report.other++;
	p = ssot_problem(l->v, what, seq, "%.300s %s", path, how);
	snprintf(p->path, sizeof(p->path), "%s", path);
	name_task(p);
	hex_of(l->base.at->id, GIT_RAW, p->commit);
}

static int look(const char *path, const uint8_t id[GIT_RAW], void *data,
		struct err *err)
{
	struct looking *l = data;
	struct ssot_report *r = &l->v->report;
	struct doc *doc = docs_find(l->v->docs, path);

	(void)err;
	if (!doc && ssot_path_reserved(path)) {
		differs(l, "document_unknown", 0, path,
			"was put there by no record");
		return 0;
	}
	if (!doc) {
		r->unknown += strcmp(path, "README.md") != 0;
		return 0;
	}
	doc->seen = true;
	if (doc->seq && !memcmp(doc->id, id, GIT_RAW))
		r->equal++;
	else if (!doc->loose)
		differs(l, "document_differs", doc->seq ? doc->seq :
			doc->newest_seq, path, "is not what the record says");
	return 0;
}

/* Ought git to have it, seeing what was recorded after it? */
static bool overdue(const struct ssot_verify *v, const struct doc *doc)
{
	int64_t from = doc->ts_us > v->started_us ? doc->ts_us :
						    v->started_us;

	return !v->trouble && (v->stopped || v->ts_us - from > SETTLED_US);
}

/* What no file was found for, and what has a newer version. */
static void judge_rest(struct looking *l, bool running)
{
	struct ssot_verify *v = l->v;
	struct ssot_report *r = &v->report;
	bool old = false;
	struct doc *list;

	list = docs_list(v->docs, &r->documents);
	for (struct doc *d = list; d < list + r->documents; d++) {
		if (l->base.at && d->seq && !d->seen)
			differs(l, "document_missing", d->seq, d->path,
				"is not there");
		if (d->newest_seq == d->seq || (d->seq && !d->loose &&
		    !memcmp(d->newest, d->id, GIT_RAW)))
			continue;
		r->late++;
		if (!r->late_from || d->newest_seq < r->late_from)
			r->late_from = d->newest_seq;
		old |= !running && overdue(v, d);
	}
	if (old)
		ssot_problem(v, "rolled_back", r->late_from, "git lacks the "
			     "records from %llu on, though the agent had the "
			     "time to put them there: the repository %s",
			     LLU(r->late_from), r->main[0] ? "is an older copy"
			     ", or main was moved back" : "is empty");
}

int ssot_verify_end(struct ssot_verify *v, bool running,
		    const struct ssot_report **out, struct err *err)
{
	struct looking l = {.v = v};

	v->report.head = v->seq;
	*out = &v->report;
	if (find_base(v, &l.base, err))
		return -1;
	if (judge_end(v))
		return 0;	/* what belongs to nothing is not compared */
	if (l.base.at &&
	    ssot_walk_files(v->walk, l.base.at, look, &l, err))
		return -1;
	judge_rest(&l, running);
	return 0;
}
