/*
 * Tasks: created, read, changed by compare-and-swap. The document is what
 * the repository holds; its sha is the git blob id of those bytes.
 */
#include "agent/ops/task.h"

#include <stdlib.h>
#include <string.h>

#include "agent/ops/document.h"
#include "agent/ops/handlers.h"
#include "agent/ops/history.h"
#include "agent/ops/list.h"
#include "agent/ops/task_make.h"
#include "agent/store/index.h"
#include "agent/store/state.h"
#include "common/buf.h"
#include "common/clock.h"
#include "common/json.h"
#include "common/mem.h"
#include "common/sha256.h"
#include "common/words.h"

static void sha_of(const json_t *task, char sha[41], size_t *len)
{
	char *text = json_pretty(task, len);

	git_blob_hex(text, *len, sha);
	free(text);
}

json_t *task_shown(const json_t *task)
{
	json_t *shown = json_copy((json_t *)task);
	char sha[41];
	size_t len;

	sha_of(task, sha, &len);
	json_set_str(shown, "sha", sha);
	return shown;
}

static int answer_with(struct call *c, const json_t *task, const char sha[41],
		       int status)
{
	call_answer(c, json_incref((json_t *)task));
	memcpy(c->sha, sha, sizeof(c->sha));
	c->status = status;
	c->etag = xstrdup(sha);
	return 0;
}

/* On the writer, which knows most shas already. */
static int answer_task(struct agent *a, struct call *c, const json_t *task,
		       int status)
{
	char sha[41];

	state_sha(a->state, "task", task, sha);
	return answer_with(c, task, sha, status);
}

json_t *task_by_id(struct agent *a, const char *id, struct err *err)
{
	json_t *task = state_doc(a->state, "task", id);

	if (!task)
		err_set(err, ERR_not_found, "no task %s", id ? id : "");
	return task;
}

json_t *task_of(struct agent *a, const struct call *c, struct err *err)
{
	return task_by_id(a, call_str(c, "id"), err);
}

const json_t *task_criterion(const json_t *task, const char *ref)
{
	json_t *each;
	size_t i;

	json_array_foreach (json_object_get(task, "acceptance_criteria"), i,
			    each) {
		const char *id = json_str(each, "id");

		if (id && ref && !strcmp(id, ref))
			return each;
	}
	return NULL;
}

size_t task_bytes(const json_t *task)
{
	static const char *const own[] = {"lease", "admin_approved_by",
					  "admin_approved_at"};
	json_t *new = json_copy((json_t *)task);
	size_t len;

	json_set_str(new, "state", "pending");
	json_set_int(new, "attempt", 1);
	json_object_set_new(new, "admin_approved", json_false());
	for (size_t i = 0; i < ARRAY_LEN(own); i++)
		json_object_set_new(new, own[i], json_null());
	if (!json_array_size(json_object_get(new, "issues")))
		json_object_del(new, "issues");
	free(json_pretty(new, &len));
	json_decref(new);
	return len;
}

int task_save(struct agent *a, const struct call *c,
	      const char *correlation_id, json_t *task, struct fact fact,
	      struct err *err)
{
	char now[CLOCK_TEXT], sha[41];
	size_t len;
	int rc;

	clock_text(clock_wall_us(), now);
	json_set_str(task, "updated_at", now);
	len = document_counts("task", task, state_blob(a->state, task, sha));
	if (len > TASK_MAX) {
		json_decref(task);
		json_decref(fact.data);
		json_decref(fact.put);
		return err_set(err, ERR_task_too_large,
			       "the task would have %zu bytes, at most %d",
			       len, TASK_MAX);
	}
	if (!fact.put)
		fact.put = json_object();
	if (!fact.data)
		fact.data = json_object();
	json_set_str(fact.data, "sha", sha);
	fact.task_id = json_str(task, "id");
	json_object_set(fact.put, "task", task);
	rc = agent_record_as(a, c, correlation_id, &fact, err);
	if (!rc)
		state_set_sha(a->state, "task", task, sha);
	json_decref(task);
	return rc;
}

