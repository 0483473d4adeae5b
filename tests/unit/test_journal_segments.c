/* The journal in several files: begun, cut, read over, missing. */
#include "tests/unit/journals.h"

#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define SMALL 4096
#define STEPS 5		/* of beginning a file: before each, after the last */

static const struct journal_options small = {.segment = SMALL, .alone = true};

static struct journal *open_small(const struct place *p)
{
	struct journal_repair repair;
	struct journal *j = NULL;
	struct err err = {0};

	ck_assert_msg(!journal_open(&j, p->dir, &small, &repair, &err), "%s",
		      err.detail);
	ck_assert(!repair.done);
	return j;
}

static void one(struct journal *j, int n)
{
	append(j, "heartbeat", json_pack("{s:i,s:s}", "n", n, "text",
					 "a\n\"b\""));
	commit(j);
}

static char *name_of(const struct place *p, uint64_t first, char out[160])
{
	snprintf(out, 160, "%s/%020" PRIu64 ".jsonl", p->dir, first);
	return out;
}

static int in_order(struct record *r, void *data, struct err *err)
{
	uint64_t *last = data;
	char line[1000];

	ck_assert_uint_eq(r->seq, ++last[0]);
	ck_assert_uint_eq(r->off, last[1]);
	last[1] += r->len + 1;
	ck_assert_int_eq(journal_read((struct journal *)(uintptr_t)last[2],
				      r->off, r->len, line, err), 0);
	ck_assert_mem_eq(line, r->line, r->len);
	return 0;
}

/* Every record there, at its place, by every way to read it. */
static void holds(const struct place *p, struct journal *j, uint64_t records)
{
	uint64_t last[3] = {0, 0, (uintptr_t)j};
	struct journal_report report;
	struct err err = {0};

	ck_assert_msg(!journal_replay(j, 0, in_order, last, &err), "%s",
		      err.detail);
	ck_assert_uint_eq(last[0], records);
	ck_assert_uint_eq(journal_head(j).off, last[1]);
	report = verify(p);
	ck_assert_msg(report.ok, "%s", report.what);
	ck_assert_uint_eq(report.records, records);
	ck_assert_uint_eq(report.bytes, last[1]);
}

static size_t segments_in(const struct place *p)
{
	return verify(p).segments;
}

START_TEST(a_full_segment_is_cut_and_the_next_is_begun)
{
	struct place p = place_new();
	struct journal *j = open_small(&p);
	uint64_t ends[100];
	struct journal_head points[100];
	struct stat st;
	size_t len;
	char *text;

	for (int i = 0; i < 100; i++) {
		one(j, i);
		points[i] = journal_head(j);
		ends[i] = points[i].off;
	}
	holds(&p, j, 100);
	ck_assert_uint_ge(segments_in(&p), 5);
	text = fs_read(p.file, 1 << 20, &len, NULL);
	ck_assert(len >= SMALL && len < SMALL + 1000);
	ck_assert(text[len - 1] == '\n' && text[len - 2] == '}');
	free(text);
	ck_assert_int_eq(stat(p.file, &st), 0);
	for (int i = 0; i < 100; i++) {		/* from every record on */
		uint64_t last[3] = {(uint64_t)i + 1, ends[i], (uintptr_t)j};

		ck_assert_int_eq(journal_has(j, &points[i], NULL), 1);
		ck_assert_int_eq(journal_replay(j, ends[i], in_order, last,
						NULL), 0);
		ck_assert_uint_eq(last[0], 100);
	}
	journal_close(j);
	j = open_small(&p);
	ck_assert_uint_eq(journal_head(j).off, ends[99]);
	ck_assert_mem_eq(journal_head(j).leaf, points[99].leaf, SHA256_RAW);
	one(j, 100);
	holds(&p, j, 101);
	journal_close(j);
	fs_remove_tree(p.dir);
}
END_TEST

struct crash { int left; };

static void crash_at(void *data)
{
	struct crash *c = data;

	if (!c->left--)
		_exit(7);
}

