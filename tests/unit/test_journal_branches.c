/*
 * Opening, writing and reading where hardly anything ever goes: folders that
 * are wrong, calls that fail at the worst place.
 */
#include "tests/unit/journals.h"

#include <inttypes.h>
#include <sys/file.h>

#include "agent/store/journal_live.h"
#include "agent/store/journal_map.h"
#include "agent/store/journal_piece.h"
#include "agent/store/journal_segments.h"
#include "tests/unit/disk_calls.h"

#define SMALL 4096
#define BIG 15000		/* bytes of a record's text */

static const struct journal_options small = {.segment = SMALL, .alone = true};

static struct { int flock_error, thread_error; } says;

int __real_flock(int fd, int how);
int __wrap_flock(int fd, int how);
int __wrap_flock(int fd, int how)
{
	errno = says.flock_error;
	return says.flock_error ? -1 : __real_flock(fd, how);
}

int __real_pthread_create(pthread_t *t, const pthread_attr_t *attr,
			  void *(*fn)(void *), void *arg);
int __wrap_pthread_create(pthread_t *t, const pthread_attr_t *attr,
			  void *(*fn)(void *), void *arg);
int __wrap_pthread_create(pthread_t *t, const pthread_attr_t *attr,
			  void *(*fn)(void *), void *arg)
{
	return says.thread_error ? says.thread_error :
				   __real_pthread_create(t, attr, fn, arg);
}

static struct journal *open_with(const struct place *p,
				 const struct journal_options *o,
				 struct err *err)
{
	struct journal_repair repair;
	struct journal *j = NULL;

	*err = (struct err){0};
	return journal_open(&j, p->dir, o, &repair, err) ? NULL : j;
}

static struct journal *open_small(const struct place *p)
{
	struct err err;
	struct journal *j = open_with(p, &small, &err);

	ck_assert_msg(j != NULL, "%s", err.detail);
	return j;
}

static void refuses(const struct place *p, const char *want)
{
	struct err err;

	ck_assert_ptr_null(open_with(p, &small, &err));
	ck_assert_msg(strstr(err.detail, want) != NULL, "%s: %s", want,
		      err.detail);
}

static void add_big(struct journal *j)
{
	static char text[BIG];

	memset(text, 'x', sizeof(text) - 1);
	append(j, "heartbeat", json_pack("{s:s}", "text", text));
}

/* Segments that begin with each record from 1 to n. */
static void make(const struct place *p, int n)
{
	struct journal *j = open_small(p);

	for (int i = 0; i < n; i++) {
		add_big(j);
		commit(j);
	}
	journal_close(j);
}

static const char *path_of(const struct place *p, uint64_t first,
			   const char *end)
{
	static char out[160];

	snprintf(out, sizeof(out), "%s/%020" PRIu64 "%s", p->dir, first, end);
	return out;
}

static void put(const char *path, int flags, const char *text, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | flags, 0600);

	ck_assert(fd >= 0 && !fs_write_all(fd, text, len));
	close(fd);
}

static void no_end(const struct place *p)
{
	ck_assert_int_eq(truncate(path_of(p, 2, ".jsonl"), 1000), 0);
}

static void no_lf(const struct place *p)
{
	struct stat st;

	ck_assert_int_eq(stat(path_of(p, 2, ".jsonl"), &st), 0);
	ck_assert_int_eq(truncate(path_of(p, 2, ".jsonl"), st.st_size - 1),
			 0);
}

static void empty(const struct place *p)
{
	put(path_of(p, 2, ".jsonl"), O_TRUNC, "", 0);
}

static void no_record(const struct place *p)
{
	put(path_of(p, 2, ".jsonl"), O_APPEND, "{\"x\":1}\n", 8);
}

static void two_fills(const struct place *p)
{
	put(path_of(p, 1, ".jsonl"), O_APPEND, "\n\n", 2);
	put(path_of(p, 2, ".jsonl"), O_APPEND, "\n\n", 2);
}

static void leads_away(const struct place *p)
{
	unlink(path_of(p, 2, ".jsonl"));
	ck_assert(!symlink("gone", path_of(p, 2, ".jsonl")));
}

static void packed_away(const struct place *p)
{
	unlink(path_of(p, 2, ".jsonl"));
	ck_assert(!symlink("gone", path_of(p, 2, ".jsonl.zst")));
}

static void packed_badly(const struct place *p)
{
	unlink(path_of(p, 2, ".jsonl"));
	put(path_of(p, 2, ".jsonl.zst"), 0, "nothing", 7);
}

