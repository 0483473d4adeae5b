/*
 * Questions on a long record: it is written, verified, opened and indexed,
 * and then asked, each kind with ever other ids; places and bytes are read,
 * as an answer needs them. Beside it grep (or rg) over the same lines. One
 * line a figure: name value unit.
 *
 *   query [RECORDS [DIR]]        default: 1000000, here. 10000000 takes 5 GB.
 *
 * What is in DIR/bench-query already, from a run with KEEP=1, is used again.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/core/follower.h"
#include "agent/store/index.h"
#include "agent/store/journal.h"
#include "common/clock.h"
#include "common/fs.h"
#include "tests/bench/query_records.h"

enum { BATCH = 4096, ROUNDS = 300, PAGE = 100 };

struct bench {
	char *dir, *audit, *index;
	uint64_t upto;
	struct journal *j;
	struct index *x;
	struct reader *r;
	char *line;
	uint64_t first_us, last_us;
};

static void say(const char *name, double value, const char *unit)
{
	printf("%s %.3f %s\n", name, value, unit);
	fflush(stdout);
}

/* Of all threads, which is what counts where others use the machine. */
static double cpu_seconds(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static double seconds_since(int64_t start)
{
	return (double)(clock_mono_us() - start) / 1e6;
}

static void commit(struct journal *j)
{
	struct record **batch;
	struct err err = {0};
	size_t n;

	check(journal_commit(j, &batch, &n, &err), &err);
	for (size_t i = 0; i < n; i++)
		record_unref(batch[i]);
	free(batch);
}

static void open_journal(struct bench *b)
{
	struct journal_repair repair;
	struct err err = {0};

	check(journal_open(&b->j, b->audit, NULL, &repair, &err), &err);
}

static void fill(struct bench *b)
{
	const int64_t start = clock_mono_us();
	const uint64_t from = journal_head(b->j).seq;
	struct err err = {0};

	for (uint64_t i = from; i < b->upto; i++) {
		struct life l;

		life_init(&l, i);
		check(!journal_append(b->j, &l.e, &err), &err);
		life_fini(&l);
		if (i % BATCH == BATCH - 1)
			commit(b->j);
	}
	commit(b->j);
	if (from < b->upto)
		say("query_written", (double)(b->upto - from) /
		    seconds_since(start), "records/s");
	say("query_records", (double)journal_head(b->j).seq, "records");
	say("query_journal_size", (double)journal_head(b->j).off / 1e6, "MB");
}

static int apply(void *ctx, struct record *const *records, size_t n,
		 struct err *err)
{
	return index_apply(((struct bench *)ctx)->x, records, n, err);
}

static int take(void *ctx, struct record *const *records, size_t n,
		struct err *err)
{
	return index_take(((struct bench *)ctx)->x, records, n, err);
}

static int commit_all(void *ctx, struct err *err)
{
	return index_commit(((struct bench *)ctx)->x, err);
}

static uint64_t place(void *ctx, uint64_t seq)
{
	(void)seq;
	return index_cursor(((struct bench *)ctx)->x).off;
}

static double index_size(const struct bench *b)
{
	static const char *const files[] = {"", "-wal"};
	double size = 0;

	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		char *path = xasprintf("%s%s", b->index, files[i]);
		struct stat st;

		size += stat(path, &st) ? 0 : (double)st.st_size;
		free(path);
	}
	return size;
}

static void open_index(struct bench *b)
{
	struct err err = {0};
	bool rebuilt;

	check(index_open(&b->x, b->index, &rebuilt, &err), &err);
}

static void build(struct bench *b)
{
	const struct follower_kind kind = {.name = "index", .apply = apply,
					   .place = place, .ctx = b,
					   .take = take, .commit = commit_all,
					   .at_once = 131072};
	const uint64_t head = journal_head(b->j).seq;
	const int64_t start = clock_mono_us();
	double took, cpu = cpu_seconds();
	struct follower *f;

	open_index(b);
	if (index_cursor(b->x).seq < head) {
		f = follower_start(&kind, b->j, index_cursor(b->x).seq);
		while (follower_wait(f, head, 1000000))
			;
		took = seconds_since(start);
		follower_stop(f, 0);
		say("query_index_rebuild", took, "s");
		say("query_index_rebuild_cpu", cpu_seconds() - cpu, "s");
		say("query_index_rebuild_rate", (double)head / took,
		    "records/s");
	}
	index_close(b->x);
	b->x = NULL;
	say("query_index_size", index_size(b) / 1e6, "MB");
	say("query_index_size_each", index_size(b) / (double)head, "bytes");
}

/* What a start after a kill has to look at before it can go on. */
static void reopen(struct bench *b)
{
	int64_t start;

	journal_close(b->j);
	start = clock_mono_us();
	open_journal(b);
	open_index(b);
	say("query_restart", seconds_since(start) * 1e3, "ms");
	index_close(b->x);
	b->x = NULL;
}

static void verify(struct bench *b)
{
	const int64_t start = clock_mono_us();
	struct journal_report report;
	struct err err = {0};

	check(journal_verify(b->audit, NULL, NULL, &report, &err), &err);
	check(!report.ok, &(struct err){.detail = "not ok"});
	say("query_verify", seconds_since(start), "s");
}

struct question {
	const char *name;
	struct record_filter f;
	bool corr, task, run, since, after;	/* of some record by chance */
};

