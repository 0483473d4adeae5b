/*
 * A task with a long past: 10,000 versions of one, among as many of others.
 * What a page of its history costs at both ends, and its oldest version.
 *
 *   build/tests/bench/history [VERSIONS]
 */
#include <stdio.h>
#include <stdlib.h>

#include "agent/store/ssot.h"
#include "common/fs.h"
#include "tests/bench/ssot_tasks.h"

#define BATCH 256

static double ms_since(int64_t start)
{
	return (double)(clock_mono_us() - start) / 1e3;
}

static void fill(struct ssot *s, uint64_t n)
{
	struct record *r[BATCH];
	struct err err = {0};

	for (uint64_t seq = 1; seq <= n; seq += BATCH) {
		size_t k = 0;

		for (; k < BATCH && seq + k <= n; k++)
			r[k] = task_record(seq + k, (seq + k) % 2 ? 0 :
					   1 + next_random() % 1000);
		check(ssot_apply(s, r, k, &err), &err);
		while (k)
			record_unref(r[--k]);
	}
}

/* All of it; the slowest page and the first. The oldest version. */
static json_t *pages(const char *path, int limit)
{
	json_t *last = NULL;
	char *cursor = NULL;
	double first = 0, worst = 0, ms;
	size_t n = 0, count = 0;

	do {
		struct err err = {0};
		int64_t start = clock_mono_us();
		json_t *page = ssot_history(path, "t-000000", cursor, limit,
					    &err), *items;

		check(!page, &err);
		ms = ms_since(start);
		first = n ? first : ms;
		worst = ms > worst ? ms : worst;
		n++;
		items = json_object_get(page, "items");
		count += json_array_size(items);
		free(cursor);
		cursor = xstrdup(json_str(page, "next_cursor"));
		json_decref(last);
		last = json_incref(json_array_get(items, 0));
		json_decref(page);
	} while (cursor);
	printf("pages_of_%d %zu versions %zu first_ms %.1f worst_ms %.1f\n",
	       limit, n, count, first, worst);
	return last;
}

int main(int argc, char **argv)
{
	uint64_t n = 2 * (argc > 1 ? strtoull(argv[1], NULL, 10) : 10000);
	char *dir = xstrdup("/tmp/kircerta-bench-XXXXXX"), *path;
	struct ssot_options o = {0};
	struct err err = {0};
	struct ssot *s;
	int64_t start;
	char sha[41];
	json_t *doc, *oldest;

	json_setup();
	if (!mkdtemp(dir))
		return 1;
	path = xasprintf("%s/ssot.git", dir);
	check(ssot_open(&s, path, &o, &err), &err);
	fill(s, n);
	json_decref(pages(path, 100));
	oldest = pages(path, 1000);
	start = clock_mono_us();
	doc = ssot_revision(path, "t-000000", ssot_head(s), json_str(oldest, "sha"),
			    sha, &err);
	check(!doc, &err);
	printf("oldest_version_by_blob_ms %.1f\n", ms_since(start));
	json_decref(doc);
	start = clock_mono_us();
	doc = ssot_revision(path, "t-000000", ssot_head(s), json_str(oldest, "commit"),
			    sha, &err);
	check(!doc, &err);
	printf("oldest_version_by_commit_ms %.1f\n", ms_since(start));
	json_decref(doc);
	ssot_close(s);
	fs_remove_tree(dir);
	json_decref(oldest);
	free(path);
	free(dir);
	return 0;
}
