/*
 * What a commit of the task repository costs at 1,000, 20,000 and 100,000
 * tasks, in batches as a quiet and as a busy agent has them; then how far
 * the repository is behind the journal at 1,000 changes a second.
 *
 *   build/tests/bench/ssot [SECONDS]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "agent/core/follower.h"
#include "agent/store/journal.h"
#include "agent/store/ssot.h"
#include "common/clock.h"
#include "common/fs.h"
#include "common/mem.h"
#include "tests/bench/ssot_tasks.h"

#define BATCH_MOST 512
#define PACE 1000		/* changes a second */
#define TICK_US 10000

struct world {
	struct journal *j;
	struct ssot *s;
	unsigned tasks;
	uint64_t seq;
	struct record **records;	/* the last batch */
	size_t n;
};

static void world_open(struct world *w, const char *dir, unsigned tasks)
{
	struct journal_repair repair;
	struct ssot_options o = {0};
	struct err err = {0};
	char *audit = xasprintf("%s/audit", dir);
	char *path = xasprintf("%s/ssot.git", dir);

	*w = (struct world){.tasks = tasks};
	check(fs_mkdir(audit, 0700, &err), &err);
	check(journal_open(&w->j, audit, NULL, &repair, &err), &err);
	check(ssot_open(&w->s, path, &o, &err), &err);
	free(audit);
	free(path);
}

static void drop(struct world *w)
{
	for (size_t i = 0; i < w->n; i++)
		record_unref(w->records[i]);
	free(w->records);
	w->records = NULL;
	w->n = 0;
}

/* n changes, durable; first each task once, then any. */
static void change(struct world *w, unsigned n)
{
	struct err err = {0};

	drop(w);
	for (unsigned i = 0; i < n; i++) {
		struct change c;

		change_init(&c, w->seq, w->seq < w->tasks ? (unsigned)w->seq :
			    next_random() % w->tasks);
		check(!journal_append(w->j, &c.e, &err), &err);
		change_fini(&c);
		w->seq++;
	}
	check(journal_commit(w->j, &w->records, &w->n, &err), &err);
}

static int64_t apply(struct world *w)
{
	int64_t start = clock_mono_us();
	struct err err = {0};

	check(ssot_apply(w->s, w->records, w->n, &err), &err);
	return clock_mono_us() - start;
}

/* Of this thread: what is left where others use the machine as well. */
static int64_t cpu_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return t.tv_sec * 1000000LL + t.tv_nsec / 1000;
}

/* Microseconds of processor a commit. */
static double measure(struct world *w, unsigned batch, double seconds)
{
	int64_t busy = 0, worst = 0, cpu = 0;
	uint64_t from = w->seq;

	while (busy < (int64_t)(seconds * 1e6)) {
		int64_t took;

		change(w, batch);
		cpu -= cpu_us();
		took = apply(w);
		cpu += cpu_us();
		busy += took;
		worst = took > worst ? took : worst;
	}
	printf("ssot_commits_%u_tasks_batch_%u %.0f commits/s\n", w->tasks,
	       batch, (double)(w->seq - from) * 1e6 / (double)busy);
	printf("ssot_batch_worst_%u_tasks_batch_%u %.1f ms\n", w->tasks,
	       batch, (double)worst / 1e3);
	printf("ssot_cpu_%u_tasks_batch_%u %.0f us/commit\n", w->tasks, batch,
	       (double)cpu / (double)(w->seq - from));
	return (double)cpu / (double)(w->seq - from);
}

static int follow(void *ctx, struct record *const *records, size_t n,
		  struct err *err)
{
	return ssot_apply(((struct world *)ctx)->s, records, n, err);
}

static uint64_t from_the_start(void *ctx, uint64_t seq)
{
	(void)ctx;
	(void)seq;
	return 0;
}

static int by_size(const void *a, const void *b)
{
	const int64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* The age of the oldest change that git does not have, looked at each tick. */
static void measure_lag(struct world *w, double seconds)
{
	const struct follower_kind kind = {
		.name = "ssot", .apply = follow, .place = from_the_start,
		.ctx = w, .pause_us = 200000, .nice = 10,
	};
	size_t ticks = (size_t)(seconds * 1e6 / TICK_US), at = 0;
	int64_t *made = xcalloc(ticks, sizeof(*made));
	int64_t *lag = xcalloc(ticks, sizeof(*lag)), start;
	uint64_t *upto = xcalloc(ticks, sizeof(*upto));
	struct follower *f = follower_start(&kind, w->j, w->seq);

	follower_wait(f, w->seq, 60000000);
	start = clock_mono_us();
	for (size_t i = 0; i < ticks; i++) {
		int64_t now, due = start + (int64_t)i * TICK_US;

		while ((now = clock_mono_us()) < due)
			usleep((useconds_t)(due - now));
		change(w, PACE * TICK_US / 1000000);
		follower_feed(f, w->records, w->n);
		made[i] = clock_mono_us();
		upto[i] = w->seq;
		while (at <= i && upto[at] <= follower_seq(f))
			at++;
		lag[i] = at <= i ? clock_mono_us() - made[at] : 0;
	}
	qsort(lag, ticks, sizeof(*lag), by_size);
	printf("ssot_lag_p50_%u_tasks %.0f ms\n", w->tasks,
	       (double)lag[ticks / 2] / 1e3);
	printf("ssot_lag_most_%u_tasks %.0f ms (%.0f changes/s)\n", w->tasks,
	       (double)lag[ticks - 1] / 1e3, (double)ticks *
	       (PACE * TICK_US / 1000000) * 1e6 /
	       (double)(clock_mono_us() - start));
	follower_stop(f, 5000000);
	free(made);
	free(lag);
	free(upto);
}

static double measure_all(const char *base, unsigned tasks, double seconds)
{
	char *dir = xasprintf("%s/%u", base, tasks);
	struct world w;
	double cost;

	world_open(&w, dir, tasks);
	while (w.seq < tasks) {
		change(&w, tasks - w.seq < BATCH_MOST ?
			   (unsigned)(tasks - w.seq) : BATCH_MOST);
		apply(&w);
	}
	measure(&w, 64, seconds);
	cost = measure(&w, BATCH_MOST, seconds);
	measure_lag(&w, 2 * seconds);
	drop(&w);
	ssot_close(w.s);
	journal_close(w.j);
	free(dir);
	return cost;
}

int main(int argc, char **argv)
{
	double seconds = argc > 1 ? atof(argv[1]) : 3, small;
	const char *tmp = getenv("TMPDIR");
	char *dir = xasprintf("%s/kircerta-bench-XXXXXX", tmp ? tmp : "/tmp");

	json_setup();
	if (!mkdtemp(dir))
		return 1;
	small = measure_all(dir, 1000, seconds);
	measure_all(dir, 20000, seconds);
	printf("ssot_cost_100000_over_1000_tasks %.2f times\n",
	       measure_all(dir, 100000, seconds) / small);
	return fs_remove_tree(dir);
}
