/* The journal: what is committed, and who is told so. */
#include "tests/unit/journals.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/stat.h>

static int follow(struct record *r, void *data, struct err *err)
{
	struct record **last = data;
	uint8_t prev[SHA256_RAW];
	struct record *again = record_parse(r->line, r->len, prev, err);

	ck_assert_int_eq(r->seq, *last ? (*last)->seq + 1 : 1);
	ck_assert_mem_eq(prev, *last ? (*last)->leaf : zeros, SHA256_RAW);
	ck_assert_int_eq(r->off, *last ? (*last)->off + (*last)->len + 1 : 0);
	record_unref(again);
	record_unref(*last);
	*last = record_ref(r);
	return 0;
}

START_TEST(each_record_names_the_hash_of_the_one_before)
{
	struct place p = place_new();
	struct journal_report report;
	struct record *last = NULL;
	struct journal_head head;
	struct journal *j;

	fill(&p, 10);
	j = open_ok(&p);
	append(j, "agent_started", NULL);
	commit(j);
	head = journal_head(j);
	ck_assert_int_eq(journal_replay(j, 0, follow, &last, NULL), 0);
	ck_assert_int_eq(last->seq, 11);
	ck_assert_int_eq(head.seq, 11);
	ck_assert_int_eq(head.off, last->off + last->len + 1);
	ck_assert_mem_eq(head.leaf, last->leaf, SHA256_RAW);
	record_unref(last);
	journal_close(j);
	report = verify(&p);
	ck_assert(report.ok && report.records == 11);
	ck_assert_int_eq(report.bytes, head.off);
	ck_assert_mem_eq(report.head, head.leaf, SHA256_RAW);
	fs_remove_tree(p.dir);
}
END_TEST

static int count(struct record *r, void *data, struct err *err)
{
	uint64_t *n = data;

	(void)err;
	n[n[0]++ ? 2 : 1] = r->seq;
	return r->seq == 8 ? 42 : 0;
}

START_TEST(a_replay_starts_at_any_record_and_ends_when_told)
{
	struct place p = place_new();
	uint64_t n[3] = {0}, off;
	size_t len;
	char *text, byte;
	struct journal *j;
	struct err err = {0};

	fill(&p, 9);
	text = slurp(&p, &len);
	off = (uint64_t)(strchr(strchr(text, '\n') + 1, '\n') + 1 - text);
	j = open_ok(&p);
	ck_assert_int_eq(journal_replay(j, off, count, n, NULL), 42);
	ck_assert(n[0] == 6 && n[1] == 3 && n[2] == 8);
	ck_assert_int_eq(journal_replay(j, len, count, n, NULL), 0);
	ck_assert_int_eq(n[0], 6);
	ck_assert_int_eq(journal_replay(j, off + 1, count, n, &err), -1);
	ck_assert_int_eq(journal_replay(j, len + 1, count, n, &err), -1);
	ck_assert_int_eq(journal_read(j, len - 1, 1, &byte, NULL), 0);
	ck_assert_int_eq(byte, '\n');
	ck_assert_int_eq(journal_read(j, len - 1, 2, &byte, &err), -1);
	ck_assert_int_eq(journal_read(j, UINT64_MAX, 2, &byte, &err), -1);
	journal_close(j);
	free(text);
	fs_remove_tree(p.dir);
}
END_TEST

START_TEST(a_point_of_the_past_is_known_again)
{
	struct place p = place_new();
	struct journal *j = open_ok(&p);
	struct journal_head points[4] = {journal_head(j)}, odd;
	size_t len;
	char *text;

	for (int i = 1; i < 4; i++) {
		append(j, "heartbeat", json_pack("{s:i}", "n", i));
		commit(j);
		points[i] = journal_head(j);
	}
	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(journal_has(j, &points[i], NULL), 1);
	odd = points[2], odd.off--;
	ck_assert_int_eq(journal_has(j, &odd, NULL), 0);
	odd = points[2], odd.seq++;
	ck_assert_int_eq(journal_has(j, &odd, NULL), 0);
	odd = points[2], odd.leaf[0] ^= 1;
	ck_assert_int_eq(journal_has(j, &odd, NULL), 0);
	odd = points[3], odd.off++;
	ck_assert_int_eq(journal_has(j, &odd, NULL), 0);
	odd = points[1], odd.off = 0;
	ck_assert_int_eq(journal_has(j, &odd, NULL), 0);
	journal_close(j);
	/* An older copy is whole in itself; only its past tells. */
	text = slurp(&p, &len);
	spill(&p, text, points[2].off);
	free(text);
	ck_assert(verify(&p).ok);
	j = open_ok(&p);
	ck_assert_int_eq(journal_has(j, &points[3], NULL), 0);
	ck_assert_int_eq(journal_has(j, &points[2], NULL), 1);
	append(j, "heartbeat", json_pack("{s:i}", "n", 9));
	commit(j);
	ck_assert_int_eq(journal_has(j, &points[3], NULL), 0);
	journal_close(j);
	fs_remove_tree(p.dir);
}
END_TEST

