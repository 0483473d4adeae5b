/*
 * What the supervisor tells of a run: it is ready, it goes on, it has ended.
 * Each comes through the gate like anything else; ready is where a publish
 * is allowed or stopped for the last time.
 */
#include <stdlib.h>
#include <string.h>

#include "agent/ops/approval.h"
#include "agent/ops/evidence.h"
#include "agent/ops/handlers.h"
#include "agent/ops/quota.h"
#include "agent/ops/reconcile.h"
#include "agent/ops/run.h"
#include "agent/ops/stage.h"
#include "agent/ops/wait.h"
#include "agent/run/supervisor.h"
#include "agent/store/journal.h"
#include "agent/store/state.h"
#include "common/clock.h"
#include "common/id.h"
#include "common/json.h"
#include "common/mem.h"

struct going {
	char id[129];
	json_t *package;
};

static void go_run(struct agent *a, void *arg)
{
	struct going *g = arg;

	supervisor_go(a->runs, g->id, g->package);
	free(g);
}

static void drop_going(void *arg)
{
	struct going *g = arg;

	json_decref(g->package);
	free(g);
}

static void go_cancel(struct agent *a, void *id)
{
	supervisor_cancel(a->runs, id, "it may not start");
	free(id);
}

/* What the evidence package says of why this ran. */
static void go_after(struct agent *a, const json_t *run)
{
	static const char *const kept[] = {
		"id", "tool", "task_id", "criterion_ref", "correlation_id",
		"actor", "side_effect_level", "args", "effective_args",
		"stage", "approval_id", "attempt",
		"started_at",
	};
	struct going *g = xcalloc(1, sizeof(*g));

	snprintf(g->id, sizeof(g->id), "%s", json_str(run, "id"));
	g->package = json_object();
	for (size_t i = 0; i < ARRAY_LEN(kept); i++)
		json_object_set(g->package, kept[i],
				json_object_get(run, kept[i]));
	agent_after(a, go_run, drop_going, g);
}

/* Refused at the door: say so on the record, and end it. */
static int refuse(struct agent *a, struct call *c, const json_t *run,
		  const char *reason, struct err *err)
{
	const char *id = json_str(run, "id");
	const char *approval = json_str(run, "approval_id");
	struct fact fact = {
		.type = "policy_denied", .run_id = id,
		.task_id = json_str(run, "task_id"), .status = 403,
		.data = json_pack("{s:s,s:O,s:O?}", "reason", reason, "tool",
				  json_object_get(run, "tool"), "approval_id",
				  json_object_get(run, "approval_id")),
	};

	agent_after(a, go_cancel, free, xstrdup(id));
	if (agent_record_as(a, c, json_str(run, "correlation_id"), &fact, err))
		return -1;
	if (approval)
		approval_end(a, c, approval, "stale", reason);
	run_end(a, c, id, ERR_policy_denied, reason);
	return 0;
}

static json_t *start_data(const json_t *run, const json_t *files,
			  const json_t *approval)
{
	json_t *data = json_pack("{s:O,s:O}", "tool",
				 json_object_get(run, "tool"),
				 "side_effect_level",
				 json_object_get(run, "side_effect_level"));

	if (files && json_array_size(files))
		json_object_set(data, "files", (json_t *)files);
	if (approval) {
		json_object_set(data, "approval_id",
				json_object_get(approval, "id"));
		json_object_set(data, "request_sha256",
				json_object_get(approval, "request_sha256"));
	}
	return data;
}

/* The intent: the run starts and its approval is used in this one record. */
static int start(struct agent *a, struct call *c, const json_t *run,
		 const json_t *files, struct err *err)
{
	json_t *next = json_copy((json_t *)run), *task = NULL, *approval;
	const char *correlation = json_str(run, "correlation_id");
	struct fact fact = {.type = "tool_started",
			    .task_id = json_str(run, "task_id"),
			    .run_id = json_str(run, "id")};
	char now[CLOCK_TEXT];
	int rc;

	clock_text(clock_wall_us(), now);
	json_set_str(next, "state", "running");
	json_set_str(next, "started_at", now);
	if (files)
		json_object_set(next, "files", (json_t *)files);
	approval = approval_used(a, run, &task);
	fact.put = json_pack("{s:O}", "run", next);
	if (approval)
		json_object_set(fact.put, "approval", approval);
	if (task)
		json_object_set_new(fact.put, "task", task);
	fact.data = start_data(next, files, approval);
	rc = agent_record_as(a, c, correlation, &fact, err);
	if (!rc && approval) {
		fact = (struct fact){.type = "approval_used",
			.task_id = json_str(run, "task_id"),
			.run_id = json_str(run, "id"),
			.data = start_data(next, NULL, approval)};
		rc = agent_record_as(a, c, correlation, &fact, err);
	}
	if (!rc && level_of(json_str(run, "side_effect_level")) ==
		   LEVEL_EXTERNAL_PUBLISH)
		quota_start(a->quota, json_str(run, "tool"),
			    clock_steady_us());
	if (!rc)
		go_after(a, next);
	json_decref(approval);
	json_decref(next);
	return rc;
}

