/*
 * See intake.h. ssot_merged comes first and says how many records follow it;
 * the document "intake" is open from there to the last of them, so that a
 * batch that a crash tore is known at the next start and taken in again.
 */
#include "agent/ops/intake.h"

#include <stdlib.h>
#include <string.h>

#include "agent/ops/approval.h"
#include "agent/ops/document.h"
#include "agent/ops/handlers.h"
#include "agent/ops/run.h"
#include "agent/ops/task.h"
#include "agent/store/settings.h"
#include "agent/store/state.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/json.h"
#include "common/mem.h"
#include "common/sha256.h"
#include "common/utf8.h"
#include "common/words.h"

#define MODE_FILE 0100644

struct intake *intake_new(void)
{
	return xcalloc(1, sizeof(struct intake));
}

void intake_free(void *intake)
{
	struct intake *in = intake;

	if (!in)
		return;
	for (size_t i = 0; i < in->n; i++) {
		json_decref(in->docs[i].doc);
		json_decref(in->docs[i].changed);
	}
	free(in->docs);
	free(in);
}

static int refuse(const struct ssot_change *f, struct err *err,
		  const char *what)
{
	char path[DOCUMENT_PATH];

	utf8_visible(f->path, path, sizeof(path));
	return err_set(err, ERR_invalid_request, "%s: %s", path, what);
}

/* What is wrong with the file whatever is in it; NULL: nothing. */
static const char *file_refused(const struct intake *in,
				const struct ssot_change *f)
{
	if (!*f->sha)
		return "documents are not removed";
	if (!f->kind)
		return "no document belongs here";
	if (f->mode != MODE_FILE)
		return "a document is a regular file that is not executable";
	if (!f->text)
		return "a document has at most 48 KiB";
	if (!strcmp(f->kind, "task"))
		return NULL;
	if (!in->peer)
		return "only agents write this";
	return *f->base_sha ? "this is never changed" : NULL;
}

/* The document that was there; the history has only good ones. */
static json_t *base_of(const struct ssot_change *f, char sha[41])
{
	bool canonical;

	*sha = 0;
	return f->base ? document_read(f->path, f->kind, f->base, f->base_len,
				       sha, &canonical, NULL) : NULL;
}

static struct intake_doc *room(struct intake *in)
{
	if (in->n == in->room) {
		in->room = in->room ? 2 * in->room : 16;
		in->docs = xrealloc(in->docs, in->room * sizeof(*in->docs));
	}
	return &in->docs[in->n];
}

static int check_rights(const struct intake *in, const struct ssot_change *f,
			const json_t *before, const struct intake_doc *d,
			struct err *err)
{
	struct err own = {0};
	int rc = 0;

	if (in->peer && !d->canonical)
		rc = refuse(f, err, "an agent writes the canonical form");
	else if (!in->peer && *f->base_sha && !before)
		rc = refuse(f, err, "what was there is no document");
	else if (!in->peer && document_by_person(before, d->doc, &own))
		rc = refuse(f, err, own.detail);
	err_fini(&own);
	return rc;
}

int intake_add(struct intake *in, const struct ssot_change *f,
	       struct err *err)
{
	const char *wrong;
	struct intake_doc *d;
	json_t *before;

	if (!f->reserved)
		return 0;
	wrong = file_refused(in, f);
	if (wrong)
		return refuse(f, err, wrong);
	in->bytes += f->len;
	if (in->n == INTAKE_MAX || in->bytes > INTAKE_BYTES)
		return err_set(err, ERR_overloaded, "over %d documents or %zu "
			       "MiB at once", INTAKE_MAX, INTAKE_BYTES >> 20);
	d = room(in);
	*d = (struct intake_doc){.kind = f->kind};
	strcpy(d->path, f->path);
	d->doc = document_read(f->path, f->kind, f->text, f->len, d->sha,
			       &d->canonical, err);
	if (!d->doc)
		return -1;
	in->n++;			/* it is intake_free's from here */
	before = base_of(f, d->base);
	if (before)
		d->changed = document_changes(before, d->doc);
	if (check_rights(in, f, before, d, err)) {
		json_decref(before);
		return -1;
	}
	json_decref(before);
	return 0;
}

/* What becomes of one document. */
enum fate { SAME, TAKEN, OURS, THEIRS };

struct decided {
	enum fate fate;
	char ours[41];		/* blob id of the document here; "": none */
	bool ends_runs, ends_approvals;
};

/* From in which state of a task to out of it: what else is over then. */
static void note_ends(const struct intake_doc *d, const json_t *ours,
		      struct decided *out)
{
	const char *was = json_str(ours, "state");
	const char *is = json_str(d->doc, "state");

	if (strcmp(d->kind, "task") || (was && !strcmp(was, is)))
		return;
	out->ends_runs = words_index("halted,cancelled", ',', is) >= 0;
	out->ends_approvals = !strcmp(is, "rejected");
}