START_TEST(time_never_goes_back_even_if_the_clock_does)
{
	struct place p = place_new();
	const int64_t future = 4102444800000000;	/* 2100 */
	struct entry e = {.type = "t"};
	struct record *r = record_make(&e, 1, future, zeros, NULL);
	struct buf b = {0};
	struct journal *j;

	buf_add(&b, r->line, r->len);
	buf_adds(&b, "\n");
	spill(&p, b.data, b.len);
	buf_fini(&b);
	record_unref(r);
	j = open_ok(&p);
	r = journal_append(j, &e, NULL);
	ck_assert_int_eq(r->ts_us, future);
	commit(j);
	journal_close(j);
	ck_assert(verify(&p).ok);
	fs_remove_tree(p.dir);
}
END_TEST

START_TEST(a_journal_has_one_writer)
{
	struct place p = place_new();
	struct journal *j = open_ok(&p), *other = NULL;
	struct journal_repair repair;
	struct err err = {0};

	ck_assert_int_eq(journal_open(&other, p.dir, NULL, &repair, &err), -1);
	ck_assert_msg(strstr(err.detail, "in use") != NULL, "%s", err.detail);
	journal_close(j);
	journal_close(open_ok(&p));
	fs_remove_tree(p.dir);
}
END_TEST

START_TEST(an_entry_that_is_too_long_harms_no_other)
{
	struct place p = place_new();
	struct journal *j = open_ok(&p);
	char *text = xcalloc(1, 70000);
	struct entry big = {.type = "t", .route = text};
	struct err err = {0};
	struct record *r;

	append(j, "heartbeat", NULL);
	memset(text, 'a', 69999);
	ck_assert_ptr_null(journal_append(j, &big, &err));
	ck_assert_int_eq(err.code, ERR_task_too_large);
	append(j, "heartbeat", NULL);
	commit(j);
	/* The longest that fits is one that can be read again. */
	text[RECORD_LINE_MAX] = 0;
	while (!(r = journal_append(j, &big, NULL)))
		text[strlen(text) - 1] = 0;
	ck_assert_int_eq(r->len, RECORD_LINE_MAX);
	commit(j);
	journal_close(j);
	ck_assert_int_eq(verify(&p).records, 3);
	j = open_ok(&p);
	ck_assert_int_eq(journal_head(j).seq, 3);
	journal_close(j);
	free(text);
	fs_remove_tree(p.dir);
}
END_TEST

static void unlink_it(void *p)
{
	unlink(((struct place *)p)->file);
}

static void rename_it(void *p)
{
	char away[160];

	snprintf(away, sizeof(away), "%s.away", ((struct place *)p)->file);
	ck_assert_int_eq(rename(((struct place *)p)->file, away), 0);
}

static void replace_it(void *p)
{
	size_t len;
	char *text = slurp(p, &len);

	rename_it(p);
	spill(p, text, len);
	free(text);
}

static void truncate_it(void *p)
{
	ck_assert_int_eq(truncate(((struct place *)p)->file, 10), 0);
}

static void write_into_it(void *p)
{
	int fd = open(((struct place *)p)->file, O_WRONLY | O_APPEND);

	ck_assert_int_eq(write(fd, "x\n", 2), 2);
	close(fd);
}

/* What fdatasync says of a pipe is EINVAL: a sync that fails. */
static void break_sync(void *p)
{
	char name[64], target[160];
	int pipes[2];

	ck_assert_int_eq(pipe(pipes), 0);
	for (int fd = 3; fd < 256; fd++) {
		ssize_t n;

		snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
		n = readlink(name, target, sizeof(target) - 1);
		target[n < 0 ? 0 : n] = 0;
		if (!strcmp(target, ((struct place *)p)->file))
			dup2(pipes[1], fd);
	}
}

