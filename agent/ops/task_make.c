/* See task_make.h. */
#include "agent/ops/task_make.h"

#include <string.h>

#include "agent/ops/op.h"
#include "agent/ops/task.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/id.h"
#include "common/json.h"

/* Criteria are [{id, text}], ids unique, nothing else in them. */
static int criteria_check(const json_t *criteria, struct err *err)
{
	json_t *each, *seen = json_object();
	size_t i;
	int rc = 0;

	json_array_foreach (criteria, i, each) {
		const char *id = json_str(each, "id");
		const char *text = json_str(each, "text");

		if (!id || !id_valid(id) || !text || !*text ||
		    json_object_size(each) != 2)
			rc = err_set(err, ERR_invalid_request,
				     "acceptance_criteria[%zu]: must be "
				     "{\"id\",\"text\"} and nothing else", i);
		else if (json_object_get(seen, id))
			rc = err_set(err, ERR_invalid_request,
				     "acceptance_criteria[%zu]: %s is there "
				     "twice", i, id);
		else
			json_object_set_new(seen, id, json_true());
		if (rc)
			break;
	}
	json_decref(seen);
	return rc;
}

/* Labels are a flat map of strings. */
static int labels_check(const json_t *labels, struct err *err)
{
	const char *key;
	json_t *each;

	json_object_foreach ((json_t *)labels, key, each)
		if (!json_is_string(each) && !json_is_null(each))
			return err_set(err, ERR_invalid_request,
				       "labels.%.80s: must be a string", key);
	return 0;
}

int task_parts_check(const json_t *parts, struct err *err)
{
	if (criteria_check(json_object_get(parts, "acceptance_criteria"), err))
		return -1;
	return labels_check(json_object_get(parts, "labels"), err);
}

static json_t *part_or(const json_t *parts, const char *name, json_t *fallback)
{
	json_t *v = json_object_get(parts, name);

	if (!v || json_is_null(v))
		return fallback;
	json_decref(fallback);
	return json_incref(v);
}

json_t *task_make(struct call *c, const json_t *parts)
{
	const char *id = json_str(parts, "id");
	json_t *t = json_object();
	char now[CLOCK_TEXT];

	if (!id && !*c->made_id)
		id_make('t', c->made_id);
	clock_text(clock_wall_us(), now);
	json_set_str(t, "id", id ? id : c->made_id);
	json_object_set(t, "title", json_object_get(parts, "title"));
	json_object_set_new(t, "request_text",
			    part_or(parts, "request_text", json_string("")));
	json_object_set_new(t, "source", part_or(parts, "source",
						  json_string("api")));
	json_set_str(t, "state", "pending");
	json_set_int(t, "attempt", 1);
	json_set_str(t, "correlation_id", c->correlation_id);
	json_set_str(t, "created_at", now);
	json_set_str(t, "updated_at", now);
	json_set_str(t, "created_by", c->who.name);
	json_object_set_new(t, "acceptance_criteria",
			    part_or(parts, "acceptance_criteria",
				    json_array()));
	json_object_set_new(t, "side_effect_level",
			    part_or(parts, "side_effect_level",
				    json_string("read_only")));
	json_object_set_new(t, "allow_external_publish",
			    part_or(parts, "allow_external_publish",
				    json_false()));
	json_object_set_new(t, "admin_approved", json_false());
	json_object_set_new(t, "admin_approved_by", json_null());
	json_object_set_new(t, "admin_approved_at", json_null());
	json_object_set_new(t, "lease", json_null());
	json_object_set_new(t, "assignee",
			    part_or(parts, "assignee", json_null()));
	json_object_set_new(t, "labels",
			    part_or(parts, "labels", json_object()));
	json_object_set_new(t, "meta", part_or(parts, "meta", json_object()));
	return t;
}
