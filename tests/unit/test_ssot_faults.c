/* The task repository where something is in its way. */
#include "tests/unit/ssot_repo.h"

#include <fcntl.h>
#include <unistd.h>

START_TEST(it_goes_on_where_it_was_after_a_restart)
{
	struct ssot *s = store_new();

	for (uint64_t seq = 1; seq <= 5; seq++) {
		apply(s, task_record(seq, seq % 2 ? "t-1" : "t-2", (int)seq));
		ssot_close(s);
		ck_assert_int_eq(open_store(&s, NULL), 0);
		ck_assert_uint_eq(ssot_seq(s), seq);
	}
	ck_assert_str_eq(sh("git -C %s ls-tree -r --name-only main | wc -l",
			    path), "3");
	ck_assert_str_eq(sh("git -C %s rev-list --count main", path), "5");
	store_end(s);
}
END_TEST

START_TEST(git_may_repack_while_the_agent_writes)
{
	struct ssot *s = store_new();

	for (uint64_t seq = 1; seq <= 12; seq++) {
		apply(s, task_record(seq, seq % 2 ? "t-1" : "t-2", (int)seq));
		if (seq % 4 == 0)
			sh("git -C %s repack -adq 2>&1", path);
		if (seq % 3 == 0)
			sh("git -C %s pack-refs --all", path);
	}
	ck_assert_str_eq(sh("git -C %s fsck --strict 2>&1", path), "");
	ck_assert_str_eq(sh("git -C %s rev-list --count main", path), "12");
	store_end(s);
}
END_TEST

START_TEST(a_ref_that_somebody_moved_stays_where_it_is)
{
	struct ssot *s = store_new(), *again;
	struct err err = {0};
	char theirs[64], ours[64];

	for (uint64_t seq = 1; seq <= 3; seq++)
		apply(s, task_record(seq, "t-1", (int)seq));
	strcpy(ours, sh("git -C %s rev-parse main", path));
	strcpy(theirs, sh("git -C %s rev-parse main~1", path));
	sh("git -C %s update-ref refs/heads/main %s", path, theirs);
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(apply_one(s, task_record(4, "t-1", 4), &err),
				 -1);
		ck_assert_int_eq(err.code, ERR_io);
		ck_assert_ptr_nonnull(strstr(err.detail, "somebody else"));
		err_fini(&err);
	}
	ck_assert_str_eq(sh("git -C %s rev-parse main", path), theirs);
	sh("git -C %s update-ref refs/heads/main %s", path, ours);
	apply(s, task_record(4, "t-1", 4));
	/* A commit of somebody else's on top is only told of. */
	sh("git -C %s update-ref refs/heads/main $(git -C %s -c user.name=x "
	   "-c user.email=x@x commit-tree -m theirs -p main 'main^{tree}')",
	   path, path);
	ck_assert_int_eq(open_store(&again, &err), 0);
	ck_assert_str_eq(ssot_moved(again), sh("git -C %s rev-parse main",
					       path));
	ck_assert_uint_eq(ssot_seq(again), 4);
	ssot_close(again);
	/* Moved back to one of ours, it goes on from there. */
	sh("git -C %s update-ref refs/heads/main %s", path, theirs);
	ssot_close(s);
	ck_assert_int_eq(open_store(&s, NULL), 0);
	ck_assert_uint_eq(ssot_seq(s), 2);
	apply(s, task_record(3, "t-1", 3));
	store_end(s);
}
END_TEST

