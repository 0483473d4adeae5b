/* See executor.h. */
#include "agent/ops/executor.h"

#include <stdatomic.h>
#include <string.h>

#include "agent/ops/lease.h"
#include "agent/ops/op.h"
#include "agent/store/settings.h"
#include "agent/store/state.h"
#include "common/json.h"
#include "common/mem.h"

/* The ids of the running tasks that are held by this name; new. */
static json_t *held_by(struct agent *a, const char *name)
{
	json_t *running = state_list(a->state, "task", "running"), *each;
	json_t *ids = json_array();
	size_t i;

	json_array_foreach (running, i, each) {
		const char *holder = lease_holder(each);

		if (holder && !strcmp(holder, name))
			json_array_append(ids, json_object_get(each, "id"));
	}
	json_decref(running);
	return ids;
}

/* Two names may share a place: then one counts again for the other's sake. */
static size_t place_of(const struct agent *a, const char *name)
{
	size_t n = 0;

	while (*name)
		n = n * 31 + (unsigned char)*name++;
	return n % ARRAY_LEN(a->taken);
}

unsigned executor_taken(const struct agent *a, const char *name)
{
	return atomic_load(&a->taken[place_of(a, name)]);
}

void executor_took(struct agent *a, const json_t *task)
{
	const char *holder = lease_holder(task);

	if (holder)
		atomic_fetch_add(&a->taken[place_of(a, holder)], 1);
}

int executor_has_room(struct agent *a, const struct call *c,
		      struct err *err)
{
	int64_t limit = a->settings->max_per_executor;
	json_t *running;

	if (!limit)
		return 0;
	running = held_by(a, c->who.name);
	if (json_array_size(running) < (size_t)limit) {
		json_decref(running);
		return 0;
	}
	err_set(err, ERR_executor_busy, "%.80s holds %zu running tasks, at "
		"most %lld", c->who.name, json_array_size(running),
		(long long)limit);
	err_member(err, "limit", json_integer(limit));
	return err_member(err, "running", running);
}
