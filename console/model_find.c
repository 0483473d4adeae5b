/* Questions to the model that need more than one of its lists. */
#include <string.h>

#include "console/model.h"

struct task *model_task(const struct model *m, const char *id)
{
	return (struct task *)items_find(&m->tasks, id);
}

const char *model_chain_of(const struct model *m, const struct item *item)
{
	const char *task_id = "";
	const struct task *t;

	if (*item->chain)
		return item->chain;
	if (item->kind == ITEM_APPROVAL)
		task_id = ((const struct approval *)item)->task_id;
	else if (item->kind == ITEM_RUN)
		task_id = ((const struct run *)item)->task_id;
	else if (item->kind == ITEM_ARTIFACT)
		task_id = ((const struct artifact *)item)->task_id;
	else if (item->kind == ITEM_RECORD)
		task_id = ((const struct record *)item)->task_id;
	t = model_task(m, task_id);
	return t ? t->item.chain : "";
}

struct run *model_run_of(const struct model *m, const char *task_id)
{
	for (size_t i = m->runs.n; i-- > 0;) {
		struct run *r = (struct run *)m->runs.at[i];

		if (!strcmp(r->task_id, task_id))
			return r;
	}
	return NULL;
}

size_t model_pending(const struct model *m, int64_t *until)
{
	size_t n = 0;

	if (until)
		*until = 0;
	for (size_t i = 0; i < m->approvals.n; i++) {
		const struct approval *a = (void *)m->approvals.at[i];

		if (a->item.state->rank || a->until_us <= m->now_us)
			continue;
		n++;
		if (until && (!*until || a->until_us < *until))
			*until = a->until_us;
	}
	return n;
}