int op_run_ready(struct agent *a, struct call *c, struct err *err)
{
	const struct run_report *report = c->prepared;
	json_t *run = state_doc(a->state, "run", report->run_id);
	const char *reason = c->denied ? c->reason : NULL;
	int rc;

	if (!run || strcmp(json_str(run, "state"), "queued")) {
		agent_after(a, go_cancel, free, xstrdup(report->run_id));
		return 0;
	}
	if (!reason && (c->parked || json_str(run, "approval_id")))
		reason = approval_refuses(a, run, report->files);
	json_incref(run);	/* a record of it replaces the borrowed one */
	rc = reason ? refuse(a, c, run, reason, err) :
		      start(a, c, run, report->files, err);
	if (rc)			/* it waits for a word that will not come */
		agent_after(a, go_cancel, free, xstrdup(report->run_id));
	json_decref(run);
	return rc;
}

static int progress(struct agent *a, struct call *c, const json_t *run,
		    const struct run_report *report, struct err *err)
{
	json_t *next = json_copy((json_t *)run);
	struct fact fact = {.type = "tool_progress",
			    .task_id = json_str(run, "task_id"),
			    .run_id = json_str(run, "id")};

	if (report->progress >= 0)
		json_object_set_new(next, "progress",
				    json_real(report->progress));
	json_object_set_new(next, "message", json_lossy(report->message));
	fact.data = json_pack("{s:O,s:O}", "progress",
			      json_object_get(next, "progress"), "message",
			      json_object_get(next, "message"));
	fact.put = json_pack("{s:o}", "run", next);
	return agent_record_as(a, c, json_str(run, "correlation_id"), &fact,
			       err);
}

/* One stored file of a run: a document of its own, so that it is found. */
static json_t *artifact_doc(const json_t *run, const json_t *artifact)
{
	json_t *doc = json_copy((json_t *)artifact);
	char id[ID_MADE];

	id_make('e', id);
	json_set_str(doc, "id", id);
	json_object_set(doc, "task_id", json_object_get(run, "task_id"));
	json_object_set(doc, "run_id", json_object_get(run, "id"));
	json_object_set(doc, "correlation_id",
			json_object_get(run, "correlation_id"));
	return doc;
}

static int added(struct agent *a, const struct call *c, const json_t *run,
		 const json_t *artifact, json_t *package, struct err *err)
{
	struct fact fact = {
		.type = "evidence_added", .task_id = json_str(run, "task_id"),
		.run_id = json_str(run, "id"),
		.data = json_pack("{s:O,s:O,s:O,s:O}",
			"name", json_object_get(artifact, "name"), "sha256",
			json_object_get(artifact, "sha256"), "size",
			json_object_get(artifact, "size"), "media_type",
			json_object_get(artifact, "media_type")),
		.put = json_pack("{s:o}", "artifact",
				 artifact_doc(run, artifact)),
	};

	if (package)
		json_object_set(fact.put, "package", package);
	return evidence_record_added(a, c, json_str(run, "correlation_id"),
				     &fact, json_str(artifact, "sha256"), err);
}

int run_artifact_added(struct agent *a, const struct call *c,
		       const json_t *run, const json_t *artifact,
		       struct err *err)
{
	return added(a, c, run, artifact, NULL, err);
}

static json_t *package_artifact(const struct run_report *report)
{
	char now[CLOCK_TEXT], *text;
	size_t len;
	json_t *v;

	clock_text(clock_wall_us(), now);
	text = json_pretty(report->package, &len);
	free(text);
	v = json_pack("{s:s,s:s,s:I,s:s,s:s}", "name", "evidence.json",
		      "media_type", "application/json", "size",
		      (json_int_t)len, "sha256", report->package_sha256,
		      "created_at", now);
	return v;
}

/* artifacts as the run shows them: with the link to fetch each. */
static json_t *linked(json_t *artifacts)
{
	json_t *out = json_array(), *each;
	char link[96];
	size_t i;

	json_array_foreach (artifacts, i, each) {
		json_t *v = json_copy(each);

		snprintf(link, sizeof(link), "/api/evidence/%s",
			 json_str(each, "sha256"));
		json_set_str(v, "link", link);
		json_array_append_new(out, v);
	}
	return out;
}

