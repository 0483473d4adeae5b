/* Repositories that others began, moved or changed beyond tasks. */
#include "tests/unit/ssot_log.h"

#include "agent/store/ssot_text.h"

START_TEST(history_that_does_not_build_on_ours_is_refused)
{
	struct ssot *s = store_new();
	struct err err = {0};
	char ours[64];

	put(task_record(1, "t-1", 1));
	put(task_record(2, "t-1", 2));
	go_well(s);
	keep(ours, git_main());
	work_clone();
	sh("cd %s/w && git reset -q --hard HEAD~1", dir);
	work_commit("beside");
	sh("git -C %s/w push -q -f origin HEAD:main 2>&1", dir);
	ck_assert_int_eq(go(s, &err), -1);
	ck_assert_str_eq(ssot_moved(s), "");
	ck_assert_ptr_nonnull(strstr(err_hint_of(&err), ours));
	err_fini(&err);
	/* no tasks any more */
	sh("cd %s/w && git reset -q --hard %s && git rm -q -r . && echo x >x",
	   dir, ours);
	work_commit("emptied");
	sh("git -C %s/w push -q -f origin HEAD:main 2>&1", dir);
	ck_assert_int_eq(go(s, &err), -1);
	ck_assert_str_eq(ssot_moved(s), "");
	ck_assert_ptr_nonnull(strstr(err.detail, "no tasks"));
	err_fini(&err);
	/* gone */
	sh("git -C %s update-ref -d refs/heads/main", path);
	ck_assert_int_eq(go(s, &err), -1);
	ck_assert_str_eq(ssot_moved(s), "");
	err_fini(&err);
	sh("git -C %s update-ref refs/heads/main %s", path, ours);
	go_well(s);
	store_end(s);
}
END_TEST

/* Another agent's repository, where this one begins. */
START_TEST(anothers_tasks_are_a_beginning)
{
	struct ssot *s = store_new();
	struct err err = {0};
	char theirs[64], own[17];

	apply(s, task_record(1, "t-1", 1));
	apply(s, task_record(2, "t-2", 1));
	keep(theirs, git_main());
	ssot_close(s);
	sh("rm %s/kircerta.head", path);	/* as in a clone of theirs */
	put(data_record(1, "agent_started", NULL, json_object()));
	hex_of(log_of[0]->leaf, 8, own);
	ck_assert_str_ne(own, log_id);
	strcpy(log_id, own);
	ck_assert_int_eq(open_store(&s, NULL), 0);
	ck_assert_uint_eq(ssot_seq(s), 0);
	ck_assert_str_eq(ssot_moved(s), theirs);
	ck_assert_str_eq(ssot_head(s), "");
	ck_assert_int_eq(go(s, &err), -1);
	err_fini(&err);
	put(merged_record(2, theirs, "theirs"));
	put(marked_record(3, theirs, "t-1", 1));
	put(marked_record(4, theirs, "t-2", 1));
	go_well(s);
	ck_assert_str_eq(git_main(), theirs);
	put(task_record(5, "t-1", 2));
	go_well(s);
	ck_assert_str_eq(sh("git -C %s rev-list --count main", path), "3");
	ck_assert_uint_eq(ssot_seq(s), 5);
	replays(s);
	store_end(NULL);
}
END_TEST

/* Not where another journal wrote: one of the two was replaced. */
START_TEST(anothers_repository_itself_is_refused)
{
	struct ssot *s = store_new();
	struct err err = {0};

	apply(s, task_record(1, "t-1", 1));
	ssot_close(s);
	memset(log_id, 'a', strlen(log_id));
	ck_assert_int_eq(open_store(&s, &err), -1);
	ck_assert_ptr_nonnull(strstr(err.detail, "another journal"));
	ck_assert_ptr_nonnull(strstr(err.hint, "restore the two"));
	err_fini(&err);
	store_end(NULL);
}
END_TEST

START_TEST(a_line_of_our_own_and_theirs_without_a_common_start_are_joined)
{
	struct ssot *s = store_new();
	char theirs[64];

	apply(s, task_record(1, "t-9", 9));
	keep(theirs, git_main());
	ssot_close(s);
	sh("git -C %s update-ref refs/heads/theirs %s && git -C %s update-ref "
	   "-d refs/heads/main", path, theirs, path);
	sh("git -C %s update-ref refs/remotes/origin/main %s && git -C %s "
	   "update-ref -d refs/heads/theirs", path, theirs, path);
	sh("rm %s/kircerta.head", path);
	put(data_record(1, "agent_started", NULL, json_object()));
	hex_of(log_of[0]->leaf, 8, log_id);
	ck_assert_int_eq(open_store(&s, NULL), 0);
	put(task_record(2, "t-1", 1));
	go_well(s);
	put(merged_record(3, theirs, "theirs"));
	go_well(s);
	ck_assert_str_eq(task_in_main("t-9"), "9");
	ck_assert_str_eq(task_in_main("t-1"), "1");
	replays(s);
	store_end(NULL);
}
END_TEST