/* A child that ends before the step; what it had acknowledged by then. */
static uint64_t interrupted(const struct place *p, int step)
{
	uint64_t acked = 0;
	int status, pipes[2];
	pid_t pid;

	ck_assert_int_eq(pipe(pipes), 0);
	pid = fork();
	if (!pid) {
		struct crash c = {step};
		struct journal *j = open_small(p);

		journal_on_rotate(j, crash_at, &c);
		for (int i = 0; i < 1000; i++) {
			one(j, i);
			acked = journal_head(j).seq;
			if (write(pipes[1], &acked, sizeof(acked)) < 0)
				_exit(1);
		}
		_exit(0);
	}
	close(pipes[1]);
	while (read(pipes[0], &acked, sizeof(acked)) == sizeof(acked))
		;
	close(pipes[0]);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 7);
	return acked;
}

START_TEST(interrupted_at_any_step_of_it_nothing_is_lost)
{
	unsigned cases = 0;

	for (int step = 0; step < 3 * STEPS; step++) {
		struct place p = place_new();
		uint64_t acked = interrupted(&p, step), again;
		struct journal *j;

		ck_assert_uint_gt(acked, 5);
		/* Beside what the crash left: readable before the repair. */
		ck_assert_msg(verify(&p).ok, "step %d: %s", step,
			      verify(&p).what);
		again = interrupted(&p, step % STEPS);	/* and again */
		again = again ? again : acked;	/* at its first record */
		j = open_small(&p);
		holds(&p, j, again);
		one(j, 1);
		holds(&p, j, again + 1);
		journal_close(j);
		fs_remove_tree(p.dir);
		cases++;
	}
	printf("      %u interruptions, nothing lost\n", cases);
}
END_TEST

/* Files as a crash of the machine may leave them. */
START_TEST(a_begun_file_without_records_is_used)
{
	static const struct { size_t fill; char what; } cases[] = {
		{0, 0}, {1, '\n'}, {5000, '\n'}, {5000, 0},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct place p = place_new();
		struct journal_repair repair;
		struct journal *j = NULL;
		char next[160], fill[5000];
		int fd;

		j = open_small(&p);
		for (int n = 0; n < 5; n++)
			one(j, n);
		journal_close(j);
		fd = open(name_of(&p, 6, next), O_WRONLY | O_CREAT, 0600);
		memset(fill, cases[i].what, sizeof(fill));
		ck_assert_int_eq(write(fd, fill, cases[i].fill),
				 (ssize_t)cases[i].fill);
		close(fd);
		ck_assert_int_eq(journal_open(&j, p.dir, &small, &repair,
					      NULL), 0);
		ck_assert_int_eq(repair.done, cases[i].fill && !cases[i].what);
		one(j, 5);
		holds(&p, j, 6);
		ck_assert_uint_eq(segments_in(&p), 2);
		journal_close(j);
		fs_remove_tree(p.dir);
	}
}
END_TEST

static void refused(const struct place *p, const char *says)
{
	struct journal_repair repair;
	struct journal *j = NULL;
	struct err err = {0};

	ck_assert_int_eq(journal_open(&j, p->dir, &small, &repair, &err), -1);
	ck_assert_int_eq(err.code, ERR_audit_unavailable);
	ck_assert_msg(strstr(err.detail, says) != NULL, "%s: %s", says,
		      err.detail);
}

