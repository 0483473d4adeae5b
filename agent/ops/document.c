/* See document.h. */
#include "agent/ops/document.h"

#include <stdlib.h>
#include <string.h>

#include "agent/ops/document_shape.h"
#include "agent/ops/op.h"
#include "agent/ops/task.h"
#include "common/err.h"
#include "common/json.h"
#include "common/mem.h"
#include "common/sha256.h"
#include "common/utf8.h"

size_t document_counts(const char *kind, const json_t *doc, size_t len)
{
	bool copies = !strcmp(kind, "ack") || !strcmp(kind, "redispatch");

	if (len <= TASK_MAX || len > TASK_MAX + TASK_ROOM)
		return len;
	return copies ? TASK_MAX : strcmp(kind, "task") ? len :
							  task_bytes(doc);
}

static int too_large(size_t len, struct err *err)
{
	return err_set(err, ERR_task_too_large, "it has %zu bytes, at most "
		       "%d", len, TASK_MAX);
}

static int check(const char *path, const char *kind, const json_t *doc,
		 const char *text, size_t len, char sha[41], bool *canonical,
		 struct err *err)
{
	size_t own_len;
	char *own;

	if (document_shape(path, kind, doc, err))
		return -1;
	own = json_pretty(doc, &own_len);
	*canonical = own_len == len && !memcmp(own, text, len);
	git_blob_hex(own, own_len, sha);
	free(own);
	own_len = document_counts(kind, doc, own_len);
	return own_len > TASK_MAX ? too_large(own_len, err) : 0;
}

static json_t *read_checked(const char *path, const char *kind,
			    const char *text, size_t len, char sha[41],
			    bool *canonical, struct err *err)
{
	json_t *doc = NULL;

	if (len > TASK_MAX + TASK_ROOM)
		too_large(len, err);
	else
		doc = json_parse(text, len, err);
	if (doc && !check(path, kind, doc, text, len, sha, canonical, err))
		return doc;
	json_decref(doc);
	return NULL;
}

json_t *document_read(const char *path, const char *kind, const char *text,
		      size_t len, char sha[41], bool *canonical,
		      struct err *err)
{
	char shown[DOCUMENT_PATH];
	struct err own = {0};
	json_t *doc = read_checked(path, kind, text, len, sha, canonical,
				   &own);

	if (!doc) {
		utf8_visible(path, shown, sizeof(shown));
		err_set(err, own.code, "%s: %s", shown, own.detail);
	}
	err_fini(&own);
	return doc;
}

/* A task as it begins: nothing was done with it, nothing allowed. */
static int check_new(const json_t *task, struct err *err)
{
	static const struct { const char *key, *json; } begins[] = {
		{"state", "\"pending\""}, {"attempt", "1"}, {"lease", "null"},
		{"allow_external_publish", "false"},
		{"admin_approved", "false"}, {"admin_approved_by", "null"},
		{"admin_approved_at", "null"},
	};

	if (json_object_get(task, "issues"))
		return err_set(err, ERR_admin_field, "issues: a new task has "
			       "none");
	for (size_t i = 0; i < ARRAY_LEN(begins); i++) {
		json_t *want = json_loads(begins[i].json, JSON_DECODE_ANY,
					  NULL);
		bool same = json_equal(want, json_object_get(task,
							     begins[i].key));

		json_decref(want);
		if (!same)
			return err_set(err, ERR_admin_field, "%s: is %s in a "
				       "new task", begins[i].key,
				       begins[i].json);
	}
	return 0;
}

/* What task.update takes of anybody, and the time it was done. */
static bool anybody_changes(const char *key)
{
	const struct arg *m = op_arg(op_named("task.update"), key);

	return !strcmp(key, "updated_at") ||
	       (m && m->kind != ARG_ID && m->kind != ARG_SHA1 &&
		!(m->flags & (ARG_ADMIN | ARG_NEVER)));
}

int document_by_person(const json_t *before, const json_t *task,
		       struct err *err)
{
	json_t *names, *each;
	size_t i;
	int rc = 0;

	if (!before)
		return check_new(task, err);
	names = document_changes(before, task);
	json_array_foreach (names, i, each)
		if (!rc && !anybody_changes(json_string_value(each)))
			rc = err_set(err, ERR_admin_field, "%s: is not "
				     "changed by hand",
				     json_string_value(each));
	json_decref(names);
	return rc;
}

json_t *document_changes(const json_t *before, const json_t *after)
{
	json_t *names = json_array(), *v;
	const char *key;

	json_object_foreach ((json_t *)after, key, v)
		if (!json_equal(v, json_object_get(before, key)))
			json_array_append_new(names, json_string(key));
	json_object_foreach ((json_t *)before, key, v)
		if (!json_object_get(after, key))
			json_array_append_new(names, json_string(key));
	return names;
}
