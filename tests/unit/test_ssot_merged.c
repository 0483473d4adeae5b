/* What others committed, taken in by records of the journal. */
#include "tests/unit/ssot_log.h"

START_TEST(a_push_that_is_ahead_is_built_on)
{
	struct ssot *s = store_new();
	struct err err = {0};
	char theirs[64], ours[64];

	put(task_record(1, "t-1", 1));
	go_well(s);
	keep(ours, git_main());
	work_clone();
	work_task("t-1", "Record the demo", 2);
	keep(theirs, work_commit("by hand"));
	work_push("main");
	put(record_new(2, "request", NULL, NULL));
	ck_assert_int_eq(go(s, &err), -1);
	ck_assert_str_eq(ssot_moved(s), theirs);
	ck_assert_str_eq(ssot_head(s), ours);
	err_fini(&err);
	ssot_accept(s, theirs, 3);
	go_well(s);
	ck_assert_str_eq(ssot_moved(s), "");
	ck_assert_str_eq(git_main(), theirs);
	put(merged_record(3, theirs, "theirs"));
	put(marked_record(4, theirs, "t-1", 2));
	go_well(s);
	ck_assert_str_eq(git_main(), theirs);
	put(task_record(5, "t-1", 3));
	go_well(s);
	ck_assert_str_eq(sh("git -C %s rev-parse main~1", path), theirs);
	ck_assert_str_eq(task_in_main("t-1"), "3");
	ck_assert_uint_eq(ssot_seq(s), 5);
	replays(s);
	store_end(NULL);
}
END_TEST

/* The agent goes on committing while it is told of a push. */
START_TEST(a_push_beside_our_commits_is_merged_and_main_waits_for_it)
{
	struct ssot *s = store_new();
	char theirs[64], parents[200];

	put(task_record(1, "t-1", 1));
	put(task_record(2, "t-2", 1));
	go_well(s);
	work_clone();
	work_task("t-1", "Record the demo", 2);
	sh("cd %s/w && mkdir -p doc && echo x >doc/notes && ln -s x link", dir);
	keep(theirs, work_commit("by hand"));
	work_push("main");
	put(task_record(3, "t-2", 2));
	ck_assert_int_eq(go(s, NULL), -1);
	ck_assert_str_eq(ssot_moved(s), theirs);
	ssot_accept(s, theirs, 4);
	go_well(s);
	ck_assert_str_eq(git_main(), theirs);
	ck_assert_uint_eq(ssot_seq(s), 3);
	snprintf(parents, sizeof(parents), "%s %s", ssot_head(s), theirs);
	put(merged_record(4, theirs, "theirs"));
	put(marked_record(5, theirs, "t-1", 2));
	go_well(s);
	ck_assert_str_eq(sh("git -C %s log -1 --format=%%P", path), parents);
	ck_assert_str_eq(sh("git -C %s log -1 --format=%%s", path),
			 "ssot_merged Anna");
	ck_assert_str_eq(task_in_main("t-1"), "2");
	ck_assert_str_eq(task_in_main("t-2"), "2");
	ck_assert_str_eq(sh("git -C %s show main:doc/notes", path), "x");
	ck_assert_str_eq(sh("git -C %s rev-list --count main", path), "5");
	put(task_record(6, "t-1", 3));
	go_well(s);
	replays(s);
	store_end(NULL);
}
END_TEST

START_TEST(a_restart_before_the_record_finds_the_way)
{
	struct ssot *s = store_new();
	char theirs[64];

	put(task_record(1, "t-1", 1));
	go_well(s);
	work_clone();
	work_task("t-1", "Record the demo", 2);
	keep(theirs, work_commit("by hand"));
	work_push("main");
	for (int told = 0; told < 2; told++) {
		ssot_close(s);
		ck_assert_int_eq(open_store(&s, NULL), 0);
		ck_assert_uint_eq(ssot_seq(s), 1);
		ck_assert_str_eq(ssot_moved(s), theirs);
		if (!told)
			put(task_record(2, "t-2", 1));
		else
			ssot_accept(s, theirs, 3);
		ck_assert_int_eq(go(s, NULL), told - 1);
	}
	/* our commit is made, but main still waits: and again a restart */
	ck_assert_str_eq(git_main(), theirs);
	ssot_close(s);
	ck_assert_int_eq(open_store(&s, NULL), 0);
	ck_assert_uint_eq(ssot_seq(s), 1);
	put(merged_record(3, theirs, "theirs"));
	put(marked_record(4, theirs, "t-1", 2));
	go_well(s);		/* the record itself accepts the move */
	ck_assert_str_eq(sh("git -C %s rev-list --count main", path), "4");
	replays(s);
	store_end(NULL);
}
END_TEST

