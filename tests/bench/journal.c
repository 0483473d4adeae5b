/*
 * The journal and its index: durable appends beside a bare loop of the same
 * bytes, rounds interleaved; then what it costs to replay, verify and index
 * them. One line a figure: name value unit.
 *
 *   journal [DIR]        a folder on the disk to measure; default: here
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/store/index.h"
#include "agent/store/journal.h"
#include "common/buf.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/fs.h"
#include "common/json.h"
#include "common/mem.h"

enum { BATCH = 64, ROUNDS = 5, ROUND_US = 400000, INDEXED = 200000,
       SAMPLES = 200000, OVER = 32 << 20 };

static _Noreturn void die(const struct err *err)
{
	fprintf(stderr, "journal: %s\n", err->detail);
	exit(1);
}

/*
 * What is appended, made beforehand: eight records a chain, a hundred a task,
 * one in four an event with some data, the others requests.
 */
struct sample { struct entry e; char chain[32], task[32]; };

static struct sample *samples_new(void)
{
	struct sample *all = xcalloc(SAMPLES, sizeof(*all)), *s = all;

	for (unsigned i = 0; i < SAMPLES; i++, s++) {
		snprintf(s->chain, sizeof(s->chain), "c-%016llx",
			 i / 8 * 0x9e3779b97f4a7c15ull);
		snprintf(s->task, sizeof(s->task), "t-%016u", i / 100);
		s->e = (struct entry){
			.type = i % 4 ? "request" : "tool_finished",
			.actor = i % 3 ? "coordinator" : "codex",
			.scope = "tool_runner", .transport = "http",
			.method = "POST", .route = "/api/tools/execute",
			.status = 202, .correlation_id = s->chain,
			.task_id = s->task,
		};
		if (i % 4 == 0)
			s->e.data = json_pack("{s:s,s:i,s:s}", "tool",
				"screen.capture", "duration_ms", 120, "sha256",
				"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b");
	}
	return all;
}

static void samples_free(struct sample *all)
{
	for (unsigned i = 0; i < SAMPLES; i++)
		json_decref(all[i].e.data);
	free(all);
}

/* Goes round in the first few samples, which stay in the cache, or not. */
struct work {
	struct journal *j;
	struct sample *samples;
	uint64_t i, cycle;
};

static void append(struct work *w)
{
	struct err err = {0};

	if (!journal_append(w->j, &w->samples[w->i++ % w->cycle].e, &err))
		die(&err);
}

static void drop(struct record **batch, size_t n)
{
	for (size_t i = 0; i < n; i++)
		record_unref(batch[i]);
	free(batch);
}

static void commit(struct work *w)
{
	struct record **batch;
	struct err err = {0};
	size_t n;

	if (journal_commit(w->j, &batch, &n, &err))
		die(&err);
	drop(batch, n);
}

static double journal_round(struct work *w)
{
	const int64_t start = clock_mono_us();
	const uint64_t before = w->i;

	while (clock_mono_us() - start < ROUND_US) {
		for (int k = 0; k < BATCH; k++)
			append(w);
		commit(w);
	}
	return (double)(w->i - before) * 1e6 /
	       (double)(clock_mono_us() - start);
}

/*
 * The same number of bytes, made by nobody and chained to nothing: behind the
 * end of a file, or over what was written there beforehand.
 */
static double bare_round(int fd, size_t len, off_t room)
{
	const int64_t start = clock_mono_us();
	char *bytes = xmalloc(len);
	uint64_t n = 0;
	off_t at = 0;

	memset(bytes, 'x', len);
	for (; clock_mono_us() - start < ROUND_US; n += BATCH) {
		if (room && at + (off_t)len > room)
			at = 0;
		if (pwrite(fd, bytes, len, at) != (ssize_t)len ||
		    fdatasync(fd))
			exit(1);
		at += (off_t)len;
	}
	free(bytes);
	if (!room && ftruncate(fd, 0))
		exit(1);
	return (double)n * 1e6 / (double)(clock_mono_us() - start);
}

static int filled(const char *path, size_t len)
{
	int fd = open(path, O_RDWR | O_CREAT, 0600);
	char *bytes = xmalloc(len);

	memset(bytes, '\n', len);
	if (fs_write_all(fd, bytes, len) || fsync(fd))
		exit(1);
	free(bytes);
	return fd;
}

static int by_value(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *v)
{
	qsort(v, ROUNDS, sizeof(*v), by_value);
	return v[ROUNDS / 2];
}

static void appends(struct work *w, const char *dir)
{
	char *end = xasprintf("%s/end", dir), *over = xasprintf("%s/over", dir);
	int fd = filled(end, 0), before = filled(over, OVER);
	double ours[ROUNDS], bare[ROUNDS], best[ROUNDS], ratio[ROUNDS],
	       to_best[ROUNDS];

	for (int k = 0; k < ROUNDS; k++) {
		const size_t len = journal_head(w->j).off / w->i * BATCH;

		ours[k] = journal_round(w);
		bare[k] = bare_round(fd, len, 0);
		best[k] = bare_round(before, len, OVER);
		ratio[k] = ours[k] / bare[k];
		to_best[k] = ours[k] / best[k];
	}
	close(fd);
	close(before);
	free(end);
	free(over);
	printf("journal_append_durable_64 %.0f records/s\n", median(ours));
	printf("bare_append_durable_64 %.0f records/s\n", median(bare));
	printf("bare_written_beforehand_64 %.0f records/s\n", median(best));
	printf("journal_to_bare %.2f ratio (goal 0.80)\n", median(ratio));
	printf("journal_to_written_beforehand %.2f ratio\n", median(to_best));
}

