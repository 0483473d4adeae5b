/*
 * Fills an agent's home that is not running with a long life's journal, until
 * there are RECORDS records. The agent makes the rest of it when it starts.
 *
 *   build/tests/bench/query_load HOME RECORDS          (see query_http.py)
 */
#include <stdio.h>
#include <stdlib.h>

#include "agent/store/journal.h"
#include "tests/bench/query_records.h"

enum { BATCH = 4096 };

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
	struct journal_repair repair;
	struct journal *j;
	struct err err = {0};
	uint64_t upto;
	char *dir;

	if (argc <= 2) {
		fprintf(stderr, "usage: query_load HOME RECORDS\n");
		return 2;
	}
	upto = strtoull(argv[2], NULL, 10);
	json_setup();
	dir = xasprintf("%s/audit", argv[1]);
	check(journal_open(&j, dir, NULL, &repair, &err), &err);
	for (uint64_t i = journal_head(j).seq; i < upto; i++) {
		struct life l;

		life_init(&l, i);
		check(!journal_append(j, &l.e, &err), &err);
		life_fini(&l);
		if (i % BATCH == BATCH - 1)
			commit(j);
	}
	commit(j);
	journal_close(j);
	free(dir);
	return 0;
}