START_TEST(two_pushes_are_taken_in_one_after_the_other)
{
	struct ssot *s = store_new();
	char one[64], two[64];

	put(task_record(1, "t-1", 1));
	go_well(s);
	work_clone();
	work_task("t-1", "Record the demo", 2);
	keep(one, work_commit("one"));
	work_push("main");
	put(task_record(2, "t-2", 1));
	ck_assert_int_eq(go(s, NULL), -1);
	ssot_accept(s, one, 3);
	go_well(s);
	work_task("t-1", "Record the demo", 3);
	keep(two, work_commit("two"));
	work_push("main");
	put(task_record(3, "t-3", 1));
	ck_assert_int_eq(go(s, NULL), -1);
	ck_assert_str_eq(ssot_moved(s), two);
	ssot_accept(s, two, 5);
	put(merged_record(4, one, "theirs"));
	go_well(s);
	ck_assert_str_eq(git_main(), two);
	put(merged_record(5, two, "theirs"));
	go_well(s);
	ck_assert_str_eq(task_in_main("t-1"), "3");
	ck_assert_str_eq(task_in_main("t-2"), "1");
	replays(s);
	store_end(NULL);
}
END_TEST

START_TEST(where_both_changed_a_task_theirs_stays_unless_ours_is_said)
{
	static const char *const want[] = {"7", "2", "theirs", "ours"};

	for (int ours = 0; ours < 2; ours++) {
		struct ssot *s;
		char theirs[64];

		begin_again();
		s = store_new();
		put(task_record(1, "t-1", 1));
		go_well(s);
		work_clone();
		work_task("t-1", "Record the demo", 7);
		keep(theirs, work_commit("by hand"));
		work_push("side");
		put(task_record(2, "t-1", 2));
		put(merged_record(3, theirs, want[2 + ours]));
		go_well(s);
		ck_assert_str_eq(task_in_main("t-1"), want[ours]);
		/* the winner of a conflict is put back on top */
		put(data_record(4, "write_conflict", "t-1", json_pack(
			"{s:s,s:{s:o,s:{s:s,s:s}}}", "winner", "ours", "put",
			"task", task_doc("t-1", "Record the demo", 2),
			"conflict", "id", "t-1.0123456789ab", "task_id",
			"t-1")));
		go_well(s);
		ck_assert_str_eq(task_in_main("t-1"), "2");
		ck_assert_str_ne(sh("git -C %s show main:%s", path, path_of(
			"conflicts", "t-1", "t-1/0123456789ab.json")), "");
		replays(s);
		store_end(NULL);
	}
}
END_TEST

START_TEST(a_marked_conflict_still_leaves_its_document)
{
	struct ssot *s = store_new();
	char theirs[64];

	put(task_record(1, "t-1", 1));
	go_well(s);
	work_clone();
	work_task("t-1", "Record the demo", 7);
	keep(theirs, work_commit("by hand"));
	work_push("side");
	put(merged_record(2, theirs, "theirs"));
	put(data_record(3, "write_conflict", "t-1", json_pack(
		"{s:{s:s},s:{s:o,s:{s:s,s:s}}}", "git", "commit", theirs,
		"put", "task", task_doc("t-1", "Record the demo", 6),
		"conflict", "id", "t-1.0123456789ab", "task_id", "t-1")));
	go_well(s);
	ck_assert_str_eq(task_in_main("t-1"), "7");
	ck_assert_str_ne(sh("git -C %s show main:%s", path, path_of(
		"conflicts", "t-1", "t-1/0123456789ab.json")), "");
	ck_assert_str_eq(sh("git -C %s rev-list --count main", path), "3");
	replays(s);
	store_end(NULL);
}
END_TEST