/* Without the write: what the appending thread pays per record. */
static void cpu_per_append(struct work *w)
{
	int64_t us = 0, start;

	for (int k = 0; k < 1000; k++) {
		start = clock_mono_us();
		for (int i = 0; i < BATCH; i++)
			append(w);
		us += clock_mono_us() - start;
		commit(w);
	}
	printf("journal_append_cpu %.2f us\n", (double)us / 1000 / BATCH);
}

struct feed { struct index *index; struct record *r[1024]; size_t n, all; };

static void feed_flush(struct feed *f)
{
	struct err err = {0};

	if (f->index && index_apply(f->index, f->r, f->n, &err))
		die(&err);
	while (f->n)
		record_unref(f->r[--f->n]);
}

static int feed_one(struct record *r, void *data, struct err *err)
{
	struct feed *f = data;

	(void)err;
	f->all++;
	f->r[f->n++] = record_ref(r);
	if (f->n == ARRAY_LEN(f->r))
		feed_flush(f);
	return f->all == INDEXED;
}

static double replay(struct journal *j, struct index *index)
{
	struct feed *f = xcalloc(1, sizeof(*f));
	int64_t start = clock_mono_us();
	struct err err = {0};
	double rate;

	f->index = index;
	if (journal_replay(j, 0, feed_one, f, &err) < 0)
		die(&err);
	feed_flush(f);
	rate = (double)f->all * 1e6 / (double)(clock_mono_us() - start);
	free(f);
	return rate;
}

static void question(struct reader *r, const char *name,
		     struct record_filter f)
{
	struct record_place out[100];
	struct err err = {0};
	int64_t start = clock_mono_us();
	size_t n;

	for (int i = 0; i < 200; i++)
		if (reader_records(r, &f, out, &n, &err))
			die(&err);
	printf("query_%s %.1f us\n", name,
	       (double)(clock_mono_us() - start) / 200);
}

static void questions(const char *path)
{
	struct reader *r;
	struct err err = {0};
	const int64_t since = clock_wall_us() - 1000000;

	if (reader_open(&r, path, &err))
		die(&err);
	question(r, "correlation", (struct record_filter){
		.correlation_id = "c-0000000000000000", .limit = 100});
	question(r, "task_since", (struct record_filter){
		.task_id = "t-0000000000000077", .since_us = since,
		.limit = 100});
	question(r, "type_actor_since", (struct record_filter){
		.types = "tool_finished", .actor = "codex", .since_us = 1,
		.limit = 100});
	question(r, "two_types", (struct record_filter){
		.types = "tool_finished,request", .limit = 100,
		.after_seq = INDEXED / 2});
	question(r, "status_that_is_rare", (struct record_filter){
		.types = "request", .status = 500, .limit = 100});
	reader_close(r);
}

static void follow(struct journal *j, const char *dir)
{
	char *path = xasprintf("%s/index.db", dir);
	struct journal_report report;
	struct index *index;
	struct err err = {0};
	int64_t start;
	bool rebuilt;

	printf("replay %.0f records/s\n", replay(j, NULL));
	if (index_open(&index, path, &rebuilt, &err))
		die(&err);
	printf("replay_and_index %.0f records/s\n", replay(j, index));
	index_close(index);
	questions(path);
	free(path);
	start = clock_mono_us();
	if (journal_verify(dir, NULL, NULL, &report, &err) || !report.ok)
		die(&err);
	printf("verify %.0f records/s\n", (double)report.records * 1e6 /
	       (double)(clock_mono_us() - start));
}

static void reopen(const char *dir)
{
	int64_t start = clock_mono_us();
	struct journal_repair repair;
	struct journal *j;
	struct err err = {0};

	if (journal_open(&j, dir, NULL, &repair, &err))
		die(&err);
	printf("journal_open %.2f ms\n",
	       (double)(clock_mono_us() - start) / 1e3);
	printf("journal_records %llu records\n",
	       (unsigned long long)journal_head(j).seq);
	journal_close(j);
}

int main(int argc, char **argv)
{
	char *dir = xasprintf("%s/bench-journal-XXXXXX",
			      argc > 1 ? argv[1] : ".");
	struct journal_repair repair;
	struct work w = {.cycle = SAMPLES};
	struct err err = {0};

	json_setup();
	w.samples = samples_new();
	if (!mkdtemp(dir) || journal_open(&w.j, dir, NULL, &repair, &err))
		die(&err);
	while (w.i < INDEXED)
		append(&w);
	commit(&w);
	w.cycle = 1024;
	appends(&w, dir);
	cpu_per_append(&w);
	follow(w.j, dir);
	journal_close(w.j);
	reopen(dir);
	samples_free(w.samples);
	fs_remove_tree(dir);
	free(dir);
	return 0;
}