START_TEST(a_failure_before_the_ref_changes_nothing_and_can_be_retried)
{
	struct ssot *s = store_new();
	struct err err = {0};
	char tip[64], lock[128];

	apply(s, task_record(1, "t-1", 1));
	strcpy(tip, sh("git -C %s rev-parse main", path));
	snprintf(lock, sizeof(lock), "%s/refs/heads/main.lock", path);
	close(open(lock, O_CREAT | O_WRONLY, 0644));
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(apply_one(s, task_record(2, "t-2", 1), &err),
				 -1);
		ck_assert_ptr_nonnull(strstr(err_hint_of(&err), "main.lock"));
		err_fini(&err);
		ck_assert_uint_eq(ssot_seq(s), 1);
		ck_assert_str_eq(sh("git -C %s rev-parse main", path), tip);
	}
	ck_assert_str_eq(sh("ls %s/objects/pack | wc -l", path), "4");
	unlink(lock);
	apply(s, task_record(2, "t-2", 1));
	ck_assert_uint_eq(ssot_seq(s), 2);
	ck_assert_str_eq(sh("git -C %s fsck --strict 2>&1", path), "");
	ck_assert_str_eq(sh("git -C %s rev-list --count main", path), "2");
	store_end(s);
}
END_TEST

START_TEST(a_lock_that_git_left_behind_is_removed_in_time)
{
	struct ssot *s = store_new();

	for (uint64_t seq = 1; seq <= 2; seq++) {
		sh("touch -d '30 seconds ago' %s/refs/heads/main.lock", path);
		ck_assert_int_eq(apply_one(s, task_record(seq, "t-1",
					   (int)seq), NULL), -1);
		sh("touch -d '11 minutes ago' %s/refs/heads/main.lock", path);
		apply(s, task_record(seq, "t-1", (int)seq));
	}
	ck_assert_str_eq(sh("git -C %s rev-list --count main", path), "2");
	store_end(s);
}
END_TEST

START_TEST(a_lock_that_a_kill_left_behind_is_removed_at_once)
{
	struct ssot *s = store_new();

	for (uint64_t seq = 1; seq <= 3; seq++) {
		sh("cd %s && echo x >tmp_kircerta.main && "
		   "ln tmp_kircerta.main refs/heads/main.lock", path);
		apply(s, task_record(seq, "t-1", (int)seq));
		/* Of another's lock it says nothing. */
		sh("cd %s && echo x >tmp_kircerta.main", path);
	}
	ck_assert_str_eq(sh("ls %s/refs/heads", path), "main");
	ck_assert_str_eq(sh("git -C %s rev-list --count main", path), "3");
	apply(s, task_record(4, "t-1", 4));
	ck_assert_str_eq(sh("ls %s | grep -c tmp || true", path), "0");
	store_end(s);
}
END_TEST

START_TEST(a_pack_that_a_kill_left_without_its_index_goes)
{
	struct ssot *s = store_new();

	apply(s, task_record(1, "t-1", 1));
	sh("git -C %s rev-parse main >%s/../first", path, path);
	apply(s, task_record(2, "t-1", 2));
	ssot_close(s);
	/* The kill: main is where it was, the index has no name yet. */
	sh("cd %s && git update-ref refs/heads/main $(cat ../first) && "
	   "cd objects/pack && mv $(ls -t *.idx | head -n1) tmp_kircerta_idx",
	   path);
	ck_assert_int_eq(open_store(&s, NULL), 0);
	apply(s, task_record(2, "t-other", 3));
	ck_assert_str_eq(sh("cd %s/objects/pack && ls | grep -c tmp; "
			    "ls *.pack | wc -l; ls *.idx | wc -l", path),
			 "0\n2\n2");
	ck_assert_str_eq(sh("git -C %s fsck --strict 2>&1", path), "");
	store_end(s);
}
END_TEST