static void live_away(const struct place *p)
{
	unlink(path_of(p, 4, ".jsonl"));
	ck_assert(!symlink("gone", path_of(p, 4, ".jsonl")));
}

static const char *misnamed;

static void wrong_name(const struct place *p)
{
	char path[160];

	snprintf(path, sizeof(path), "%s/%s", p->dir, misnamed);
	put(path, 0, "", 0);
}

START_TEST(a_folder_that_is_wrong_is_not_opened)
{
	static const struct {
		void (*spoil)(const struct place *p);
		const char *says, *name;
	} cases[] = {
		{no_end, "does not end with a record"},
		{no_lf, "does not end with a record"},
		{empty, "does not end with a record"},
		{no_record, "is no record"},
		{two_fills, "does not end with a record"},
		{leads_away, "symbolic links"},
		{packed_away, "symbolic links"},
		{packed_badly, "table of frames"},
		{live_away, "symbolic links"},
		{wrong_name, "is no part of", "a.jsonl"},
		{wrong_name, "is no part of", "000000000000000000011.jsonl"},
		{wrong_name, "is no part of", "99999999999999999999.jsonl"},
		{wrong_name, "is no part of", "00000000000000000000.jsonl"},
		{wrong_name, "is no part of", "00000000000000000009x.jsonl"},
		{wrong_name, "is no part of", "00000000000000000009.jsonl"
			".jsonl.zst"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct place p = place_new();

		make(&p, 4);
		misnamed = cases[i].name;
		cases[i].spoil(&p);
		refuses(&p, cases[i].says);
		fs_remove_tree(p.dir);
	}
}
END_TEST

START_TEST(a_folder_that_cannot_be_had_is_not_opened)
{
	struct place p = place_new(), none = {.dir = "/dev/null/none"};
	struct segments s;
	struct err err;

	refuses(&none, "/dev/null");
	ck_assert_int_eq(segments_read(&s, none.dir, NULL), -1);
	says.flock_error = ENOLCK;
	refuses(&p, "is in use");
	says.flock_error = 0;
	says.thread_error = EAGAIN;
	ck_assert_ptr_null(open_with(&p, NULL, &err));
	ck_assert_msg(strstr(err.detail, "thread") != NULL, "%s", err.detail);
	says.thread_error = 0;
	journal_close(open_small(&p));
	journal_close(NULL);
	live_free(NULL);
	map_free(NULL);
	fs_remove_tree(p.dir);
}
END_TEST

START_TEST(a_newest_segment_that_is_packed_is_followed_by_another)
{
	struct place p = place_new();
	struct journal *j;

	make(&p, 3);
	ck_assert(!journal_compress(p.dir, 0, NULL, NULL, NULL));
	ck_assert(!unlink(path_of(&p, 3, ".jsonl")));
	ck_assert(!access(path_of(&p, 2, ".jsonl.zst"), F_OK));
	ck_assert(access(path_of(&p, 2, ".jsonl"), F_OK));
	j = open_small(&p);
	ck_assert_uint_eq(journal_head(j).seq, 2);
	add_big(j);
	commit(j);
	journal_close(j);
	ck_assert_uint_eq(verify(&p).records, 3);
	fs_remove_tree(p.dir);
}
END_TEST

START_TEST(a_first_record_that_is_not_its_files_is_damage)
{
	struct place p = place_new();
	struct journal *j = open_ok(&p);
	int fd;

	for (int i = 0; i < 70; i++)
		add_big(j);
	commit(j);
	journal_close(j);
	fd = open(p.file, O_WRONLY);
	ck_assert_int_eq(pwrite(fd, "2", 1, 7), 1);
	close(fd);
	refuses(&p, "is not what its file begins with");
	fs_remove_tree(p.dir);
}
END_TEST

START_TEST(a_long_repair_that_fails_is_told)
{
	struct place p = place_new();
	struct journal *j = open_small(&p);
	struct buf b = {0};
	int fd;

	buf_adds(&b, "{\"seq\":1,\"ts\":\"");
	for (int i = 0; i < 10000; i++)
		buf_adds(&b, "x");
	journal_close(j);
	fd = open(p.file, O_WRONLY);
	ck_assert(!fs_write_all(fd, b.data, b.len));
	close(fd);
	disk_breaks(DISK_FAILS, "pwrite", 2, EIO);
	refuses(&p, "writing over the torn end");
	disk_well();
	journal_close(open_small(&p));
	ck_assert_uint_eq(verify(&p).records, 0);
	buf_fini(&b);
	fs_remove_tree(p.dir);
}
END_TEST

START_TEST(a_write_of_several_that_fails_seals)
{
	const struct journal_options o = {.alone = true};
	struct place p = place_new();
	struct err err;
	struct journal *j = open_with(&p, &o, &err);
	struct journal_trouble t;

	ck_assert_ptr_nonnull(j);
	for (int i = 0; i < 80; i++)
		add_big(j);
	disk_breaks(DISK_FAILS, "pwrite", 1, EIO);
	commit_fails(j, "writing");
	disk_well();
	ck_assert(!journal_full(j));
	ck_assert(journal_trouble(j, &t) && t.sealed && t.since_us);
	ck_assert_msg(strstr(t.why, "writing") != NULL, "%s", t.why);
	ck_assert_int_eq(journal_ready(j, &err), -1);
	journal_close(j);
	ck_assert_uint_eq(verify(&p).records, 0);
	fs_remove_tree(p.dir);
}
END_TEST

static void count(void *n)
{
	++*(int *)n;
}

START_TEST(a_next_segment_that_cannot_be_undone_seals)
{
	struct place p;
	struct journal *j;
	int steps = 0;

	for (int sync = 0; sync < 2; sync++) {
		p = place_new();
		j = open_small(&p);
		journal_on_rotate(j, count, &steps);
		add_big(j);
		commit(j);
		add_big(j);
		if (sync)
			disk_breaks(DISK_FAILS_ON, "fsync", 1, EIO);
		else
			put(path_of(&p, 2, ".jsonl"), 0, "", 0);
		commit_fails(j, "");
		disk_well();
		journal_close(j);
		fs_remove_tree(p.dir);
	}
	ck_assert_int_gt(steps, 0);
}
END_TEST

START_TEST(a_point_whose_line_does_not_end_there_is_not_had)
{
	struct place p = place_new();
	struct journal *j = open_small(&p);
	struct journal_head head;
	int fd;

	add_big(j);
	commit(j);
	head = journal_head(j);
	ck_assert_int_eq(journal_has(j, &head, NULL), 1);
	fd = open(p.file, O_WRONLY);
	ck_assert_int_eq(pwrite(fd, "x", 1, (off_t)head.off - 1), 1);
	close(fd);
	ck_assert_int_eq(journal_has(j, &head, NULL), 0);
	journal_close(j);
	fs_remove_tree(p.dir);
}
END_TEST

static int nothing(struct record *r, void *data, struct err *err)
{
	(void)r, (void)data, (void)err;
	return 0;
}

START_TEST(more_segments_are_read_than_are_kept_open)
{
	struct place p = place_new();
	struct journal *j;
	struct err err = {0};

	make(&p, 14);
	j = open_small(&p);
	for (int i = 0; i < 3; i++)
		ck_assert_msg(!journal_replay(j, 0, nothing, NULL, &err), "%s",
			      err.detail);
	unlink(path_of(&p, 1, ".jsonl"));
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(journal_replay(j, 0, nothing, NULL, &err),
				 -1);
	journal_close(j);
	fs_remove_tree(p.dir);
}
END_TEST

START_TEST(a_fill_is_cut_off_or_that_is_told)
{
	static const char *const calls[] = {"openat", "ftruncate", "fsync"};
	struct place p = place_new();
	struct piece *piece;
	struct err err = {0};

	make(&p, 1);
	ck_assert(!piece_open(&piece, p.dir, 1, &err));
	for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
		disk_breaks(DISK_FAILS, calls[i], 1, EIO);
		ck_assert_int_eq(piece_cut(piece, 10, &err), -1);
		disk_well();
	}
	ck_assert_int_eq(piece_cut(piece, 10, &err), 0);
	piece_unref(piece);
	fs_remove_tree(p.dir);
}
END_TEST

TESTS("journal, branch by branch",
      a_folder_that_is_wrong_is_not_opened,
      a_folder_that_cannot_be_had_is_not_opened,
      a_newest_segment_that_is_packed_is_followed_by_another,
      a_first_record_that_is_not_its_files_is_damage,
      a_long_repair_that_fails_is_told,
      a_write_of_several_that_fails_seals,
      a_next_segment_that_cannot_be_undone_seals,
      a_point_whose_line_does_not_end_there_is_not_had,
      more_segments_are_read_than_are_kept_open,
      a_fill_is_cut_off_or_that_is_told)
