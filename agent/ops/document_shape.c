/*
 * See document_shape.h. What a task may hold is said by the arguments of
 * task.create: what is not in that table is listed here.
 */
#include "agent/ops/document_shape.h"

#include <stdio.h>
#include <string.h>

#include "agent/ops/issues.h"
#include "agent/ops/op.h"
#include "agent/ops/task.h"
#include "agent/store/ssot_text.h"
#include "common/err.h"
#include "common/id.h"
#include "common/json.h"
#include "common/mem.h"
#include "common/utf8.h"

#define STATES "pending|running|needs_review|approved|rejected|stalled|" \
	"halted|cancelled"
#define MUST ARG_REQUIRED

static const struct arg task_members[] = {
	{"id", ARG_NAME, MUST},
	{"state", ARG_ENUM, MUST, .of = STATES},
	{"attempt", ARG_INT, MUST, 1, 1000000},
	{"correlation_id", ARG_TEXT, MUST, 1, 128},
	{"created_at", ARG_TIME, MUST},
	{"updated_at", ARG_TIME, MUST},
	{"created_by", ARG_TEXT, MUST, 1, 128},
	{"admin_approved", ARG_BOOL, MUST},
	{"admin_approved_by", ARG_TEXT, MUST | ARG_NULL, 1, 128},
	{"admin_approved_at", ARG_TIME, MUST | ARG_NULL},
	{"lease", ARG_OBJECT, MUST | ARG_NULL},
	{"issues", ARG_ARRAY, 0, 0, 400},
	{NULL},
};

static const struct arg lease_members[] = {
	{"holder", ARG_TEXT, MUST, 1, 128},
	{"expires_at", ARG_TIME, MUST},
	{"agent", ARG_TEXT, 0, 1, 128},
	{"progress", ARG_NUMBER, 0, 0, 1},
	{"message", ARG_TEXT, 0, 0, 500},
	{NULL},
};

#define OF_ATTEMPT						\
	{"id", ARG_TEXT, MUST, 1, 160},				\
	{"task_id", ARG_NAME, MUST},				\
	{"attempt", ARG_INT, MUST, 1, 1000000},			\
	{"by", ARG_TEXT, MUST, 1, 128},				\
	{"at", ARG_TIME, MUST},					\
	{"correlation_id", ARG_TEXT, MUST, 1, 128}

static const struct arg ack_members[] = {
	OF_ATTEMPT,
	{"echoed_acceptance_criteria", ARG_ARRAY, MUST, 0, 400},
	{NULL},
};

static const struct arg result_members[] = {
	OF_ATTEMPT,
	{"summary", ARG_TEXT, MUST, 0, 20000},
	{"work_log", ARG_ARRAY, MUST, 0, 1000},
	{"criteria", ARG_ARRAY, MUST, 0, 400},
	{NULL},
};

static const struct arg verdict_members[] = {
	OF_ATTEMPT,
	{"decision", ARG_ENUM, MUST, .of = "pass|fail"},
	{"issues", ARG_ARRAY, MUST, 0, 400},
	{"issues_sha256", ARG_SHA256, MUST},
	{"result_sha", ARG_SHA1, MUST | ARG_NULL},
	{NULL},
};

static const struct arg redispatch_members[] = {
	OF_ATTEMPT,
	{"issues", ARG_ARRAY, MUST, 0, 400},
	{"issues_sha256", ARG_SHA256, MUST},
	{NULL},
};

static const struct arg package_members[] = {
	{"id", ARG_NAME, MUST},
	{"run_id", ARG_NAME, MUST},
	{"task_id", ARG_NAME, MUST | ARG_NULL},
	{"correlation_id", ARG_TEXT, MUST, 1, 128},
	{"tool", ARG_TEXT, MUST, 1, 128},
	{"state", ARG_TEXT, MUST, 1, 64},
	{"artifacts", ARG_ARRAY, MUST},
	{NULL},
};

static const struct arg conflict_members[] = {
	{"id", ARG_TEXT, MUST, 1, 160},
	{"task_id", ARG_NAME, MUST},
	{"base_sha", ARG_SHA1, ARG_NULL},
	{"ours_sha", ARG_SHA1, MUST},
	{"theirs_sha", ARG_SHA1, MUST},
	{"winner", ARG_ENUM, MUST, .of = "ours|theirs"},
	{"commit", ARG_SHA1, MUST},
	{"agent", ARG_TEXT, MUST, 1, 128},
	{"at", ARG_TIME, MUST},
	{NULL},
};

typedef int shape_check(const json_t *doc, const char *kind, struct err *err);
static shape_check check_task, check_attempt, check_judged, check_package;
static shape_check check_conflict;

static const struct shape {
	const char *kind;
	const struct arg *members;
	shape_check *check;
} shapes[] = {
	{"task", task_members, check_task},
	{"ack", ack_members, check_attempt},
	{"result", result_members, check_attempt},
	{"verdict", verdict_members, check_judged},
	{"redispatch", redispatch_members, check_judged},
	{"package", package_members, check_package},
	{"conflict", conflict_members, check_conflict},
};

