/*
 * See landing.h. What the agent itself recorded of a task while a proposal
 * was on its way is a clash: the remote has the last word, and an account of
 * the other is kept. As with an intake the document "intake" is open from
 * ssot_merged to the last record, so that a torn batch is known.
 */
#include "agent/ops/landing.h"

#include <stdlib.h>
#include <string.h>

#include "agent/ops/draft.h"
#include "agent/ops/handlers.h"
#include "agent/ops/overdue.h"
#include "agent/ops/task.h"
#include "agent/store/journal.h"
#include "agent/store/settings.h"
#include "agent/store/state.h"
#include "common/clock.h"
#include "common/json.h"
#include "common/sha256.h"

struct clash {
	const struct draft_doc *doc;
	const char *id;			/* of the task it is filed under */
	char ours[41];
};

static bool clashes(struct agent *a, const struct draft_doc *doc,
		    struct clash *out)
{
	const char *id = json_str(doc->doc, "id");
	const char *task = json_str(doc->doc, "task_id");
	const json_t *ours = state_doc(a->state, doc->kind, id);
	size_t len;
	char *text;

	if (!ours)
		return false;
	text = json_pretty(ours, &len);
	git_blob_hex(text, len, out->ours);
	free(text);
	out->doc = doc;
	out->id = task ? task : id;
	return strcmp(out->ours, doc->base_sha) && strcmp(out->ours, doc->sha);
}

static json_t *text_or_null(const char *text)
{
	return *text ? json_string(text) : json_null();
}

static json_t *intake_doc(const struct landing *l, const char *state)
{
	return json_pack("{s:s,s:s,s:s,s:o,s:s,s:s,s:I}", "id", "remote",
			 "state", state, "commit", l->commit, "base",
			 text_or_null(l->base), "from", "remote", "strategy",
			 "theirs", "seq", (json_int_t)l->seq);
}

static json_t *git_mark(struct agent *a, const struct landing *l)
{
	return json_pack("{s:s,s:s}", "commit", l->commit, "by",
			 a->settings->name);
}

static int record_clash(struct agent *a, const struct call *c,
			const struct landing *l, const struct clash *clash,
			struct err *err)
{
	struct fact lost = {.type = "write_conflict", .task_id = clash->id};
	struct fact kept = {.type = "conflict_kept", .task_id = clash->id};
	char now[CLOCK_TEXT], id[200];

	clock_text(clock_wall_us(), now);
	snprintf(id, sizeof(id), "%s.%.12s", clash->id, clash->ours);
	lost.data = json_pack("{s:o,s:s,s:o,s:s,s:s,s:s,s:s}", "git",
		git_mark(a, l), "kind", clash->doc->kind, "base_sha",
		text_or_null(clash->doc->base_sha), "ours_sha", clash->ours,
		"theirs_sha", clash->doc->sha, "winner", "theirs", "from",
		"remote");
	kept.put = json_pack("{s:{s:s,s:s,s:o,s:s,s:s,s:s,s:s,s:s,s:s}}",
		"conflict", "id", id, "task_id", clash->id, "base_sha",
		text_or_null(clash->doc->base_sha), "ours_sha", clash->ours,
		"theirs_sha", clash->doc->sha, "winner", "theirs", "commit",
		l->commit, "agent", a->settings->name, "at", now);
	if (!agent_record_as(a, c, c->correlation_id, &lost, err))
		return agent_record_as(a, c, c->correlation_id, &kept, err);
	json_decref(kept.put);
	return -1;
}

static int record_merged(struct agent *a, const struct call *c,
			 const struct landing *l, size_t records,
			 size_t conflicts, struct err *err)
{
	struct fact fact = {.type = "ssot_merged"};

	fact.data = json_pack("{s:s,s:o,s:s,s:s,s:I,s:I,s:I,s:s}",
		"commit", l->commit, "base", text_or_null(l->base), "from",
		"remote", "by", a->settings->name, "records",
		(json_int_t)records, "taken", (json_int_t)0, "conflicts",
		(json_int_t)conflicts, "strategy", "theirs");
	fact.put = json_pack("{s:o}", "intake", intake_doc(l, "open"));
	return agent_record(a, c, &fact, err);
}

/* Its facts, and the clock for the leases among them. */
static int record_draft(struct agent *a, struct call *c,
			const struct landing *l, struct err *err)
{
	const struct draft_doc *docs;
	size_t n;

	if (draft_record(a, c, c->draft, l->commit, err))
		return -1;
	c->proposed = PROPOSED_LANDED;
	docs = draft_docs(c->draft, &n);
	for (size_t i = 0; i < n; i++)
		if (!strcmp(docs[i].kind, "task")) {
			task_lease_watch(a, docs[i].doc);
			overdue_touched(a, docs[i].doc);
		}
	return 0;
}

static size_t each_clash(struct agent *a, const struct landing *l,
			 int (*each)(struct agent *a, const struct call *c,
				     const struct landing *l,
				     const struct clash *clash,
				     struct err *err), struct err *err)
{
	const struct draft_doc *docs;
	struct clash clash;
	size_t n, found = 0;

	for (size_t i = 0; i < l->n; i++) {
		docs = draft_docs(l->calls[i]->draft, &n);
		for (size_t k = 0; k < n; k++) {
			if (!clashes(a, &docs[k], &clash))
				continue;
			found++;
			if (each && each(a, l->calls[i], l, &clash, err))
				return found;
		}
	}
	return found;
}

int op_ssot_landed(struct agent *a, struct call *c, struct err *err)
{
	struct landing *l = c->prepared;
	size_t conflicts = each_clash(a, l, NULL, NULL), records;
	int rc;

	l->seq = a->seq + 1;
	records = 2 * conflicts;
	for (size_t i = 0; i < l->n; i++)
		records += draft_facts(l->calls[i]->draft);
	draft_put(l->calls[l->n - 1]->draft, "intake", intake_doc(l, "done"));
	rc = record_merged(a, c, l, records, conflicts, err);
	if (!rc && conflicts)
		each_clash(a, l, record_clash, err);
	rc = rc || err->code ? -1 : 0;
	for (size_t i = 0; i < l->n && !rc; i++)
		rc = record_draft(a, l->calls[i], l, err);
	return rc;
}