START_TEST(files_and_folders_change_places_in_a_merge)
{
	struct ssot *s = store_new();
	char one[64], two[64];

	put(task_record(1, "t-1", 1));
	go_well(s);
	work_clone();
	sh("cd %s/w && echo 1 >a && mkdir b c && echo 2 >b/x && echo 3 >c/y "
	   "&& echo 4 >a.b && echo 5 >gone", dir);
	keep(one, work_commit("one"));
	work_push("side");
	put(merged_record(2, one, "theirs"));
	put(task_record(3, "t-1", 2));
	go_well(s);
	sh("cd %s/w && rm a gone && mkdir a && echo 6 >a/z && rm -r b c && "
	   "echo 7 >b && chmod +x a.b", dir);
	keep(two, work_commit("two"));
	work_push("side");
	put(merged_record(4, two, "theirs"));
	put(task_record(5, "t-1", 3));
	go_well(s);
	ck_assert_str_eq(sh("git -C %s ls-tree -r main a a.b b c gone | "
			    "awk '{printf $1 \" \" $4 \",\"}'", path),
			 "100755 a.b,100644 a/z,100644 b,");
	replays(s);
	store_end(NULL);
}
END_TEST

START_TEST(what_changes_nothing_is_no_commit)
{
	struct ssot *s = store_new();

	put(task_record(1, "t-1", 1));
	put(task_record(2, "t-1", 1));
	put(task_record(3, "t-2", 1));
	put(task_record(4, "t-2", 1));
	go_well(s);
	put(task_record(5, "t-1", 1));
	go_well(s);
	ck_assert_str_eq(sh("git -C %s rev-list --count main", path), "2");
	ck_assert_str_eq(sh("ls %s/objects/pack/*.pack | wc -l", path), "1");
	ck_assert_uint_eq(ssot_seq(s), 3);
	replays(s);
	store_end(NULL);
}
END_TEST

START_TEST(a_commit_that_is_lost_is_made_up_for_or_waited_for)
{
	const char *lost = "00000000000000000000000000000000000000aa";
	struct ssot_options o = {.remote = true};
	struct ssot *s = store_new();
	struct err err = {0};

	put(task_record(1, "t-1", 1));
	put(merged_record(2, lost, "theirs"));
	put(marked_record(3, lost, "t-1", 2));
	put(marked_record(4, lost, "t-2", 1));
	ssot_close(s);
	o.log_id = log_id;
	ck_assert_int_eq(ssot_open(&s, path, &o, NULL), 0);
	ck_assert_int_eq(go(s, &err), -1);
	ck_assert_ptr_nonnull(strstr(err.detail, "waits for commit"));
	ck_assert_ptr_nonnull(strstr(err.detail, lost));
	err_fini(&err);
	ck_assert_uint_eq(ssot_seq(s), 1);
	ssot_close(s);
	ck_assert_int_eq(open_store(&s, NULL), 0);
	go_well(s);
	ck_assert_str_eq(task_in_main("t-1"), "2");
	ck_assert_str_eq(sh("git -C %s rev-list --count main", path), "3");
	replays(s);
	store_end(NULL);
}
END_TEST

START_TEST(after_many_commits_of_others_there_is_one_of_ours)
{
	struct ssot *s = store_new();
	char tip[64];

	for (int many = 0; many < 2; many++) {
		begin_again();
		if (many)
			s = store_new();
		put(task_record(1, "t-1", 1));
		go_well(s);
		keep(tip, sh("cd %s && p=$(git rev-parse main) && t=$(git "
			     "rev-parse main^{tree}) && (for i in $(seq %d); do "
			     "echo commit refs/heads/side; echo 'committer A "
			     "<a@x> 1767323045 +0000'; echo data 1; echo x; "
			     "[ $i != 1 ] || echo from $p; echo; done) | git "
			     "fast-import --quiet 2>&1 && git rev-parse side",
			     path, 1000 + many));
		put(merged_record(2, tip, "theirs"));
		go_well(s);
		ck_assert_uint_eq(ssot_seq(s), many ? 2 : 1);
		ck_assert_str_eq(sh("git -C %s rev-parse main%s", path,
				    many ? "~1" : ""), tip);
		put(task_record(3, "t-1", 2));
		go_well(s);
		replays(s);
		store_end(NULL);
	}
}
END_TEST

TESTS("ssot_merged",
      a_push_that_is_ahead_is_built_on,
      a_push_beside_our_commits_is_merged_and_main_waits_for_it,
      a_restart_before_the_record_finds_the_way,
      two_pushes_are_taken_in_one_after_the_other,
      where_both_changed_a_task_theirs_stays_unless_ours_is_said,
      a_marked_conflict_still_leaves_its_document,
      files_and_folders_change_places_in_a_merge,
      what_changes_nothing_is_no_commit,
      a_commit_that_is_lost_is_made_up_for_or_waited_for,
      after_many_commits_of_others_there_is_one_of_ours)