/* "2h" is a time to those who ask, not in a document. */
static int check_member(const struct arg *m, const json_t *v, struct err *err)
{
	const char *text = json_string_value(v);

	if (m->kind == ARG_TIME && text && !strpbrk(text, "Tt "))
		return err_set(err, ERR_invalid_request, "%s: must be an RFC "
			       "3339 time", m->name);
	return op_arg_check(m, v, err);
}

static int check_members(const struct arg *m, const json_t *doc,
			 struct err *err)
{
	for (; m->name; m++) {
		const json_t *v = json_object_get(doc, m->name);

		if (v && check_member(m, v, err))
			return -1;
		if (!v && m->flags & MUST)
			return err_set(err, ERR_invalid_request,
				       "%s: is missing", m->name);
	}
	return 0;
}

static const struct arg *row_of(const struct arg *m, const char *name)
{
	for (; m->name; m++)
		if (!strcmp(m->name, name))
			return m;
	return NULL;
}

static int unknown(const char *key, struct err *err)
{
	char shown[100];

	utf8_visible(key, shown, sizeof(shown));
	return err_set(err, ERR_invalid_request, "%s: no such member", shown);
}

/* What task.create takes: a task always has all of it. */
static int check_created(const json_t *task, struct err *err)
{
	const struct op *op = op_named("task.create");
	const char *key;
	json_t *v;

	for (const struct arg *m = op->args; m->name; m++) {
		v = json_object_get(task, m->name);
		if (row_of(task_members, m->name))
			continue;
		if (!v)
			return err_set(err, ERR_invalid_request,
				       "%s: is missing", m->name);
		if (op_arg_check(m, v, err))
			return -1;
	}
	json_object_foreach ((json_t *)task, key, v)
		if (!op_arg(op, key) && !row_of(task_members, key))
			return unknown(key, err);
	return 0;
}

static int check_lease(const json_t *lease, struct err *err)
{
	const char *key;
	json_t *v;

	if (check_members(lease_members, lease, err))
		return -1;
	json_object_foreach ((json_t *)lease, key, v)
		if (!row_of(lease_members, key))
			return unknown(key, err);
	return 0;
}

static int check_task(const json_t *task, const char *kind, struct err *err)
{
	const json_t *lease = json_object_get(task, "lease");

	(void)kind;
	if (check_created(task, err) || task_parts_check(task, err) ||
	    issues_shape(json_object_get(task, "issues"), err) ||
	    (json_is_object(lease) && check_lease(lease, err)))
		return -1;
	return 0;
}

static int wrong_id(struct err *err)
{
	return err_set(err, ERR_invalid_request,
		       "id: is not the one of this path");
}

static int check_attempt(const json_t *doc, const char *kind, struct err *err)
{
	char id[200];

	snprintf(id, sizeof(id), "%s.%lld.%s", json_str(doc, "task_id"),
		 (long long)json_int(doc, "attempt", 0), kind);
	return strcmp(id, json_str(doc, "id")) ? wrong_id(err) : 0;
}

/* The hash is what says that they are handed on as they were written. */
static int check_judged(const json_t *doc, const char *kind, struct err *err)
{
	const json_t *issues = json_object_get(doc, "issues");
	char hash[SHA256_HEX];

	if (check_attempt(doc, kind, err) || issues_shape(issues, err) ||
	    issues_sha256(issues, hash, err))
		return -1;
	return strcmp(hash, json_str(doc, "issues_sha256")) ?
		err_set(err, ERR_invalid_request, "issues_sha256: is not that "
			"of the issues") : 0;
}

static int check_package(const json_t *doc, const char *kind, struct err *err)
{
	(void)kind;
	return strcmp(json_str(doc, "id"), json_str(doc, "run_id")) ?
		wrong_id(err) : 0;
}

static int check_conflict(const json_t *doc, const char *kind,
			  struct err *err)
{
	char id[200];

	(void)kind;
	snprintf(id, sizeof(id), "%s.%.12s", json_str(doc, "task_id"),
		 json_str(doc, "ours_sha"));
	return strcmp(id, json_str(doc, "id")) ? wrong_id(err) : 0;
}

int document_shape(const char *path, const char *kind, const json_t *doc,
		   struct err *err)
{
	const char *correlation = json_str(doc, "correlation_id");
	const struct shape *s = shapes;
	char own[SSOT_PATH];

	while (s < shapes + ARRAY_LEN(shapes) && strcmp(s->kind, kind))
		s++;
	if (s == shapes + ARRAY_LEN(shapes))
		return err_set(err, ERR_invalid_request, "not a document");
	if (check_members(s->members, doc, err))
		return -1;
	if (correlation && !correlation_valid(correlation))
		return err_set(err, ERR_invalid_request,
			       "correlation_id: must be 1 to 128 of "
			       "A-Za-z0-9._:-");
	if (s->check(doc, kind, err))
		return -1;
	if (!ssot_path(NULL, kind, doc, own) || strcmp(own, path))
		return wrong_id(err);
	return 0;
}
