/*
 * Commits a second of the task repository, 64 changes a batch, at 1,000 and
 * 20,000 tasks; then what a history costs.
 *
 *   build/tests/bench/ssot [SECONDS]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/store/record.h"
#include "agent/store/ssot.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/fs.h"
#include "common/json.h"
#include "common/mem.h"

#define BATCH 64

static void check(int rc, const struct err *err)
{
	if (!rc)
		return;
	fprintf(stderr, "ssot: %s\n", err->detail);
	exit(1);
}

/* About 1 KB, as a task with a few criteria has. */
static struct record *task(uint64_t seq, unsigned n)
{
	static const uint8_t prev[SHA256_RAW];
	char id[32], text[601];
	json_t *data;
	struct entry e = {.type = "task_updated", .actor = "coordinator",
			  .correlation_id = "c-bench", .task_id = id};
	struct record *r;

	snprintf(id, sizeof(id), "t-%06u", n);
	for (size_t i = 0; i < sizeof(text) - 1; i++)
		text[i] = (char)('a' + rand() % 26);
	text[sizeof(text) - 1] = 0;
	data = json_pack("{s:{s:{s:s,s:s,s:s,s:I,s:[{s:s,s:s}]}}}", "put",
			 "task", "id", id, "title", "Record the demo",
			 "request_text", text, "n", (json_int_t)seq,
			 "acceptance_criteria", "id", "AC-1", "text",
			 "the demo shows the new export dialog");
	e.data = data;
	r = record_make(&e, seq, clock_wall_us(), prev, NULL);
	json_decref(data);
	return r;
}

static uint64_t batch(struct ssot *s, uint64_t seq, unsigned first,
		      unsigned n, unsigned among)
{
	struct record *r[512];
	struct err err = {0};

	for (unsigned i = 0; i < n; i++)
		r[i] = task(++seq, among ? (unsigned)rand() % among :
					   first + i);
	check(ssot_apply(s, r, n, &err), &err);
	for (unsigned i = 0; i < n; i++)
		record_unref(r[i]);
	return seq;
}

static void measure(const char *dir, unsigned tasks, double seconds)
{
	char *path = xasprintf("%s/%u.git", dir, tasks);
	int64_t start, worst = 0, end;
	struct err err = {0};
	struct ssot *s;
	uint64_t seq = 0, from;
	json_t *history;

	check(ssot_open(&s, path, &(struct ssot_options){0}, &err), &err);
	for (unsigned i = 0; i < tasks; i += 500)
		seq = batch(s, seq, i, tasks - i < 500 ? tasks - i : 500, 0);
	from = seq;
	start = clock_mono_us();
	end = start + (int64_t)(seconds * 1e6);
	for (int64_t t = start, now; t < end; t = now) {
		seq = batch(s, seq, 0, BATCH, tasks);
		now = clock_mono_us();
		worst = now - t > worst ? now - t : worst;
	}
	end = clock_mono_us();
	printf("ssot_commits_%u_tasks %.0f commits/s\n", tasks,
	       (double)(seq - from) * 1e6 / (double)(end - start));
	printf("ssot_batch_worst_%u_tasks %.1f ms\n", tasks,
	       (double)worst / 1e3);
	ssot_close(s);
	start = clock_mono_us();
	history = ssot_history(path, "t-000007", NULL, 1000, &err);
	check(!history, &err);
	printf("ssot_history_%u_tasks %.1f ms (%zu commits)\n", tasks,
	       (double)(clock_mono_us() - start) / 1e3,
	       json_array_size(json_object_get(history, "items")));
	json_decref(history);
	free(path);
}

int main(int argc, char **argv)
{
	char dir[] = "/tmp/kircerta-bench-XXXXXX";
	double seconds = argc > 1 ? atof(argv[1]) : 2;

	json_setup();
	if (!mkdtemp(dir))
		return 1;
	measure(dir, 1000, seconds);
	measure(dir, 20000, seconds);
	return fs_remove_tree(dir);
}