START_TEST(a_commit_fails_for_good_when_the_file_is_not_the_one)
{
	static const struct {
		void (*attack)(void *);
		const char *says;
	} cases[] = {
		{unlink_it, "was deleted"}, {rename_it, "No such file"},
		{replace_it, "another file"}, {truncate_it, "has 10 bytes"},
		{write_into_it, "bytes where"}, {break_sync, "syncing"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct place p = place_new();
		struct journal *j = open_ok(&p);
		struct journal_head head;
		struct err err = {0};

		append(j, "heartbeat", NULL);
		commit(j);
		head = journal_head(j);
		journal_on_sync(j, cases[i].attack, &p);
		append(j, "heartbeat", NULL);
		commit_fails(j, cases[i].says);
		journal_on_sync(j, NULL, NULL);
		ck_assert_ptr_null(journal_append(
			j, &(struct entry){.type = "t"}, &err));
		ck_assert_int_eq(err.code, ERR_audit_unavailable);
		commit_fails(j, cases[i].says);
		ck_assert_int_eq(journal_head(j).seq, head.seq);
		journal_close(j);
		fs_remove_tree(p.dir);
	}
}
END_TEST

START_TEST(a_full_disk_seals_and_leaves_what_was_committed)
{
	struct place p = place_new();
	struct journal *j = open_ok(&p);
	struct rlimit limit = {.rlim_max = RLIM_INFINITY};
	struct journal_head head;
	size_t len;

	append(j, "heartbeat", NULL);
	commit(j);
	head = journal_head(j);
	signal(SIGXFSZ, SIG_IGN);
	limit.rlim_cur = head.off + 300;	/* one and a bit of the two */
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	append(j, "heartbeat", NULL);
	append(j, "heartbeat", NULL);
	commit_fails(j, "writing");
	limit.rlim_cur = RLIM_INFINITY;
	setrlimit(RLIMIT_FSIZE, &limit);
	commit_fails(j, "writing");
	ck_assert_int_eq(journal_head(j).off, head.off);
	journal_close(j);
	/* Of what was refused nothing comes back with the next start. */
	free(slurp(&p, &len));
	ck_assert_int_eq(len, head.off);
	j = open_ok(&p);
	append(j, "heartbeat", NULL);
	commit(j);
	ck_assert_int_eq(journal_head(j).seq, head.seq + 1);
	journal_close(j);
	ck_assert(verify(&p).ok);
	fs_remove_tree(p.dir);
}
END_TEST

static void look_at_head(void *data)
{
	struct { struct journal *j; struct place p; uint64_t seq; } *s = data;
	size_t len;

	s->seq = journal_head(s->j).seq;
	free(slurp(&s->p, &len));
	ck_assert_int_gt(len, journal_head(s->j).off);	/* it is written */
}

START_TEST(nothing_is_committed_before_the_sync)
{
	struct { struct journal *j; struct place p; uint64_t seq; } s;

	s.p = place_new();
	s.j = open_ok(&s.p);
	append(s.j, "heartbeat", NULL);
	ck_assert_int_eq(journal_head(s.j).seq, 0);
	s.seq = 99;
	journal_on_sync(s.j, look_at_head, &s);
	commit(s.j);
	ck_assert_int_eq(s.seq, 0);
	ck_assert_int_eq(journal_head(s.j).seq, 1);
	s.seq = 99;
	commit(s.j);			/* nothing to do: no sync */
	ck_assert_int_eq(s.seq, 99);
	journal_close(s.j);
	fs_remove_tree(s.p.dir);
}
END_TEST

struct shared { struct journal *j; atomic_bool done; };

static void *read_along(void *data)
{
	struct shared *s = data;
	bool last;

	do {
		struct record *r = NULL;
		struct journal_head head;
		struct err err = {0};
		char *line;

		last = atomic_load(&s->done);
		head = journal_head(s->j);
		ck_assert_msg(!journal_replay(s->j, 0, follow, &r, &err),
			      "%s", err.detail);
		ck_assert(!head.seq || r->seq >= head.seq);
		if (r) {
			line = xmalloc(r->len);
			ck_assert(!journal_read(s->j, r->off, r->len, line,
						NULL));
			ck_assert_mem_eq(line, r->line, r->len);
			free(line);
		}
		record_unref(r);
	} while (!last);
	return NULL;
}

START_TEST(two_threads_read_while_one_appends)
{
	struct place p = place_new();
	struct shared s = {.j = open_ok(&p)};
	pthread_t readers[2];

	for (int i = 0; i < 2; i++)
		pthread_create(&readers[i], NULL, read_along, &s);
	for (int i = 0; i < 300; i++) {
		for (int k = 0; k <= i % 4; k++)
			append(s.j, "heartbeat", json_pack("{s:i}", "i", i));
		commit(s.j);
	}
	atomic_store(&s.done, true);
	for (int i = 0; i < 2; i++)
		pthread_join(readers[i], NULL);
	journal_close(s.j);
	ck_assert(verify(&p).ok);
	fs_remove_tree(p.dir);
}
END_TEST

TESTS("journal",
      each_record_names_the_hash_of_the_one_before,
      a_replay_starts_at_any_record_and_ends_when_told,
      a_point_of_the_past_is_known_again,
      time_never_goes_back_even_if_the_clock_does,
      a_journal_has_one_writer,
      an_entry_that_is_too_long_harms_no_other,
      a_commit_fails_for_good_when_the_file_is_not_the_one,
      a_full_disk_seals_and_leaves_what_was_committed,
      nothing_is_committed_before_the_sync,
      two_threads_read_while_one_appends)