START_TEST(a_segment_that_is_missing_or_too_many_is_named)
{
	struct place p = place_new();
	struct journal *j = open_small(&p);
	char second[160] = "", third[160], away[200], other[160];
	struct journal_report report;
	uint64_t first[3] = {1, 0, 0};

	for (int i = 0, n = 1; n < 3; i++) {
		one(j, i);
		if (!access(name_of(&p, journal_head(j).seq, third), F_OK) &&
		    journal_head(j).seq > 1)
			first[n++] = journal_head(j).seq;
	}
	journal_close(j);
	name_of(&p, first[1], second);
	snprintf(away, sizeof(away), "%s.away", second);
	ck_assert_int_eq(rename(second, away), 0);
	snprintf(other, sizeof(other), "records %" PRIu64 " to %" PRIu64
		 " are missing", first[1], first[2] - 1);
	refused(&p, other);
	report = verify(&p);
	ck_assert(!report.ok && report.bad_seq == first[1]);
	ck_assert_msg(strstr(report.what, "missing") != NULL, "%s",
		      report.what);
	ck_assert_int_eq(rename(away, second), 0);
	name_of(&p, first[1] - 1, other);
	ck_assert_int_eq(link(second, other), 0);
	refused(&p, "begins where records are already");
	ck_assert(!verify(&p).ok);
	unlink(other);
	ck_assert_int_eq(rename(p.file, away), 0);
	refused(&p, "records 1 to ");
	ck_assert_int_eq(rename(away, p.file), 0);
	ck_assert_int_eq(truncate(second, 0), 0);
	refused(&p, "does not end with a record");
	fs_remove_tree(p.dir);
}
END_TEST

START_TEST(the_bad_record_is_named_with_its_file)
{
	struct place p = place_new();
	struct journal *j = open_small(&p);
	struct journal_report report;
	char second[160];
	uint64_t first = 0;
	int fd;

	for (int i = 0; i < 60; i++) {
		one(j, i);
		if (!first && journal_head(j).seq > 1 &&
		    !access(name_of(&p, journal_head(j).seq, second), F_OK))
			first = journal_head(j).seq;
	}
	journal_close(j);
	fd = open(second, O_WRONLY);
	ck_assert_int_eq(pwrite(fd, "[", 1, 0), 1);
	close(fd);
	report = verify(&p);
	ck_assert(!report.ok && report.bad_seq == first);
	ck_assert_uint_eq(report.bad_line, 1);
	ck_assert_str_eq(report.bad_file, strrchr(second, '/') + 1);
	fs_remove_tree(p.dir);
}
END_TEST

struct shared { struct journal *j; atomic_bool done; };

static int follow(struct record *r, void *data, struct err *err)
{
	struct record **last = data;

	(void)err;
	ck_assert_uint_eq(r->seq, *last ? (*last)->seq + 1 : 1);
	record_unref(*last);
	*last = record_ref(r);
	return 0;
}

static void *read_along(void *data)
{
	struct shared *s = data;
	bool last;

	do {
		struct journal_head head;
		struct record *r = NULL;
		struct err err = {0};
		char line[1000];

		last = atomic_load(&s->done);
		head = journal_head(s->j);
		ck_assert_msg(!journal_replay(s->j, 0, follow, &r, &err),
			      "%s", err.detail);
		ck_assert(!head.seq || r->seq >= head.seq);
		if (r) {
			ck_assert(!journal_read(s->j, r->off, r->len, line,
						NULL));
			ck_assert_mem_eq(line, r->line, r->len);
		}
		record_unref(r);
	} while (!last);
	return NULL;
}

START_TEST(threads_read_while_segments_begin_and_end)
{
	static const struct journal_options busy = {.segment = SMALL};
	struct place p = place_new();
	struct journal_repair repair;
	struct shared s = {0};
	pthread_t readers[3];

	ck_assert_int_eq(journal_open(&s.j, p.dir, &busy, &repair, NULL), 0);
	for (int i = 0; i < 3; i++)
		pthread_create(&readers[i], NULL, read_along, &s);
	for (int i = 0; i < 600; i++) {
		struct journal_report report;

		one(s.j, i);
		if (i % 100)
			continue;
		report = verify(&p);		/* beside it, too */
		ck_assert_msg(report.ok, "%s", report.what);
	}
	atomic_store(&s.done, true);
	for (int i = 0; i < 3; i++)
		pthread_join(readers[i], NULL);
	holds(&p, s.j, 600);
	ck_assert_uint_gt(segments_in(&p), 30);
	journal_close(s.j);
	fs_remove_tree(p.dir);
}
END_TEST

