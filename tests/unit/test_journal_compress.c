/* Sealed segments become .zst; whatever happens, the bytes are there once. */
#include "tests/unit/journals.h"

#include <sys/file.h>
#include <sys/stat.h>

#include "agent/store/journal_segments.h"
#include "agent/store/journal_zst.h"

/* A journal of 30 records cut into segments that begin with these. */
static const uint64_t firsts[] = {1, 9, 10, 22};

struct cut { struct place p; char *text; size_t at[5]; };

static size_t line_start(const char *text, uint64_t seq)
{
	const char *at = text;

	while (--seq)
		at = strchr(at, '\n') + 1;
	return (size_t)(at - text);
}

static void put(const struct cut *c, size_t i)
{
	char *path = segment_path(c->p.dir, firsts[i], false);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	ck_assert(fd >= 0 && !fs_write_all(fd, c->text + c->at[i],
					   c->at[i + 1] - c->at[i]));
	close(fd);
	free(path);
}

static struct cut cut_new(void)
{
	struct cut c = {.p = place_new()};
	size_t len;

	fill(&c.p, 30);
	c.text = slurp(&c.p, &len);
	len = (size_t)((char *)memrchr(c.text, '}', len) + 2 - c.text);
	for (size_t i = 0; i < ARRAY_LEN(firsts); i++)
		c.at[i] = line_start(c.text, firsts[i]);
	c.at[ARRAY_LEN(firsts)] = len;
	for (size_t i = 0; i < ARRAY_LEN(firsts); i++)
		put(&c, i);
	return c;
}

static void cut_end(struct cut *c)
{
	free(c->text);
	fs_remove_tree(c->p.dir);
}

static bool there(const struct cut *c, size_t i, bool packed)
{
	char *path = segment_path(c->p.dir, firsts[i], packed);
	bool is = !access(path, F_OK);

	free(path);
	return is;
}

/* Segment i is there once, in this form, with its bytes. */
static void is(const struct cut *c, size_t i, bool packed)
{
	const size_t len = c->at[i + 1] - c->at[i];
	char *path = segment_path(c->p.dir, firsts[i], packed);
	char *out = xmalloc(len);
	struct err err = {0};
	struct zst *z;
	int fd = open(path, O_RDONLY);

	ck_assert_msg(there(c, i, packed) && !there(c, i, !packed), "%zu", i);
	if (!packed) {
		ck_assert_int_eq(pread(fd, out, len, 0), (ssize_t)len);
	} else {
		ck_assert(!zst_open(&z, fd, &err) && zst_size(z) == len);
		ck_assert(!zst_pread(z, 0, len, out, &err));
		zst_close(z);
	}
	ck_assert(!memcmp(out, c->text + c->at[i], len));
	close(fd);
	free(out);
	free(path);
}

static void count(void *data, const char *path, uint64_t plain,
		  uint64_t packed)
{
	ck_assert(strstr(path, ".jsonl.zst") && plain && packed);
	++*(int *)data;
}

static int compress(const struct cut *c, uint64_t keep)
{
	struct err err = {0};
	int n = 0;

	ck_assert_msg(!journal_compress(c->p.dir, keep, count, &n, &err),
		      "%s", err.detail);
	return n;
}

START_TEST(all_but_the_live_one_and_those_kept_are_compressed)
{
	struct cut c = cut_new();

	ck_assert_int_eq(compress(&c, 3), 0);
	ck_assert_int_eq(compress(&c, 2), 1);
	is(&c, 0, true);
	for (size_t i = 1; i < 4; i++)
		is(&c, i, false);
	ck_assert_int_eq(compress(&c, 0), 2);
	for (size_t i = 0; i < 4; i++)
		is(&c, i, i < 3);
	ck_assert_int_eq(compress(&c, 0), 0);
	cut_end(&c);
}
END_TEST

START_TEST(what_a_crash_left_is_made_anew)
{
	struct cut c = cut_new();
	char *path = segment_path(c.p.dir, firsts[1], true);
	char *temporary = xasprintf("%s.tmp", path);
	int fd;

	ck_assert_int_eq(compress(&c, 0), 3);
	put(&c, 1);			/* both are there, one is damaged */
	ck_assert_int_eq(truncate(path, 20), 0);
	fd = open(temporary, O_WRONLY | O_CREAT, 0600);
	ck_assert(fd >= 0 && write(fd, "half", 4) == 4);
	close(fd);
	ck_assert_int_eq(compress(&c, 0), 1);
	is(&c, 1, true);
	ck_assert(access(temporary, F_OK));
	free(temporary);
	free(path);
	cut_end(&c);
}
END_TEST

static void fails(const struct cut *c, const char *says)
{
	struct err err = {0};
	int n = 0;

	ck_assert_int_eq(journal_compress(c->p.dir, 0, count, &n, &err), -1);
	ck_assert_msg(strstr(err.detail, says) != NULL, "%s", err.detail);
}

START_TEST(what_is_not_sealed_stays_as_it_is)
{
	static const char *const ends[] = {"\n", "\n\n\n", "{\"seq\""};
	struct cut c = cut_new();
	char *path = segment_path(c.p.dir, firsts[0], false);

	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		int fd = open(path, O_WRONLY | O_APPEND);

		ck_assert(write(fd, ends[i], strlen(ends[i])) > 0);
		close(fd);
		fails(&c, "not brought to its end");
		ck_assert(there(&c, 0, false) && !there(&c, 0, true));
		put(&c, 0);
	}
	ck_assert_int_eq(truncate(path, 0), 0);
	fails(&c, "not brought to its end");
	put(&c, 0);
	ck_assert(!unlink(path) && !symlink("/dev/null", path));
	fails(&c, ".jsonl");
	ck_assert(there(&c, 1, false));
	free(path);
	cut_end(&c);
}
END_TEST

START_TEST(two_do_not_get_into_each_others_way)
{
	struct cut c = cut_new();
	char *path = segment_path(c.p.dir, firsts[0], true);
	char *temporary = xasprintf("%s.tmp", path);
	int fd = open(temporary, O_RDWR | O_CREAT, 0600);

	ck_assert(fd >= 0 && !flock(fd, LOCK_EX));
	fails(&c, "somebody else");
	ck_assert(!access(temporary, F_OK) && there(&c, 0, false));
	close(fd);
	ck_assert_int_eq(compress(&c, 0), 3);
	free(temporary);
	free(path);
	cut_end(&c);
}
END_TEST

TESTS("journal_compress", all_but_the_live_one_and_those_kept_are_compressed,
      what_a_crash_left_is_made_anew, what_is_not_sealed_stays_as_it_is,
      two_do_not_get_into_each_others_way)
