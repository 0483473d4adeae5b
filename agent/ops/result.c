/* What an executor reports at the end of an attempt. */
#include "agent/ops/attempt.h"
#include "agent/ops/handlers.h"
#include "agent/ops/lease.h"
#include "agent/ops/task.h"
#include "agent/store/evidence.h"
#include "common/json.h"
#include "common/mem.h"
#include "common/sha256.h"

static int evidence_known(struct agent *a, const json_t *list, size_t at,
			  struct err *err)
{
	json_t *each;
	size_t i;

	json_array_foreach (list, i, each)
		if (!json_is_string(each) ||
		    !is_hex(json_string_value(each), 64) ||
		    !evidence_has(a->evidence, json_string_value(each)))
			return err_set(err, ERR_unknown_evidence,
				       "criteria[%zu].evidence[%zu]", at, i);
	return 0;
}

/* {criterion_ref, met, evidence}, and nothing else. */
static int claim_check(struct agent *a, const json_t *claim,
		       const json_t *task, size_t at, struct err *err)
{
	const char *ref = json_str(claim, "criterion_ref");
	json_t *list = json_object_get(claim, "evidence");

	if (!ref || !json_is_boolean(json_object_get(claim, "met")) ||
	    (list && !json_is_array(list)) ||
	    json_object_size(claim) != (list ? 3u : 2u))
		return err_set(err, ERR_invalid_request, "criteria[%zu]: must "
			       "be {\"criterion_ref\",\"met\",\"evidence\"}",
			       at);
	if (!task_criterion(task, ref))
		return err_set(err, ERR_unknown_criterion,
			       "criteria[%zu]: %.80s", at, ref);
	return evidence_known(a, list, at, err);
}

/* Each criterion once: of two words on it nobody knew which counts. */
static int claims_check(struct agent *a, const struct call *c,
			const json_t *task, struct err *err)
{
	json_t *each, *seen = json_object();
	size_t i;
	int rc = 0;

	json_array_foreach (json_object_get(c->args, "criteria"), i, each) {
		const char *ref = json_str(each, "criterion_ref");

		if (ref && json_object_get(seen, ref))
			rc = err_set(err, ERR_invalid_request, "criteria[%zu]:"
				     " %.80s is there twice", i, ref);
		else
			rc = claim_check(a, each, task, i, err);
		if (rc)
			break;
		json_object_set_new(seen, ref, json_true());
	}
	json_decref(seen);
	return rc;
}

static int log_check(const struct call *c, struct err *err)
{
	json_t *each;
	size_t i;

	json_array_foreach (json_object_get(c->args, "work_log"), i, each)
		if (!json_is_string(each))
			return err_set(err, ERR_invalid_request,
				       "work_log[%zu]: must be a string", i);
	return 0;
}

int op_task_result(struct agent *a, struct call *c, struct err *err)
{
	static const char *const kept[] = {"summary", "work_log", "criteria"};
	json_t *task = task_of(a, c, err), *next, *doc;

	if (!task || task_base_check(a, c, task, false, err) ||
	    attempt_check(c, task, err) ||
	    task_in_state(task, "running", err) ||
	    lease_holder_check(a, c, task, err) ||
	    claims_check(a, c, task, err) || log_check(c, err))
		return -1;
	doc = attempt_doc(c, task, "result");
	for (size_t i = 0; i < ARRAY_LEN(kept); i++) {
		json_t *v = json_object_get(c->args, kept[i]);

		json_object_set_new(doc, kept[i],
				    v ? json_incref(v) : json_array());
	}
	next = json_deep_copy(task);
	json_set_str(next, "state", "needs_review");
	json_object_set_new(next, "lease", json_null());
	return attempt_save(a, c, next, "result", doc, NULL,
			    "result_submitted", err);
}