static const struct question questions[] = {
	{"correlation", {.types = "*"}, .corr = true},
	{"task", {.types = "*"}, .task = true},
	{"run_events", {0}, .run = true},
	{"task_type_since", {.types = "task_result"}, .task = true,
	 .since = true},
	{"type_actor_since", {.types = "policy_denied", .actor = "codex"},
	 .since = true},
	{"types_actor_since", {.types = "task_approved,policy_denied",
			       .actor = "ann"}, .since = true},
	{"type_since", {.types = "run_started"}, .since = true},
	{"requests_of_actor_since", {.types = "request", .actor = "console"},
	 .since = true},
	{"status_since", {.types = "*", .status = 500}, .since = true},
	{"no_such_actor", {.types = "*", .actor = "nobody"}},
	{"page_of_all", {.types = "*"}, .after = true},
	{"page_of_events", {0}, .after = true},
};

static uint64_t any(const struct bench *b)
{
	uint64_t x = (uint64_t)next_random() << 32;

	return (x | next_random()) % b->upto;
}

/* One answer's work; returns the records in it. */
static size_t ask(struct bench *b, const struct question *q)
{
	struct record_filter f = q->f;
	struct record_place p[PAGE];
	struct err err = {0};
	struct life l;
	size_t n;

	life_ids(life_chain(any(b)), &l);
	f.limit = PAGE;
	f.correlation_id = q->corr ? l.corr : NULL;
	f.task_id = q->task ? l.task : NULL;
	f.run_id = q->run ? l.run : NULL;
	f.since_us = q->since ? (int64_t)(b->first_us +
		any(b) * (b->last_us - b->first_us) / b->upto) : 0;
	f.after_seq = q->after ? any(b) : 0;
	check(reader_records(b->r, &f, p, &n, &err), &err);
	for (size_t i = 0; i < n; i++)
		check(journal_read(b->j, p[i].off, p[i].len, b->line, &err),
		      &err);
	return n;
}

static int by_value(const void *a, const void *b)
{
	const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static void measure(struct bench *b, const struct question *q)
{
	int64_t took[ROUNDS];
	size_t found = 0;
	char name[96];

	for (int i = 0; i < ROUNDS; i++) {
		const int64_t start = clock_mono_us();

		found += ask(b, q);
		took[i] = clock_mono_us() - start;
	}
	qsort(took, ROUNDS, sizeof(*took), by_value);
	snprintf(name, sizeof(name), "query_%s_p50", q->name);
	say(name, (double)took[ROUNDS / 2] / 1e3, "ms");
	snprintf(name, sizeof(name), "query_%s_p99", q->name);
	say(name, (double)took[ROUNDS * 99 / 100] / 1e3, "ms");
	snprintf(name, sizeof(name), "query_%s_found", q->name);
	say(name, (double)found / ROUNDS, "records");
}

static int note_time(struct record *r, void *data, struct err *err)
{
	(void)err;
	*(uint64_t *)data = (uint64_t)r->ts_us;
	return 1;
}

static void times(struct bench *b)
{
	struct record_filter f = {.types = "*", .limit = 1,
				  .after_seq = b->upto - 1};
	struct record_place p;
	struct err err = {0};
	size_t n;

	check(reader_records(b->r, &f, &p, &n, &err) || n != 1, &err);
	journal_replay(b->j, 0, note_time, &b->first_us, &err);
	journal_replay(b->j, p.off, note_time, &b->last_us, &err);
}

static void ask_all(struct bench *b)
{
	struct err err = {0};

	check(reader_open(&b->r, b->index, &err), &err);
	times(b);
	for (size_t i = 0; i < ARRAY_LEN(questions); i++)
		measure(b, &questions[i]);
	reader_close(b->r);
}

/* What somebody has who has no index: the second run, out of memory. */
static void peer(const struct bench *b, const char *name)
{
	char *sql = xasprintf("command -v %s >/dev/null && cd '%s' && "
			      "%s -cF c-0123456789abcdef *.jsonl >/dev/null; "
			      "[ $? -lt 2 ]", name, b->audit, name);
	char label[64];
	int64_t start;

	snprintf(label, sizeof(label), "command -v %s >/dev/null", name);
	if (!system(label))
		for (int i = 0; i < 2; i++) {
			start = clock_mono_us();
			if (system(sql))
				break;
			snprintf(label, sizeof(label), "%s_correlation", name);
			if (i)
				say(label, seconds_since(start) * 1e3, "ms");
		}
	free(sql);
}

int main(int argc, char **argv)
{
	struct bench b = {
		.upto = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000,
		.dir = xasprintf("%s/bench-query", argc > 2 ? argv[2] : "."),
		.line = xmalloc(RECORD_LINE_MAX),
	};

	json_setup();
	b.audit = xasprintf("%s/audit", b.dir);
	b.index = xasprintf("%s/index.db", b.dir);
	if (b.upto < 2 || (mkdir(b.dir, 0700) && access(b.dir, W_OK)))
		return 2;
	open_journal(&b);
	fill(&b);
	build(&b);
	reopen(&b);
	ask_all(&b);
	verify(&b);
	peer(&b, "rg");
	peer(&b, "grep");
	journal_close(b.j);
	if (!getenv("KEEP"))
		fs_remove_tree(b.dir);
	return 0;
}