int task_in_state(const json_t *task, const char *allowed, struct err *err)
{
	const char *state = json_str(task, "state");
	json_t *list;
	size_t n;

	if (words_index(allowed, ',', state) >= 0)
		return 0;
	list = json_array();
	for (const char *at = allowed; *at; at += n + (at[n] == ',')) {
		n = strcspn(at, ",");
		json_array_append_new(list, json_stringn(at, n));
	}
	err_set(err, ERR_invalid_transition, "the task is %s", state);
	err_member(err, "from", json_string(state));
	return err_member(err, "allowed", list);
}

bool task_may_publish(struct agent *a, const json_t *task)
{
	const char *id = json_str(task, "id");

	return json_is_set(task, "allow_external_publish") &&
	       json_is_set(state_doc(a->state, "allow", id), "allowed");
}

json_t *task_allow(const struct call *c, const char *id)
{
	json_t *allowed = json_object_get(c->args, "allow_external_publish");
	char now[CLOCK_TEXT];

	if (!allowed)
		return NULL;
	clock_text(clock_wall_us(), now);
	return json_pack("{s:s,s:O,s:s,s:s}", "id", id, "allowed", allowed,
			 "by", c->who.name, "at", now);
}

/* What goes into the record beside the task; NULL: nothing. */
static json_t *put_beside(const struct call *c, const json_t *task)
{
	json_t *allow = task_allow(c, json_str(task, "id"));

	return allow ? json_pack("{s:o}", "allow", allow) : NULL;
}

static int answer_created(struct agent *a, struct call *c,
			  const json_t *task)
{
	answer_task(a, c, task, 201);
	if (asprintf(&c->location, "/api/tasks/%s", json_str(task, "id")) < 0)
		abort();
	return 0;
}

int op_task_create(struct agent *a, struct call *c, struct err *err)
{
	const char *id = call_str(c, "id");
	json_t *task;

	if (*c->made_id && (task = state_doc(a->state, "task", c->made_id)))
		return answer_created(a, c, task);	/* by an earlier try */
	if (id && state_doc(a->state, "task", id))
		return err_set(err, ERR_already_exists, "task %s", id);
	if (task_parts_check(c->args, err))
		return -1;
	task = json_incref(task_make(c, c->args));
	if (task_save(a, c, c->correlation_id, task,
		      (struct fact){.type = "task_created",
				    .put = put_beside(c, task)}, err)) {
		json_decref(task);
		return -1;
	}
	answer_created(a, c, task);
	json_decref(task);
	return 0;
}

int op_task_get(struct agent *a, struct call *c, struct err *err)
{
	struct buf text = {0};
	char sha[41];

	if (call_str(c, "rev"))
		return history_get(a, c, err);
	if (reader_text(c->reader, "task", call_str(c, "id"), &text, sha,
			err) != 1) {
		buf_fini(&text);
		return err->code ? -1 : err_set(err, ERR_not_found, "no task");
	}
	call_answer_text(c, text.data, text.len);
	memcpy(c->sha, sha, sizeof(c->sha));
	c->etag = xstrdup(sha);
	return 0;
}

int op_task_list(struct agent *a, struct call *c, struct err *err)
{
	struct doc_filter f = {.kind = "task", .state = call_str(c, "state"),
			       .words = call_str(c, "q")};

	return list_docs(a, c, &f, task_shown, err);
}

/* The sha that the caller read: base_sha, else If-Match. NULL: neither. */
static const char *base_of(struct call *c)
{
	const char *base = call_str(c, "base_sha");
	size_t len;

	if (base || !c->if_match)
		return base;
	len = strlen(c->if_match);
	if (len > 1 && c->if_match[0] == '"' && c->if_match[len - 1] == '"') {
		memmove(c->if_match, c->if_match + 1, len - 2);
		c->if_match[len - 2] = 0;
	}
	return c->if_match;
}

