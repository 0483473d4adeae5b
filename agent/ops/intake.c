/*
 * See intake.h. ssot_merged comes first and says how many records follow it;
 * the document "intake" is open from there to the last of them, so that a
 * batch that a crash tore is known at the next start and taken in again.
 */
#include "agent/ops/intake.h"

#include <stdlib.h>
#include <string.h>

#include "agent/ops/approval.h"
#include "agent/ops/executor.h"
#include "agent/ops/handlers.h"
#include "agent/ops/intake_fate.h"
#include "agent/ops/run.h"
#include "agent/ops/task.h"
#include "agent/store/settings.h"
#include "agent/store/state.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/json.h"
#include "common/mem.h"

struct plan {
	struct agent *a;
	const struct call *c;
	struct intake *in;
	struct intake_fate *fates;
	size_t left;		/* records to come */
	size_t taken, conflicts;
};

static int make_plan(struct plan *p, struct err *err)
{
	for (size_t i = 0; i < p->in->n; i++) {
		struct intake_fate *to = &p->fates[i];

		if (intake_decide(p->a, p->in, &p->in->docs[i], to, err))
			return -1;
		p->left += to->fate != SAME;
		p->taken += to->fate == TAKEN || to->fate == JOINED;
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
			const struct intake_fate *to, struct err *err)
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

static int record_joined(struct plan *p, const struct intake_doc *d,
			 const struct intake_fate *to, struct err *err)
{
	struct fact fact = {
		.type = "task_updated", .task_id = task_id_of(d),
		.data = data_of(p->in, d, false),
		.put = json_pack("{s:O}", d->kind, to->joined),
	};
	char sha[41];

	state_sha(p->a->state, d->kind, to->joined, sha);
	json_set_str(fact.data, "sha", sha);
	json_set_str(fact.data, "theirs_sha", d->sha);
	json_set_str(fact.data, "ours_sha", to->ours);
	return record(p, &fact, json_str(to->joined, "correlation_id"), err);
}

static json_t *conflict_doc(struct plan *p, const struct intake_doc *d,
			    const struct intake_fate *to)
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
			  const struct intake_fate *to)
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
			const struct intake_fate *to, struct err *err)
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
		      const struct intake_fate *to, struct err *err)
{
	if (to->fate == SAME)
		return 0;
	if (to->fate == TAKEN)
		return record_taken(p, d, to, err);
	if (to->fate == JOINED)
		return record_joined(p, d, to, err);
	return record_clash(p, d, to, err);
}

/* What the same step would have done had it been made here. */
static void follow_up(struct plan *p, const struct intake_doc *d,
		      const struct intake_fate *to)
{
	if (to->ends_runs)
		run_end_of_task(p->a, p->c, json_str(d->doc, "id"),
				"the task was halted elsewhere");
	if (to->ends_approvals)
		approval_end_of_task(p->a, p->c, json_str(d->doc, "id"),
				     "the task was rejected elsewhere");
	if (to->takes)
		executor_took(p->a, d->doc);
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
	p.fates = xcalloc(in->n + 1, sizeof(*p.fates));
	rc = make_plan(&p, err);
	if (!rc)
		rc = record_merged(&p, err);
	for (size_t i = 0; !rc && i < in->n; i++)
		rc = record_doc(&p, &in->docs[i], &p.fates[i], err);
	for (size_t i = 0; !rc && i < in->n; i++)
		follow_up(&p, &in->docs[i], &p.fates[i]);
	for (size_t i = 0; i < in->n; i++)
		json_decref(p.fates[i].joined);
	free(p.fates);
	return rc;
}
