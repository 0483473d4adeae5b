/* What happens without anybody asking: the clock, starts, changed tools. */
#include <string.h>

#include "agent/ops/approval.h"
#include "agent/ops/approval_bound.h"
#include "agent/ops/due.h"
#include "agent/ops/glass.h"
#include "agent/ops/handlers.h"
#include "agent/ops/overdue.h"
#include "agent/ops/parked.h"
#include "agent/ops/reconcile.h"
#include "agent/ops/reminder.h"
#include "agent/ops/run.h"
#include "agent/ops/task.h"
#include "agent/run/tool.h"
#include "agent/store/journal.h"
#include "agent/store/settings.h"
#include "agent/store/state.h"
#include "common/clock.h"
#include "common/json.h"
#include "common/log.h"
#include "common/mem.h"

static const struct {
	const char *kind;
	void (*due)(struct agent *a, const struct call *c, const char *id);
} dues[] = {
	{"task", task_lease_due},
	{"review", overdue_due},
	{"approval", approval_due},
	{"approved", approval_shown_due},
	{"reminder", reminder_due},
	{"run", run_start_due},
	{"reconcile", reconcile_due},
};

int op_clock(struct agent *a, struct call *c, struct err *err)
{
	struct due_item item;

	(void)err;
	while (due_pop(a->due, clock_steady_us(), &item))
		for (size_t i = 0; i < ARRAY_LEN(dues); i++)
			if (!strcmp(dues[i].kind, item.kind))
				dues[i].due(a, c, item.id);
	return 0;
}

int op_recover(struct agent *a, struct call *c, struct err *err)
{
	json_t *mode = state_doc(a->state, "mode", "mode");

	if (!mode) {			/* so that nobody has to look again */
		mode = json_pack("{s:s,s:s}", "id", "mode", "mode", "normal");
		state_put(a->state, "mode", mode, 0);
		json_decref(mode);
	}
	task_recover(a);
	overdue_recover(a);
	if (glass_broken(a) && !journal_ready(a->journal, NULL))
		glass_settle(a, c, err);
	approval_recover(a, c);
	parked_recover(a, c);
	run_recover(a, c);
	return 0;
}

/*
 * args: {"type": .., "data": {..}}, from whoever runs the agent; maybe with
 * the ids of what it is about, "correlation_id", "task_id", "run_id", and
 * documents to "put".
 */
int op_service(struct agent *a, struct call *c, struct err *err)
{
	struct fact fact = {
		.type = json_str(c->args, "type"),
		.task_id = json_str(c->args, "task_id"),
		.run_id = json_str(c->args, "run_id"),
		.data = json_incref(json_object_get(c->args, "data")),
		.put = json_incref(json_object_get(c->args, "put")),
	};
	const char *of = json_str(c->args, "correlation_id");

	return agent_record_as(a, c, of ? of : c->correlation_id, &fact, err);
}

static json_t *tools_names(const struct tools *t)
{
	json_t *list = tools_json(t), *names = json_array(), *each;
	size_t i;

	json_array_foreach (list, i, each)
		json_array_append(names, json_object_get(each, "name"));
	json_decref(list);
	return names;
}

/* A bad manifest leaves the tools as they are, and says which line. */
int op_tools_reload(struct agent *a, struct call *c, struct err *err)
{
	struct fact fact = {.type = "tools_loaded"};
	struct tools *next = NULL;

	if (tools_load(&next, a->tool_dirs, a->settings->timeouts.run, err)) {
		log_error("the tools stay as they are: %s", err->detail);
		fact.type = "tools_refused";
		fact.data = json_object();
		json_set_str(fact.data, "detail", err->detail);
		err_fini(err);
		return agent_record(a, c, &fact, err);
	}
	a->old_tools = xrealloc(a->old_tools, (a->n_old_tools + 1) *
				sizeof(*a->old_tools));
	a->old_tools[a->n_old_tools++] = a->tools;
	a->tools = next;
	fact.data = json_pack("{s:o}", "tools", tools_names(next));
	if (agent_record(a, c, &fact, err))
		return -1;
	approval_end_unbound(a, c);
	return 0;
}