START_TEST(an_old_readme_is_replaced_with_a_commit_that_is_due_anyway)
{
	static const char old[] =
		"# Tasks of a kircerta agent\n\nThe agent writes this "
		"repository, one commit for each change; read it with git,\n"
		"do not push to it. It can be made anew from the agent's "
		"journal.\n\n- `tasks/`: one document for each task, as it is "
		"now\n- `attempts/`: acknowledgements and results of each "
		"attempt\n- `evidence/`: what each run left behind, with the "
		"SHA-256 of every file\n\nFolders are the first three hex "
		"digits of the SHA-256 of the task's id. A commit\nnames the "
		"record of the journal that it stands for: `Audit-Head: <seq> "
		"<leaf hash>`.\n";
	struct ssot *s = store_new();
	char file[100], theirs[64];

	put(task_record(1, "t-1", 1));
	go_well(s);
	work_clone();
	snprintf(file, sizeof(file), "%s/w/README.md", dir);
	for (int own = 0; own < 2; own++) {
		const char *text = own ? "mine\n" : old;

		ck_assert_int_eq(fs_replace(file, text, strlen(text), 0644,
					    NULL), 0);
		keep(theirs, work_commit("readme"));
		work_push("side");
		put(merged_record(log_n + 1, theirs, "theirs"));
		go_well(s);
		ck_assert_str_eq(sh("git -C %s show main:README.md", path),
				 sh("printf '%%s' \"$(cat %s)\"", file));
		put(task_record(log_n + 1, "t-1", 10 + own));
		go_well(s);
		ck_assert_str_eq(sh("git -C %s show main:README.md | wc -c",
				    path), own ? "5" :
				 sh("echo %zu", strlen(ssot_readme)));
	}
	replays(s);
	store_end(NULL);
}
END_TEST

/* Every trailer is in order, only the file is another one. */
START_TEST(a_commit_that_forges_our_words_is_not_taken_for_ours)
{
	for (int later = 0; later < 2; later++) {
		struct ssot *s;
		struct err err = {0};
		char ours[64], forged[64];

		begin_again();
		s = store_new();
		put(task_record(1, "t-1", 1));
		put(task_record(2, "t-1", 2));
		go_well(s);
		put(task_record(3, "t-1", 3));
		if (later)	/* of a record that has no commit yet */
			go_well(s);
		work_clone();
		if (later) {
			sh("git -C %s update-ref refs/heads/main main~1", path);
			log_n--;
			ssot_close(s);
			ck_assert_int_eq(open_store(&s, NULL), 0);
			go_well(s);
			log_n++;
		}
		keep(ours, git_main());
		ssot_close(s);
		work_task("t-1", "mine", 9);
		sh("cd %s/w && git add -A && git log -1 --format=%%B "
		   ">../said && t=$(git write-tree) && c=$(git commit-tree -F "
		   "../said -p %s $t) && git push -q origin +$c:main 2>&1",
		   dir, ours);
		keep(forged, git_main());
		ck_assert_int_eq(open_store(&s, NULL), 0);
		ck_assert_str_eq(ssot_head(s), ours);
		ck_assert_uint_eq(ssot_seq(s), 2);
		ck_assert_str_eq(ssot_moved(s), later ? "" : forged);
		if (later)
			go(s, NULL);
		ck_assert_int_eq(go(s, &err), -1);
		ck_assert_str_eq(git_main(), forged);
		err_fini(&err);
		store_end(s);
	}
}
END_TEST

START_TEST(a_note_that_is_old_or_lost_is_made_good_by_the_journal)
{
	static const char *const spoil[] = {
		"cp old kircerta.head", "rm kircerta.head",
		": >kircerta.head", "echo x x 1 x >kircerta.head",
	};
	struct ssot *s = store_new();
	char tip[64];

	put(task_record(1, "t-1", 1));
	put(task_record(2, "t-1", 2));
	go_well(s);
	sh("cd %s && cp kircerta.head old", path);
	put(task_record(3, "t-1", 3));
	go_well(s);
	put(task_record(4, "t-1", 4));
	go_well(s);
	keep(tip, git_main());
	put(task_record(5, "t-1", 5));
	for (size_t i = 0; i < ARRAY_LEN(spoil); i++) {
		ssot_close(s);
		sh("cd %s && %s && git update-ref refs/heads/main %s", path,
		   spoil[i], tip);
		ck_assert_int_eq(open_store(&s, NULL), 0);
		ck_assert_str_eq(ssot_moved(s), "");
		for (size_t n = 1; n <= log_n; n++)
			ck_assert_int_eq(ssot_apply(s, log_of, n, NULL), 0);
		ck_assert_str_eq(sh("git -C %s rev-parse main~1", path), tip);
		sh("cd %s && cp old kircerta.head", path);
	}
	replays(s);
	store_end(NULL);
}
END_TEST

TESTS("ssot_begin",
      a_commit_that_forges_our_words_is_not_taken_for_ours,
      a_note_that_is_old_or_lost_is_made_good_by_the_journal,
      history_that_does_not_build_on_ours_is_refused,
      anothers_tasks_are_a_beginning,
      anothers_repository_itself_is_refused,
      a_line_of_our_own_and_theirs_without_a_common_start_are_joined,
      an_old_readme_is_replaced_with_a_commit_that_is_due_anyway)
