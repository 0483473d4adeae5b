/* Which files in its folder are a journal's. */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/store/journal_segments.h"
#include "common/err.h"
#include "common/fs.h"

static char dir[] = "/tmp/kircerta-segments-XXXXXX";

static void make(const char *name)
{
	char path[320];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	ck_assert_int_ge(fd, 0);
	close(fd);
}

static void take_away(const char *name)
{
	char path[320];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	ck_assert_int_eq(unlink(path), 0);
}

START_TEST(they_are_in_order_and_the_plain_one_counts)
{
	static const char *const names[] = {
		"00000000000000000300.jsonl", "00000000000000000001.jsonl.zst",
		"00000000000000000200.jsonl", "checkpoint", "reserve",
		"00000000000000000200.jsonl.zst", "00000000000000000001.zst",
		"00000000000000000100.jsonl.zst", "00000000000000000100.json",
		"00000000000000000200.jsonl.zst.tmp", "jsonl",
		"18446744073709551614.jsonl",
	};
	static const struct segment all[] = {
		{1, true}, {100, true}, {200, false}, {300, false},
		{UINT64_MAX - 1, false},
	};
	struct segments s;
	char *path;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	ck_assert(!segments_read(&s, dir, NULL) && !s.n);
	segments_fini(&s);
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		make(names[i]);
	ck_assert(!segments_read(&s, dir, NULL));
	ck_assert_uint_eq(s.n, ARRAY_LEN(all));
	for (size_t i = 0; i < s.n; i++) {
		ck_assert(s.at[i].first == all[i].first);
		ck_assert_int_eq(s.at[i].packed, all[i].packed);
		path = segment_path(dir, s.at[i].first, s.at[i].packed);
		ck_assert_int_eq(access(path, F_OK), 0);
		free(path);
	}
	segments_fini(&s);
	ck_assert(s.n == 0 && !s.at);
	fs_remove_tree(dir);
}
END_TEST

START_TEST(what_else_is_called_like_one_is_named)
{
	static const char *const names[] = {
		".jsonl", "x.jsonl", "1.jsonl", "0000000000000000001.jsonl",
		"000000000000000000001.jsonl", "00000000000000000000.jsonl",
		"18446744073709551615.jsonl", "99999999999999999999.jsonl",
		"00000000000000000001x.jsonl", "00000000000000000001.x.jsonl",
		"00000000000000000001.jsonl.jsonl", "0000000000000000000a.jsonl",
		"00000000000000000001x.jsonl.zst", ".jsonl.zst",
		"00000000000000000001.jsonl.zst.jsonl.zst",
	};
	struct segments s;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	make("00000000000000000001.jsonl");
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct err err = {0};

		make(names[i]);
		ck_assert_msg(segments_read(&s, dir, &err) == -1, "%s",
			      names[i]);
		ck_assert(err.code == ERR_audit_unavailable && !s.at);
		ck_assert_ptr_nonnull(strstr(err.detail, names[i]));
		take_away(names[i]);
	}
	ck_assert(!segments_read(&s, dir, NULL) && s.n == 1);
	segments_fini(&s);
	fs_remove_tree(dir);
	ck_assert(segments_read(&s, dir, NULL) == -1);
}
END_TEST

TESTS("journal segments",
      they_are_in_order_and_the_plain_one_counts,
      what_else_is_called_like_one_is_named)
