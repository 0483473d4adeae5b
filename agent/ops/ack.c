/*
 * The ACK: an executor echoes the acceptance criteria, byte for byte, and
 * holds the task from then on.
 */
#include <string.h>

#include "agent/ops/attempt.h"
#include "agent/ops/handlers.h"
#include "agent/ops/lease.h"
#include "agent/ops/task.h"
#include "common/json.h"

static const json_t *find_id(const json_t *list, const char *id)
{
	json_t *each;
	size_t i;

	json_array_foreach (list, i, each) {
		const char *own = json_str(each, "id");

		if (own && !strcmp(own, id))
			return each;
	}
	return NULL;
}

/* What is in one list and not, or not so, in the other. */
static void differences(const json_t *want, const json_t *got,
			struct err *err)
{
	json_t *missing = json_array(), *unexpected = json_array();
	json_t *differing = json_array(), *each;
	size_t i;

	json_array_foreach (want, i, each) {
		const json_t *other = find_id(got, json_str(each, "id"));

		if (!other)
			json_array_append(missing, each);
		else if (!json_equal(each, (json_t *)other))
			json_array_append_new(differing, json_pack(
				"{s:O,s:O,s:O?}", "id",
				json_object_get(each, "id"), "expected",
				json_object_get(each, "text"), "got",
				json_object_get(other, "text")));
	}
	json_array_foreach (got, i, each) {
		const char *id = json_str(each, "id");

		if (!id || !find_id(want, id))
			json_array_append(unexpected, each);
	}
	err_member(err, "missing", missing);
	err_member(err, "unexpected", unexpected);
	err_member(err, "differing", differing);
}

static int mismatch(struct agent *a, struct call *c, const json_t *task,
		    const json_t *want, const json_t *got, struct err *err)
{
	struct fact fact = {.type = "ack_mismatch", .status = 422,
			    .task_id = json_str(task, "id")};

	err_set(err, ERR_ack_mismatch, "the echo differs from the criteria");
	differences(want, got, err);
	fact.data = json_pack("{s:I,s:i,s:i,s:i}", "attempt",
		call_int(c, "attempt", 0), "missing",
		(int)json_array_size(json_object_get(err->members, "missing")),
		"unexpected", (int)json_array_size(
			json_object_get(err->members, "unexpected")),
		"differing", (int)json_array_size(
			json_object_get(err->members, "differing")));
	agent_record(a, c, &fact, NULL);
	return -1;
}

int op_task_ack(struct agent *a, struct call *c, struct err *err)
{
	json_t *task = task_of(a, c, err), *want, *got, *next, *doc;

	if (!task || task_base_check(a, c, task, false, err) ||
	    attempt_check(c, task, err) ||
	    task_in_state(task, "pending,stalled", err))
		return -1;
	want = json_object_get(task, "acceptance_criteria");
	got = json_object_get(c->args, "echoed_acceptance_criteria");
	if (!json_equal(want, got))
		return mismatch(a, c, task, want, got, err);
	next = json_deep_copy(task);
	json_set_str(next, "state", "running");
	lease_set(a, c, next);
	doc = attempt_doc(c, task, "ack");
	json_object_set(doc, "echoed_acceptance_criteria", got);
	return attempt_save(a, c, next, "ack", doc, "ack_accepted", err);
}
