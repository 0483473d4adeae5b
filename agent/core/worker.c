/*
 * A worker: admits calls and does pieces of work, one at a time. What reads
 * whole files goes on to the workers for that, so that only those who ask
 * for such wait for it.
 */
#include <stdlib.h>

#include "agent/core/threads.h"
#include "agent/gate/gate.h"
#include "agent/ops/op.h"

static void admit(struct core *k, struct reader *r, struct done *item)
{
	struct call *c = item->call;

	c->reader = r;
	if (c->slow)
		gate_slow(k->agent, c);
	else
		gate_admit(k->agent, c);
	c->reader = NULL;
	if (c->slow) {
		queue_put(&k->slow, item);
		return;
	}
	free(item);
	queue_put(&k->applying, c);
}

void *worker_main(void *worker)
{
	struct worker *w = worker;
	struct core *k = w->core;
	struct done *item;

	while ((item = queue_take(w->from))) {
		if (item->call) {
			admit(k, w->reader, item);
			continue;
		}
		item->work->run(item->work, k->agent, w->reader);
		queue_put(&k->done, item);
		k->wake(k->wake_arg);
	}
	return NULL;
}