START_TEST(a_folder_that_is_something_else_is_left_alone)
{
	static const struct { const char *make; bool ok; } cases[] = {
		{"mkdir %s", true},
		{"mkdir %s && touch %s/file", false},
		{"touch %s", false},
		{"git init -q --bare %s", true},
		{"git init -q --bare -b trunk %s", true},
		{"git init -q %s", false},
		{"git init -q --bare %s && cd %s && git update-ref "
		 "refs/heads/trunk $(git -c user.name=x -c user.email=x@x "
		 "commit-tree -m x $(git mktree </dev/null))", false},
		{"git init -q --bare %s && cd %s && git update-ref "
		 "refs/heads/main $(git -c user.name=x -c user.email=x@x "
		 "commit-tree -m x $(git mktree </dev/null))", false},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err err = {0};
		struct ssot *s = NULL;
		int rc;

		setup_dir();
		sh(cases[i].make, path, path);
		rc = open_store(&s, &err);
		ck_assert_msg(!rc == cases[i].ok, "%s: %s", cases[i].make,
			      err.detail);
		err_fini(&err);
		store_end(s);
	}
}
END_TEST

START_TEST(a_damaged_repository_is_an_error_and_no_crash)
{
	struct ssot *s = store_new();
	struct err err = {0};

	apply(s, task_record(1, "t-1", 1));
	ssot_close(s);
	sh("rm -f %s/objects/pack/*", path);
	ck_assert_int_eq(open_store(&s, &err), -1);
	ck_assert_int_eq(err.code, ERR_io);
	err_fini(&err);
	store_end(NULL);
}
END_TEST

START_TEST(many_small_packs_become_few_under_the_readers)
{
	struct ssot *s = store_new();
	json_t *h;

	for (uint64_t seq = 1; seq <= 200; seq++) {
		apply(s, task_record(seq, seq % 2 ? "t-1" : "t-2", (int)seq));
		if (seq % 20)
			continue;
		h = ssot_history(path, "t-1", NULL, 1000, NULL);
		ck_assert_uint_eq(json_array_size(json_object_get(h,
								  "items")), seq / 2);
		json_decref(h);
	}
	ck_assert_int_le(atoi(sh("ls %s/objects/pack/*.pack | wc -l", path)),
			 48);
	ck_assert_str_eq(sh("ls %s/objects/pack/*.pack | wc -l", path),
			 sh("ls %s/objects/pack/*.idx | wc -l", path));
	ck_assert_str_eq(sh("git -C %s fsck --strict 2>&1", path), "");
	ck_assert_str_eq(sh("git -C %s rev-list --count main", path), "200");
	store_end(s);
}
END_TEST

START_TEST(a_pack_that_is_kept_or_damaged_is_not_merged)
{
	struct ssot *s = store_new();

	apply(s, task_record(1, "t-1", 1));
	sh("cd %s/objects/pack && p=$(ls *.pack) && touch ${p%%.pack}.keep && "
	   "echo $p >../kept", path);
	apply(s, task_record(2, "t-1", 2));
	sh("cd %s/objects/pack && p=$(ls *.pack | grep -v -f ../kept) && "
	   "chmod u+w $p && echo $p >../damaged && "
	   "printf XX | dd of=$p bs=1 seek=40 conv=notrunc 2>&1", path);
	for (uint64_t seq = 3; seq <= 100; seq++)
		apply(s, task_record(seq, "t-1", (int)seq));
	sh("cd %s/objects && ls pack/$(cat kept) pack/$(cat damaged)", path);
	ck_assert_int_le(atoi(sh("ls %s/objects/pack/*.pack | wc -l", path)),
			 50);
	store_end(s);
}
END_TEST

TESTS("ssot_faults",
      it_goes_on_where_it_was_after_a_restart,
      git_may_repack_while_the_agent_writes,
      a_ref_that_somebody_moved_stays_where_it_is,
      a_failure_before_the_ref_changes_nothing_and_can_be_retried,
      a_lock_that_git_left_behind_is_removed_in_time,
      a_lock_that_a_kill_left_behind_is_removed_at_once,
      a_pack_that_a_kill_left_without_its_index_goes,
      a_folder_that_is_something_else_is_left_alone,
      a_damaged_repository_is_an_error_and_no_crash,
      many_small_packs_become_few_under_the_readers,
      a_pack_that_is_kept_or_damaged_is_not_merged)
