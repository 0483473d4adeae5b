/* See issues.h. */
#include "agent/ops/issues.h"

#include <stdlib.h>

#include "agent/ops/op.h"
#include "agent/ops/task.h"
#include "agent/store/evidence.h"
#include "common/err.h"
#include "common/jcs.h"
#include "common/json.h"

static int wrong(size_t at, struct err *err, const char *what)
{
	return err_set(err, ERR_invalid_request, "issues[%zu]: %s", at, what);
}

static int evidence_shape(const json_t *evidence, size_t at, struct err *err)
{
	const json_t *index = json_object_get(evidence, "work_log_index");

	if (json_object_size(evidence) == 1 &&
	    (json_str(evidence, "sha256") ||
	     (json_is_integer(index) && json_integer_value(index) >= 0)))
		return 0;
	return wrong(at, err, "evidence must be {\"work_log_index\"} or "
		     "{\"sha256\"}");
}

static int issue_shape(const json_t *issue, size_t at, struct err *err)
{
	const json_t *ref = json_object_get(issue, "criterion_ref");
	const json_t *evidence = json_object_get(issue, "evidence");
	const char *text = json_str(issue, "text");

	if (!text || !*text || (ref && !json_is_string(ref)) ||
	    json_object_size(issue) != 1u + !!ref + !!evidence)
		return wrong(at, err, "must be {\"criterion_ref\",\"text\","
			     "\"evidence\"}, with a text");
	return evidence ? evidence_shape(evidence, at, err) : 0;
}

int issues_shape(const json_t *issues, struct err *err)
{
	json_t *each;
	size_t i;

	json_array_foreach (issues, i, each)
		if (issue_shape(each, i, err))
			return -1;
	return 0;
}

static int ref_known(const char *ref, const json_t *task, size_t at,
		     struct err *err)
{
	bool has = json_array_size(json_object_get(task,
						   "acceptance_criteria"));

	if (has && !ref)
		return wrong(at, err, "criterion_ref is required");
	if (!ref || task_criterion(task, ref))
		return 0;
	return err_set(err, ERR_unknown_criterion, "issues[%zu]: %.80s", at,
		       ref);
}

static int evidence_known(struct agent *a, const json_t *evidence,
			  const json_t *result, size_t at, struct err *err)
{
	size_t lines = json_array_size(json_object_get(result, "work_log"));
	const char *sha = json_str(evidence, "sha256");

	if (!evidence)
		return 0;
	if (!sha && (size_t)json_int(evidence, "work_log_index", 0) >= lines)
		return err_set(err, ERR_unknown_evidence, "issues[%zu]: the "
			       "work log has %zu lines", at, lines);
	if (sha && (!is_hex(sha, 64) || !evidence_has(a->evidence, sha)))
		return err_set(err, ERR_unknown_evidence,
			       "issues[%zu]: %.80s", at, sha);
	return 0;
}

int issues_known(struct agent *a, const json_t *issues, const json_t *task,
		 const json_t *result, struct err *err)
{
	json_t *each;
	size_t i;

	json_array_foreach (issues, i, each)
		if (ref_known(json_str(each, "criterion_ref"), task, i, err) ||
		    evidence_known(a, json_object_get(each, "evidence"),
				   result, i, err))
			return -1;
	return 0;
}

int issues_sha256(const json_t *issues, char hex[SHA256_HEX],
		  struct err *err)
{
	size_t len;
	char *text = jcs_text(issues, &len, err);

	if (!text)
		return -1;
	sha256_hex(text, len, hex);
	free(text);
	return 0;
}