static json_t *ended_run(const json_t *run, const struct run_report *report,
			 bool brief)
{
	json_t *next = json_copy((json_t *)run);

	json_set_str(next, "state", report->state);
	wait_set(next, "finished_at", 0);
	if (!strcmp(report->state, "succeeded"))
		json_set_int(next, "progress", 1);
	if (report->result)
		json_object_set(next, "result", report->result);
	if (report->error)
		json_object_set(next, "error", report->error);
	json_object_set_new(next, "artifacts",
			    brief ? json_array() : linked(report->artifacts));
	if (*report->package_sha256)
		json_set_str(next, "evidence_sha256", report->package_sha256);
	json_object_del(next, "message");
	return next;
}

static const char *ending_type(const char *state)
{
	return !strcmp(state, "succeeded") ? "tool_finished" :
	       !strcmp(state, "outcome_unknown") ? "outcome_unknown" :
						   "tool_failed";
}

static json_t *ended_data(const json_t *run, const struct run_report *report,
			  bool brief)
{
	json_t *data = json_pack("{s:s,s:O}", "state", report->state, "tool",
				 json_object_get(run, "tool"));
	json_t *hashes = json_array(), *each;
	size_t i;

	json_array_foreach (report->artifacts, i, each)
		json_array_append(hashes, json_object_get(each, "sha256"));
	json_object_set_new(data, "artifacts", hashes);
	if (report->error && !brief)
		json_object_set(data, "error", report->error);
	if (*report->package_sha256)
		json_set_str(data, "evidence_sha256", report->package_sha256);
	return data;
}

/* brief: without what the artifacts' own records say, so that it fits. */
static int record_end(struct agent *a, struct call *c, const json_t *run,
		      const struct run_report *report, bool brief,
		      struct err *err)
{
	struct fact fact = {
		.type = ending_type(report->state),
		.task_id = json_str(run, "task_id"),
		.run_id = json_str(run, "id"),
		.data = ended_data(run, report, brief),
		.put = json_pack("{s:o}", "run",
				 ended_run(run, report, brief)),
	};

	stage_due(json_object_get(fact.put, "run"), fact.put);
	return agent_record_as(a, c, json_str(run, "correlation_id"), &fact,
			       err);
}

/* The package is a stored file; its document is left out if it is long. */
static int added_package(struct agent *a, struct call *c, const json_t *run,
			 const struct run_report *report, struct err *err)
{
	json_t *own = package_artifact(report);
	int rc = added(a, c, run, own, report->package, err);

	if (rc && err->code == ERR_task_too_large) {
		err_fini(err);
		rc = added(a, c, run, own, NULL, err);
	}
	json_decref(own);
	return rc;
}

/* Its end is on the record. It may not be the end of the matter. */
static int after_end(struct agent *a, const struct call *c,
		     const struct run_report *report)
{
	if (!strcmp(report->state, "outcome_unknown"))
		reconcile_begin(a, report->run_id);
	stage_next(a, c, report->run_id);
	return 0;
}

static int ended(struct agent *a, struct call *c, const json_t *run,
		 const struct run_report *report, struct err *err)
{
	json_t *each;
	size_t i;

	json_object_del(a->secret_args, json_str(run, "id"));
	json_array_foreach (report->artifacts, i, each)
		if (added(a, c, run, each, NULL, err))
			return -1;
	if (report->package && added_package(a, c, run, report, err))
		return -1;
	if (!record_end(a, c, run, report, false, err))
		return after_end(a, c, report);
	if (err->code != ERR_task_too_large)
		return -1;
	err_fini(err);
	return record_end(a, c, run, report, true, err) ? -1 :
	       after_end(a, c, report);
}

static int reconciled(struct agent *a, struct call *c, const json_t *run,
		      const struct run_report *report, struct err *err)
{
	int rc;

	json_incref((json_t *)run);
	rc = reconcile_report(a, c, run, report, err);
	json_decref((json_t *)run);
	return rc;
}

int op_run_report(struct agent *a, struct call *c, struct err *err)
{
	const struct run_report *report = c->prepared;
	const json_t *run = state_doc(a->state, "run", report->run_id);
	int rc;

	if (run && report->kind == RUN_RECONCILED)
		return reconciled(a, c, run, report, err);
	if (!run || run_is_over(run))
		return 0;
	/* The last room is for how it ends. */
	if (report->kind == RUN_PROGRESS && journal_full(a->journal))
		return 0;
	json_incref((json_t *)run);	/* a record of it replaces the borrowed */
	rc = report->kind == RUN_PROGRESS ? progress(a, c, run, report, err) :
					    ended(a, c, run, report, err);
	json_decref((json_t *)run);
	return rc;
}