static int conflict(struct agent *a, struct call *c, const json_t *task,
		    const char *base, const char *current, struct err *err)
{
	struct fact fact = {
		.type = "write_conflict", .task_id = json_str(task, "id"),
		.status = 409,
		.data = json_pack("{s:s,s:s}", "base_sha", base, "current_sha",
				  current),
	};

	if (agent_record(a, c, &fact, err))
		return -1;
	err_set(err, ERR_write_conflict, "you read %.12s, it is %.12s now",
		base, current);
	err_member(err, "base_sha", json_string(base));
	err_member(err, "current_sha", json_string(current));
	err_member(err, "current", task_shown(task));
	return err_member(err, "retry", json_pack("{s:i,s:s}", "after_ms", 0,
		"hint", "apply your change to current and send current_sha"));
}

int task_base_check(struct agent *a, struct call *c, const json_t *task,
		    bool required, struct err *err)
{
	const char *base = base_of(c);
	char sha[41];

	if (!base)
		return required ? err_set(err, ERR_base_sha_required,
				"base_sha or If-Match is missing") : 0;
	state_sha(a->state, "task", task, sha);
	return strcmp(base, sha) ? conflict(a, c, task, base, sha, err) : 0;
}

static json_t *patch_of(const struct call *c)
{
	json_t *patch = json_copy(c->args);

	json_object_del(patch, "id");
	json_object_del(patch, "base_sha");
	return patch;
}

/* A merge patch's null removes; these members are always there. */
static void fill_removed(json_t *task)
{
	static const struct { const char *key, *json; } always[] = {
		{"request_text", "\"\""}, {"acceptance_criteria", "[]"},
		{"labels", "{}"}, {"meta", "{}"}, {"assignee", "null"},
	};

	for (size_t i = 0; i < sizeof(always) / sizeof(*always); i++)
		if (!json_object_get(task, always[i].key))
			json_object_set_new(task, always[i].key, json_loads(
				always[i].json, JSON_DECODE_ANY, NULL));
}

void task_attempt_id(const json_t *task, const char *what, char out[200])
{
	snprintf(out, 200, "%s.%lld.%s", json_str(task, "id"),
		 (long long)json_int(task, "attempt", 1), what);
}

bool task_was_acked(struct agent *a, const json_t *task)
{
	char id[200];

	task_attempt_id(task, "ack", id);
	return json_int(task, "attempt", 1) > 1 ||
	       state_doc(a->state, "ack", id);
}

/* Names alone: the values are in the document beside them. */
static json_t *names_of(const json_t *patch)
{
	json_t *names = json_array(), *value;
	const char *key;

	json_object_foreach ((json_t *)patch, key, value)
		json_array_append_new(names, json_string(key));
	return names;
}

int op_task_update(struct agent *a, struct call *c, struct err *err)
{
	json_t *task = task_of(a, c, err), *patch, *next;
	json_t *criteria = json_object_get(c->args, "acceptance_criteria");
	struct fact fact = {.type = "task_updated"};

	if (!task || task_base_check(a, c, task, true, err))
		return -1;
	if (criteria && task_was_acked(a, task))
		return err_set(err, ERR_criteria_locked,
			       "the criteria were acknowledged");
	if (task_parts_check(c->args, err))
		return -1;
	patch = patch_of(c);
	next = json_merge_patch(task, patch);
	fill_removed(next);
	fact.data = json_pack("{s:o}", "changed", names_of(patch));
	fact.put = put_beside(c, task);
	json_decref(patch);
	json_incref(next);
	if (task_save(a, c, c->correlation_id, next, fact, err)) {
		json_decref(next);
		return -1;
	}
	answer_task(a, c, next, 200);
	json_decref(next);
	return 0;
}

int task_answer(struct agent *a, struct call *c, const json_t *task)
{
	return answer_task(a, c, task, 200);
}
