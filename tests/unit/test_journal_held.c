/* Which files of the journal are open after a while, and which no more. */
#include "tests/unit/journals.h"

static const struct journal_options small = {.segment = 4096, .alone = true};

static int count(struct record *r, void *data, struct err *err)
{
	(void)err;
	ck_assert_uint_eq(r->seq, ++*(uint64_t *)data);
	return 0;
}

static void read_all(struct journal *j)
{
	uint64_t n = 0;

	ck_assert(!journal_replay(j, 0, count, &n, NULL));
	ck_assert_uint_eq(n, 600);
}

/* Descriptors of segments that we hold; *gone: of those that were removed. */
static size_t held(const struct place *p, size_t *gone)
{
	char path[40], to[200];
	size_t n = 0;

	*gone = 0;
	for (int fd = 0; fd < 1024; fd++) {
		ssize_t len;

		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		len = readlink(path, to, sizeof(to) - 1);
		if (len <= 0)
			continue;
		to[len] = 0;
		if (!strstr(to, p->dir) || !strstr(to, ".jsonl"))
			continue;
		n++;
		*gone += strstr(to, "(deleted)") != NULL;
	}
	return n;
}

/* Or ever more files would be open, and give back no room once compressed. */
START_TEST(what_was_written_is_not_held_open_for_ever)
{
	struct place p = place_new();
	struct journal *j = NULL;
	struct journal_repair repair;
	struct err err = {0};
	size_t gone;

	ck_assert(!journal_open(&j, p.dir, &small, &repair, &err));
	for (int i = 0; i < 600; i++) {
		append(j, "heartbeat", json_pack("{s:i}", "n", i));
		commit(j);
	}
	ck_assert_uint_eq(held(&p, &gone), 1);
	read_all(j);
	ck_assert_uint_le(held(&p, &gone), 12);
	ck_assert_msg(!journal_compress(p.dir, 0, NULL, NULL, &err), "%s",
		      err.detail);
	held(&p, &gone);
	ck_assert_uint_gt(gone, 0);
	read_all(j);
	ck_assert_uint_le(held(&p, &gone), 12);
	ck_assert_uint_eq(gone, 0);
	journal_close(j);
	fs_remove_tree(p.dir);
}
END_TEST

TESTS("journal held", what_was_written_is_not_held_open_for_ever)
