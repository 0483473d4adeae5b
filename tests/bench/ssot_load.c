/*
 * Fills an agent's home that is not running with the journal of a long life:
 * TASKS tasks, then requests and now and then a task's change, until there
 * are RECORDS records. The agent makes the rest of it when it starts.
 *
 *   build/tests/bench/ssot_load HOME TASKS RECORDS     (see ssot_reads.py)
 */
#include <stdio.h>
#include <stdlib.h>

#include "agent/store/journal.h"
#include "common/clock.h"
#include "common/mem.h"
#include "tests/bench/ssot_tasks.h"

#define BATCH 2000
#define CHANGE_EVERY 100

static void request_init(struct change *c, uint64_t seq, unsigned n)
{
	change_init(c, seq, n);
	json_decref(c->e.data);
	c->e.type = "request";
	c->e.scope = "tool_runner";
	c->e.transport = "http";
	c->e.method = "GET";
	c->e.route = "/api/tasks/{id}";
	c->e.status = 200;
	c->e.data = json_pack("{s:s,s:i}", "operation", "task.get", "us",
			      (int)(seq % 1000));
}

static void commit(struct journal *j)
{
	struct record **records;
	struct err err = {0};
	size_t n;

	check(journal_commit(j, &records, &n, &err), &err);
	for (size_t i = 0; i < n; i++)
		record_unref(records[i]);
	free(records);
}

int main(int argc, char **argv)
{
	uint64_t tasks, upto;
	struct journal_repair repair;
	struct journal *j;
	struct err err = {0};
	char *dir;

	if (argc <= 3) {
		fprintf(stderr, "usage: ssot_load HOME TASKS RECORDS\n");
		return 2;
	}
	tasks = strtoull(argv[2], NULL, 10);
	upto = strtoull(argv[3], NULL, 10);
	json_setup();
	dir = xasprintf("%s/audit", argv[1]);
	check(journal_open(&j, dir, NULL, &repair, &err), &err);
	for (uint64_t i = 0; i < upto; i++) {
		unsigned n = i < tasks ? (unsigned)i : next_random() % tasks;
		struct change c;

		if (i < tasks || i % CHANGE_EVERY == 0)
			change_init(&c, i, n);
		else
			request_init(&c, i, n);
		if (i < tasks)
			c.e.type = "task_created";
		check(!journal_append(j, &c.e, &err), &err);
		change_fini(&c);
		if (i % BATCH == BATCH - 1)
			commit(j);
	}
	commit(j);
	journal_close(j);
	free(dir);
	return 0;
}