START_TEST(what_was_compressed_meanwhile_is_read_all_the_same)
{
	struct place p = place_new();
	struct journal *j = open_small(&p);
	struct err err = {0};

	for (int i = 0; i < 60; i++)
		one(j, i);
	holds(&p, j, 60);			/* some are open now */
	ck_assert_msg(!journal_compress(p.dir, 1, NULL, NULL, &err), "%s",
		      err.detail);
	ck_assert_int_eq(access(p.file, F_OK), -1);
	holds(&p, j, 60);
	for (int i = 60; i < 120; i++)
		one(j, i);
	holds(&p, j, 120);
	journal_close(j);
	j = open_small(&p);
	one(j, 120);
	holds(&p, j, 121);
	journal_close(j);
	fs_remove_tree(p.dir);
}
END_TEST

/* More in one batch than goes into one write, and than there is fill for. */
START_TEST(a_batch_of_any_size_is_written)
{
	struct place p = place_new();
	struct journal *j = open_small(&p);
	char *text = xcalloc(1, 60001);

	memset(text, 'a', 60000);
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 60; i++)
			append(j, "heartbeat", json_pack("{s:s}", "t", text));
		commit(j);
	}
	ck_assert_uint_eq(journal_head(j).seq, 120);
	journal_close(j);
	ck_assert_uint_eq(verify(&p).records, 120);
	ck_assert_uint_eq(segments_in(&p), 2);
	free(text);
	fs_remove_tree(p.dir);
}
END_TEST

START_TEST(without_room_it_is_full_and_then_goes_on)
{
	struct place p = place_new();
	struct rlimit limit = {.rlim_max = RLIM_INFINITY};
	struct journal_trouble trouble;
	struct journal_repair repair;
	struct journal *j = NULL;
	struct entry e = {.type = "agent_stopped", .own = true};
	struct err err = {0};
	uint64_t records;

	ck_assert_int_eq(journal_open(&j, p.dir, NULL, &repair, NULL), 0);
	signal(SIGXFSZ, SIG_IGN);
	limit.rlim_cur = 1 << 20;	/* no file is longer than this */
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	while (!journal_ready(j, &err)) {
		for (int i = 0; i < 10; i++)
			append(j, "heartbeat", NULL);
		commit(j);
	}
	ck_assert_int_eq(err.code, ERR_audit_unavailable);
	ck_assert(journal_full(j) && !journal_sealed(j));
	ck_assert(journal_trouble(j, &trouble) && !trouble.sealed);
	ck_assert_msg(strstr(trouble.why, "grow") != NULL, "%s", trouble.why);
	ck_assert_int_gt(trouble.since_us, 0);
	/* What one call says still fits, and then only the agent's own. */
	while (journal_append(j, &(struct entry){.type = "t"}, NULL))
		;
	for (int i = 0; i < 100; i++)
		ck_assert(journal_append(j, &e, NULL) != NULL);
	commit(j);
	records = journal_head(j).seq;
	journal_close(j);
	ck_assert_int_eq(journal_open(&j, p.dir, NULL, &repair, NULL), 0);
	ck_assert(!repair.done && journal_head(j).seq == records);
	ck_assert_int_eq(journal_ready(j, NULL), -1);
	ck_assert(journal_append(j, &e, NULL) != NULL);
	commit(j);
	limit.rlim_cur = RLIM_INFINITY;
	setrlimit(RLIMIT_FSIZE, &limit);
	for (int i = 0; journal_full(j) && i < 1000; i++)
		poll(NULL, 0, 10);
	ck_assert_int_eq(journal_ready(j, NULL), 0);
	append(j, "heartbeat", NULL);
	commit(j);
	holds(&p, j, records + 2);
	journal_close(j);
	fs_remove_tree(p.dir);
}
END_TEST

TESTS("journal segments",
      a_full_segment_is_cut_and_the_next_is_begun,
      interrupted_at_any_step_of_it_nothing_is_lost,
      a_begun_file_without_records_is_used,
      a_segment_that_is_missing_or_too_many_is_named,
      the_bad_record_is_named_with_its_file,
      threads_read_while_segments_begin_and_end,
      what_was_compressed_meanwhile_is_read_all_the_same,
      a_batch_of_any_size_is_written,
      without_room_it_is_full_and_then_goes_on)