static void decide(struct agent *a, const struct intake *in,
		   const struct intake_doc *d, struct decided *out)
{
	const json_t *ours = state_doc(a->state, d->kind,
				       json_str(d->doc, "id"));

	*out = (struct decided){.fate = TAKEN};
	if (ours) {
		state_sha(a->state, d->kind, ours, out->ours);
		if (!strcmp(out->ours, d->sha))
			out->fate = d->canonical ? SAME : TAKEN;
		else if (strcmp(out->ours, d->base))
			out->fate = in->theirs ? THEIRS : OURS;
	}
	if (out->fate == TAKEN || out->fate == THEIRS)
		note_ends(d, ours, out);
}

static int refuse_doc(const struct intake_doc *d, enum err_code code,
		      struct err *err, const char *what)
{
	char path[DOCUMENT_PATH];

	utf8_visible(d->path, path, sizeof(path));
	return err_set(err, code, "%s: %s", path, what);
}

static bool changes(const struct intake_doc *d, const char *member)
{
	json_t *each;
	size_t i;

	json_array_foreach (d->changed, i, each)
		if (!strcmp(json_string_value(each), member))
			return true;
	return false;
}

/* What depends on what is here now, not on what was there. */
static int check_here(struct agent *a, const struct intake *in,
		      const struct intake_doc *d, const struct decided *to,
		      struct err *err)
{
	if (in->peer || to->fate != TAKEN || strcmp(d->kind, "task"))
		return 0;
	if (!*to->ours && d->joins)
		return refuse_doc(d, ERR_admin_field, err, "correlation_id: "
				  "is in use: a new task has its own");
	if (changes(d, "acceptance_criteria") && task_was_acked(a, d->doc))
		return refuse_doc(d, ERR_criteria_locked, err,
				  "acceptance_criteria: they were "
				  "acknowledged");
	return 0;
}

struct plan {
	struct agent *a;
	const struct call *c;
	struct intake *in;
	struct decided *decided;
	size_t left;		/* records to come */
	size_t taken, conflicts;
};

static int make_plan(struct plan *p, struct err *err)
{
	for (size_t i = 0; i < p->in->n; i++) {
		struct decided *to = &p->decided[i];

		decide(p->a, p->in, &p->in->docs[i], to);
		if (check_here(p->a, p->in, &p->in->docs[i], to, err))
			return -1;
		p->left += to->fate != SAME;
		p->taken += to->fate == TAKEN;
		p->conflicts += to->fate == OURS || to->fate == THEIRS;
	}
	return 0;
}

static json_t *text_or_null(const char *text)
{
	return *text ? json_string(text) : json_null();
}

/* Of the tree as a whole: what clashes in it is put back on top. */
static const char *strategy(const struct intake *in)
{
	return in->keep_ours ? "ours" : "theirs";
}

static const char *winner(const struct intake *in)
{
	return in->theirs ? "theirs" : "ours";
}

static json_t *progress_doc(const struct intake *in, bool open)
{
	return json_pack("{s:s,s:s,s:s,s:o,s:s,s:s,s:I}", "id", in->from,
			 "state", open ? "open" : "done", "commit", in->commit,
			 "base", text_or_null(in->base), "from", in->from,
			 "strategy", strategy(in), "seq",
			 (json_int_t)in->seq);
}

const json_t *intake_last(struct agent *a, const char *from)
{
	return state_doc(a->state, "intake", from);
}

/*
 * The follower may ask again for what it has not come to yet. By then
 * what was taken may have been changed, which is no clash.
 */
static bool is_done(struct agent *a, struct intake *in)
{
	const json_t *last = intake_last(a, in->from);

	if (!last || !doc_is(last, "done") ||
	    strcmp(json_str(last, "commit"), in->commit))
		return false;
	in->seq = (uint64_t)json_int(last, "seq", 0);
	return true;
}

static int record(struct plan *p, struct fact *fact, const char *correlation,
		  struct err *err)
{
	if (!fact->put)
		fact->put = json_object();
	if (!--p->left)
		json_object_set_new(fact->put, "intake",
				    progress_doc(p->in, false));
	return agent_record_as(p->a, p->c, correlation, fact, err);
}

static int record_merged(struct plan *p, struct err *err)
{
	struct intake *in = p->in;
	struct fact fact = {.type = "ssot_merged"};

	in->seq = p->a->seq + 1;
	fact.data = json_pack("{s:s,s:o,s:s,s:s,s:I,s:I,s:I,s:I,s:s}",
		"commit", in->commit, "base", text_or_null(in->base), "from",
		in->from, "by", in->by, "commits", (json_int_t)in->commits,
		"records", (json_int_t)p->left, "taken", (json_int_t)p->taken,
		"conflicts", (json_int_t)p->conflicts, "strategy",
		strategy(in));
	fact.put = json_pack("{s:o}", "intake", progress_doc(in, p->left));
	return agent_record_as(p->a, p->c, in->correlation_id, &fact, err);
}

/* Where it came from: as "git" the follower knows that it is there. */
static json_t *data_of(const struct intake *in, const struct intake_doc *d,
		       bool marked)
{
	json_t *data = json_pack("{s:s,s:s,s:o,s:s}", "kind", d->kind, "path",
				 d->path, "base_sha", text_or_null(d->base),
				 "sha", d->sha);

	json_object_set_new(data, marked ? "git" : "source", json_pack(
		"{s:s,s:s}", "commit", in->commit, "by", in->by));
	if (d->changed)
		json_object_set(data, "changed", d->changed);
	return data;
}

