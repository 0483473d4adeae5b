/* The packs as files: what upkeep sees, and what it may remove. */
#include "tests/unit/ssot_repo.h"

#include <fcntl.h>
#include <time.h>
#include <unistd.h>
#include <utime.h>

#include "agent/store/ssot_merge.h"
#include "agent/store/ssot_packs.h"

static char folder[128];

static size_t list(struct pack_facts **out)
{
	size_t n;

	snprintf(folder, sizeof(folder), "%s/objects/pack", path);
	ck_assert_int_eq(packs_list(folder, out, &n, NULL), 0);
	return n;
}

static void changes(struct ssot *s, uint64_t from, uint64_t n)
{
	for (uint64_t seq = from; seq < from + n; seq++)
		apply(s, task_record(seq, "t-1", (int)seq));
}

START_TEST(a_pack_is_told_with_size_age_and_whether_it_has_deltas)
{
	struct ssot *s = store_new();
	struct pack_facts *f;

	changes(s, 1, 3);
	ck_assert_uint_eq(list(&f), 3);
	for (int i = 0; i < 3; i++)
		ck_assert(f[i].whole && !f[i].kept && f[i].bytes > 1000 &&
			  f[i].changed_ns > TS && f[i].objects >= 6);
	ck_assert_uint_le(f[0].objects, f[1].objects);
	sh("touch %s/objects/pack/%s.keep", path, f[0].name);
	free(f);
	ck_assert_uint_eq(list(&f), 3);
	ck_assert(f[0].kept && !f[1].kept);
	sh("rm %s/objects/pack/%s.keep; git -C %s repack -adqf", path,
	   f[0].name, path);
	free(f);
	ck_assert_uint_eq(list(&f), 1);
	ck_assert(!f->whole);
	ck_assert_uint_eq(f->objects, 22);
	free(f);
	store_end(s);
}
END_TEST

START_TEST(a_pack_covers_another_only_if_it_has_all_of_it)
{
	struct ssot *s = store_new();
	struct pack_facts *f;
	char name[3][PACK_NAME], *all;
	struct err err = {0};

	changes(s, 1, 3);
	list(&f);
	for (int i = 0; i < 3; i++)
		memcpy(name[i], f[i].name, PACK_NAME);
	ck_assert_int_eq(pack_covers(folder, name[0], name[0], &err), 1);
	ck_assert_int_eq(pack_covers(folder, name[0], name[1], &err), 0);
	all = xasprintf("pack-%s", sh("cd %s && printf '%s.pack\n%s.pack\n' | "
				      "git pack-objects -q --stdin-packs "
				      "objects/pack/pack", path, name[0],
				      name[1]));
	ck_assert_int_eq(pack_covers(folder, all, name[0], &err), 1);
	ck_assert_int_eq(pack_covers(folder, all, name[1], &err), 1);
	ck_assert_int_eq(pack_covers(folder, all, name[2], &err), 0);
	pack_drop(folder, name[0]);
	ck_assert_int_eq(pack_covers(folder, all, name[0], &err), -1);
	err_fini(&err);
	ck_assert_str_eq(sh("git -C %s fsck --strict 2>&1", path), "");
	free(all);
	free(f);
	store_end(s);
}
END_TEST

START_TEST(what_is_held_is_not_merged_and_what_comes_later_is)
{
	struct ssot *s = store_new();
	struct pack_facts *f;
	int64_t newest = 0;
	size_t n;

	changes(s, 1, 10);
	n = list(&f);
	for (size_t i = 0; i < n; i++)
		newest = f[i].changed_ns > newest ? f[i].changed_ns : newest;
	free(f);
	ssot_packs_hold(s, newest);
	changes(s, 11, 54);
	ck_assert_uint_ge(list(&f), 11);
	free(f);
	ssot_packs_hold(s, 0);
	changes(s, 65, 32);
	ck_assert_uint_lt(list(&f), 40);
	free(f);
	ck_assert_str_eq(sh("git -C %s fsck --strict 2>&1", path), "");
	store_end(s);
}
END_TEST

START_TEST(history_goes_on_when_packs_went_away)
{
	struct ssot *s = store_new();

	changes(s, 1, 3);
	sh("git -C %s repack -adqf", path);
	ssot_packs_changed(s);
	changes(s, 4, 1);
	sh("git -C %s repack -adqf", path);
	changes(s, 5, 3);		/* not told: it finds out */
	ck_assert_str_eq(sh("git -C %s fsck --strict 2>&1", path), "");
	ck_assert_str_eq(sh("git -C %s rev-list --count main", path), "7");
	store_end(s);
}
END_TEST

START_TEST(only_what_is_old_and_in_no_use_is_swept_owners_settings_stay)
{
	struct ssot *s = store_new();
	struct utimbuf old = {1, 1};
	char file[160];
	int fd;

	snprintf(folder, sizeof(folder), "%s/objects/pack", path);
	snprintf(file, sizeof(file), "%s/tmp_pack_abc", folder);
	ck_assert_int_eq(fs_replace(file, "x", 1, 0600, NULL), 0);
	ck_assert_uint_eq(packs_sweep(folder, 86400), 0);
	utime(file, &old);
	ck_assert_uint_eq(packs_sweep(folder, 86400), 1);
	ck_assert_uint_eq(packs_sweep(folder, 86400), 0);
	old.modtime = time(NULL) - 900;
	ck_assert_int_eq(fs_replace(file, "x", 1, 0600, NULL), 0);
	utime(file, &old);
	fd = open(file, O_RDONLY);
	ck_assert_uint_eq(packs_sweep(folder, 600), 0);
	close(fd);
	ck_assert_uint_eq(packs_sweep(folder, 600), 1);
	sh("echo x | git -C %s hash-object -w --stdin", path);
	snprintf(file, sizeof(file), "%s/objects", path);
	ck_assert_uint_eq(packs_loose(file), 1);
	sh("git -C %s config gc.auto 77; "
	   "git -C %s config --unset receive.autogc || true", path, path);
	ck_assert_int_eq(packs_own(path, NULL), 0);
	ck_assert_str_eq(sh("git -C %s config gc.auto; "
			    "git -C %s config receive.autogc", path, path),
			 "77\nfalse");
	store_end(s);
}
END_TEST

TESTS("ssot_packs", a_pack_is_told_with_size_age_and_whether_it_has_deltas,
      a_pack_covers_another_only_if_it_has_all_of_it,
      what_is_held_is_not_merged_and_what_comes_later_is,
      history_goes_on_when_packs_went_away,
      only_what_is_old_and_in_no_use_is_swept_owners_settings_stay)
