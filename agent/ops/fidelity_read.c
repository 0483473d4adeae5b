/*
 * task.fidelity: on a worker, out of the read model, for who asks; on the
 * writer, as of this very moment, before a task is approved.
 */
#include "agent/ops/fidelity.h"

#include <stdio.h>
#include <string.h>

#include "agent/ops/handlers.h"
#include "agent/store/evidence.h"
#include "agent/store/index.h"
#include "agent/store/settings.h"
#include "agent/store/state.h"
#include "common/buf.h"
#include "common/json.h"

#define PAGE 500
#define TRIES 5
#define RECORDED 20		/* gaps that the record has */

/* Where agents share tasks, the files are at the one that ran the tool. */
static bool stored(void *data, const char *sha256)
{
	struct agent *a = data;

	return a->remote_state || evidence_has(a->evidence, sha256);
}

static int add_pages(struct fidelity *f, struct reader *r, const char *kind,
		     const char *task_id, struct err *err)
{
	struct doc_filter filter = {.kind = kind, .task_id = task_id,
				    .limit = PAGE};
	char after[DOC_ID_MAX + 1] = "";
	json_t *page, *doc;
	size_t i, n;

	do {
		filter.after_id = after;
		page = reader_docs(r, &filter, err);
		if (!page)
			return -1;
		n = json_array_size(page);
		json_array_foreach (page, i, doc) {
			fidelity_add(f, kind, doc);
			snprintf(after, sizeof(after), "%s",
				 json_str(doc, "id"));
		}
		json_decref(page);
	} while (n == PAGE);
	return 0;
}

/* *sha: of the task that the answer is about, as it was before the rest. */
static json_t *look(struct agent *a, struct reader *r, const char *id,
		    json_t *task, struct err *err)
{
	struct fidelity *f = fidelity_new(task);
	json_t *out = NULL;
	int rc = 0;

	for (int i = 0; !rc && fidelity_kinds[i]; i++)
		rc = add_pages(f, r, fidelity_kinds[i], id, err);
	if (!rc)
		out = fidelity_answer(f, stored, a);
	fidelity_free(f);
	return out;
}

/* What was read in several steps is of one moment if the task stayed. */
int op_task_fidelity(struct agent *a, struct call *c, struct err *err)
{
	const char *id = call_str(c, "id");
	json_t *task, *again = NULL, *out = NULL;
	bool same = false;

	if (a->read_wait(a->core, false, err))
		return -1;
	task = reader_doc(c->reader, "task", id, err);
	for (int i = 0; task && !same && i < TRIES; i++) {
		json_decref(out);
		out = look(a, c->reader, id, task, err);
		again = out ? reader_doc(c->reader, "task", id, err) : NULL;
		same = json_equal(task, again);
		json_decref(task);
		task = again;
	}
	if (!task && !err->code)
		err_set(err, ERR_not_found, "no task %s", id);
	if (!task) {
		json_decref(out);
		return -1;
	}
	json_decref(task);
	return call_answer(c, out);
}

static void take(const char *kind, const json_t *doc, void *data)
{
	fidelity_add(data, kind, doc);
}

static int refuse(struct agent *a, struct call *c, const json_t *task,
		  const json_t *answer, struct err *err)
{
	json_t *gaps = json_object_get(answer, "gaps"), *some = json_array();
	struct fact fact = {.type = "policy_denied", .status = 409,
			    .task_id = json_str(task, "id")};
	size_t n = json_array_size(gaps);

	for (size_t i = 0; i < n && i < RECORDED; i++)
		json_array_append(some, json_array_get(gaps, i));
	fact.data = json_pack("{s:s,s:I,s:o}", "reason",
			      "fidelity_incomplete", "gaps_found",
			      (json_int_t)n, "gaps", some);
	if (agent_record(a, c, &fact, err))
		return -1;
	err_set(err, ERR_fidelity_incomplete, "%zu %s: %s", n, n == 1 ?
		"thing is missing" : "things are missing",
		json_str(json_array_get(gaps, 0), "detail"));
	return err_member(err, "gaps", json_incref(gaps));
}

int fidelity_check(struct agent *a, struct call *c, const json_t *task,
		   struct err *err)
{
	const char *id = json_str(task, "id");
	struct fidelity *f;
	json_t *answer;
	int rc = 0;

	if (!a->settings->require_fidelity)
		return 0;
	f = fidelity_new(task);
	for (int i = 0; !rc && fidelity_kinds[i]; i++)
		rc = state_of_task(a->state, fidelity_kinds[i], id, take, f,
				   err);
	answer = rc ? NULL : fidelity_answer(f, stored, a);
	if (answer && !json_is_set(answer, "complete"))
		rc = refuse(a, c, task, answer, err);
	json_decref(answer);
	fidelity_free(f);
	return rc;
}