static const char *task_id_of(const struct intake_doc *d)
{
	return json_str(d->doc, strcmp(d->kind, "task") ? "task_id" : "id");
}

/* A clash is filed under its task; of a run without one, under the run. */
static const char *filed_under(const struct intake_doc *d)
{
	const char *task = task_id_of(d);

	return task ? task : json_str(d->doc, "id");
}

static int record_taken(struct plan *p, const struct intake_doc *d,
			const struct decided *to, struct err *err)
{
	const char *correlation = json_str(d->doc, "correlation_id");
	struct fact fact = {
		.type = strcmp(d->kind, "task") ? "document_taken" :
			*to->ours ? "task_updated" : "task_created",
		.task_id = task_id_of(d), .run_id = json_str(d->doc, "run_id"),
		.data = data_of(p->in, d, d->canonical),
		.put = json_pack("{s:O}", d->kind, d->doc),
	};

	int rc = record(p, &fact, correlation ? correlation :
			p->in->correlation_id, err);

	if (!rc)
		state_set_sha(p->a->state, d->kind, d->doc, d->sha);
	return rc;
}

static json_t *conflict_doc(struct plan *p, const struct intake_doc *d,
			    const struct decided *to)
{
	char now[CLOCK_TEXT], id[200];

	clock_text(clock_wall_us(), now);
	snprintf(id, sizeof(id), "%s.%.12s", filed_under(d), to->ours);
	return json_pack("{s:s,s:s,s:o,s:s,s:s,s:s,s:s,s:s,s:s}", "id", id,
			 "task_id", filed_under(d), "base_sha",
			 text_or_null(d->base), "ours_sha", to->ours,
			 "theirs_sha", d->sha, "winner", winner(p->in),
			 "commit", p->in->commit, "agent",
			 p->a->settings->name, "at", now);
}

static json_t *clash_data(struct plan *p, const struct intake_doc *d,
			  const struct decided *to)
{
	json_t *data = data_of(p->in, d, to->fate == THEIRS && d->canonical);

	json_object_del(data, "sha");
	json_object_del(data, "changed");
	json_set_str(data, "ours_sha", to->ours);
	json_set_str(data, "theirs_sha", d->sha);
	json_set_str(data, "winner", winner(p->in));
	json_set_str(data, "from", p->in->from);
	return data;
}

/* The winner; where that is ours it is put back on top of theirs. */
static int record_clash(struct plan *p, const struct intake_doc *d,
			const struct decided *to, struct err *err)
{
	const char *id = json_str(d->doc, "id");
	json_t *ours = state_doc(p->a->state, d->kind, id);
	const char *of = json_str(ours, "correlation_id");
	struct fact fact = {.type = "write_conflict", .task_id = task_id_of(d),
			    .data = clash_data(p, d, to)};
	char correlation[129];

	snprintf(correlation, sizeof(correlation), "%s",
		 of ? of : p->in->correlation_id);
	fact.put = json_pack("{s:O}", d->kind,
			     to->fate == OURS ? ours : d->doc);
	if (strcmp(d->kind, "conflict"))
		json_object_set_new(fact.put, "conflict",
				    conflict_doc(p, d, to));
	return record(p, &fact, correlation, err);
}

static int record_doc(struct plan *p, const struct intake_doc *d,
		      const struct decided *to, struct err *err)
{
	if (to->fate == SAME)
		return 0;
	if (to->fate == TAKEN)
		return record_taken(p, d, to, err);
	return record_clash(p, d, to, err);
}

/* What the same step would have done had it been made here. */
static void follow_up(struct plan *p, const struct intake_doc *d,
		      const struct decided *to)
{
	if (to->ends_runs)
		run_end_of_task(p->a, p->c, json_str(d->doc, "id"),
				"the task was halted elsewhere");
	if (to->ends_approvals)
		approval_end_of_task(p->a, p->c, json_str(d->doc, "id"),
				     "the task was rejected elsewhere");
	if (to->fate != SAME && !strcmp(d->kind, "task"))
		task_lease_watch(p->a, state_doc(p->a->state, "task",
						 json_str(d->doc, "id")));
}

int op_ssot_take(struct agent *a, struct call *c, struct err *err)
{
	struct intake *in = c->prepared;
	struct plan p = {a, c, in};
	int rc;

	if (is_done(a, in))
		return 0;
	p.decided = xcalloc(in->n + 1, sizeof(*p.decided));
	rc = make_plan(&p, err);
	if (!rc)
		rc = record_merged(&p, err);
	for (size_t i = 0; !rc && i < in->n; i++)
		rc = record_doc(&p, &in->docs[i], &p.decided[i], err);
	for (size_t i = 0; !rc && i < in->n; i++)
		follow_up(&p, &in->docs[i], &p.decided[i]);
	free(p.decided);
	return rc;
}
