/* What git tells of a task's past. */
#include "tests/unit/ssot_log.h"

START_TEST(history_is_what_touched_the_task)
{
	static const struct { const char *type, *id; int n; } made[] = {
		{"task_created", "t-1", 1}, {"task_created", "t-2", 1},
		{"task_updated", "t-1", 2}, {"task_updated", "t-2", 2},
		{"heartbeat", "t-1", 2}, {"task_state", "t-1", 3},
	};
	static const char *const wrong[] = {
		"", "x", "HEAD", "0123456789012345678901234567890123456789",
	};
	static const uint64_t want[] = {1, 3, 6};
	struct ssot *s = store_new();
	struct err err = {0};
	char cursor[64];
	json_t *page, *h, *one;
	size_t i;

	for (i = 0; i < ARRAY_LEN(made); i++)
		apply(s, record_new(i + 1, made[i].type, made[i].id, json_pack(
			"{s:o}", "task", task_doc(made[i].id, "x",
						  made[i].n))));
	page = ssot_history(path, "t-1", NULL, 100, NULL);
	ck_assert(json_is_null(json_object_get(page, "next_cursor")));
	h = json_object_get(page, "items");
	ck_assert_uint_eq(json_array_size(h), ARRAY_LEN(want));
	json_array_foreach (h, i, one) {
		ck_assert_int_eq(json_int(one, "seq", 0), (json_int_t)want[i]);
		ck_assert_str_eq(json_str(one, "operation"),
				 made[want[i] - 1].type);
		ck_assert_str_eq(json_str(one, "by"), "coordinator");
		ck_assert_str_eq(json_str(one, "correlation_id"), "c-1");
		ck_assert_str_eq(json_str(one, "sha"), sh(
			"git -C %s rev-parse %s:%s", path,
			json_str(one, "commit"),
			path_of("tasks", "t-1", "t-1.json")));
	}
	ck_assert_str_eq(json_str(json_array_get(h, 0), "at"),
			 "2026-01-02T03:04:06.000000Z");
	json_decref(page);
	page = ssot_history(path, "t-1", NULL, 2, NULL);
	h = json_object_get(page, "items");
	ck_assert_uint_eq(json_array_size(h), 2);
	ck_assert_int_eq(json_int(json_array_get(h, 1), "seq", 0), 6);
	keep(cursor, json_str(page, "next_cursor"));
	json_decref(page);
	page = ssot_history(path, "t-1", cursor, 2, NULL);
	h = json_object_get(page, "items");
	ck_assert_uint_eq(json_array_size(h), 1);
	ck_assert_int_eq(json_int(json_array_get(h, 0), "seq", 0), 1);
	ck_assert(json_is_null(json_object_get(page, "next_cursor")));
	json_decref(page);
	for (i = 0; i < ARRAY_LEN(wrong); i++) {
		ck_assert_ptr_null(ssot_history(path, "t-1", wrong[i], 2,
						&err));
		ck_assert_int_eq(err.code, ERR_invalid_request);
		err_fini(&err);
	}
	ck_assert_ptr_null(ssot_history(path, "t-3", NULL, 9, &err));
	ck_assert_int_eq(err.code, ERR_not_found);
	err_fini(&err);
	ck_assert_ptr_null(ssot_history(path, "../t", NULL, 9, &err));
	ck_assert_int_eq(err.code, ERR_not_found);
	err_fini(&err);
	store_end(s);
}
END_TEST

START_TEST(an_empty_repository_has_no_history)
{
	struct ssot *s = store_new();
	struct err err = {0};

	ck_assert_ptr_null(ssot_history(path, "t-1", NULL, 9, &err));
	ck_assert_int_eq(err.code, ERR_not_found);
	err_fini(&err);
	ck_assert_ptr_null(ssot_history("/nonexistent", "t-1", NULL, 9, &err));
	ck_assert_int_eq(err.code, ERR_io);
	err_fini(&err);
	store_end(s);
}
END_TEST

static size_t items(const char *id, const char *cursor, size_t limit,
		    char subjects[256], char next[64])
{
	struct err err = {0};
	json_t *page = ssot_history(path, id, cursor, limit, &err), *one;
	size_t i, n;

	ck_assert_msg(page != NULL, "%s", err.detail);
	*subjects = 0;
	json_array_foreach (json_object_get(page, "items"), i, one) {
		const char *said = json_str(one, "operation");

		snprintf(subjects + strlen(subjects), 256 - strlen(subjects),
			 "%s ", said ? said : json_str(one, "by"));
	}
	n = json_array_size(json_object_get(page, "items"));
	snprintf(next, 64, "%s", json_str(page, "next_cursor") ?
		 json_str(page, "next_cursor") : "");
	json_decref(page);
	return n;
}

/* Theirs is the second parent: first parents alone would miss it. */
START_TEST(history_follows_the_line_whose_document_stayed)
{
	struct ssot *s = store_new();
	char said[256], next[64], theirs[64];

	put(task_record(1, "t-1", 1));
	put(task_record(2, "t-2", 1));
	go_well(s);
	work_clone();
	work_task("t-1", "Record the demo", 2);
	work_commit("one");
	work_task("t-1", "Record the demo", 3);
	keep(theirs, work_commit("two"));
	work_push("side");
	put(task_record(3, "t-2", 2));
	put(merged_record(4, theirs, "theirs"));
	put(record_new(5, "task_state", "t-1", json_pack(
		"{s:o}", "task", task_doc("t-1", "Record the demo", 4))));
	go_well(s);
	ck_assert_uint_eq(items("t-1", NULL, 9, said, next), 4);
	ck_assert_str_eq(said, "task_updated Anna Anna task_state ");
	ck_assert_str_eq(next, "");
	ck_assert_uint_eq(items("t-2", NULL, 9, said, next), 2);
	ck_assert_uint_eq(items("t-1", NULL, 1, said, next), 1);
	ck_assert_uint_eq(items("t-1", next, 2, said, next), 2);
	ck_assert_str_eq(said, "Anna Anna ");
	ck_assert_uint_eq(items("t-1", next, 2, said, next), 1);
	ck_assert_str_eq(next, "");
	store_end(s);
}
END_TEST

START_TEST(a_name_with_a_control_in_it_is_shown_as_it_is)
{
	struct ssot *s = store_new();
	char said[256], next[64];

	put(task_record(1, "t-1", 1));
	go_well(s);
	work_clone();
	work_task("t-1", "Record the demo", 2);
	sh("cd %s/w && git add -A && GIT_AUTHOR_NAME=$(printf 'a\\377\\033b') "
	   "git commit -q -m x && git push -q origin HEAD:main 2>&1", dir);
	ck_assert_uint_eq(items("t-1", NULL, 9, said, next), 2);
	ck_assert_str_eq(said, "task_updated a\xc3\xbf<U+001B>b ");
	store_end(s);
}
END_TEST

START_TEST(a_walk_that_was_cut_short_says_where)
{
	struct ssot *s = store_new();
	char said[256], next[64];

	put(task_record(1, "t-1", 1));
	go_well(s);
	sh("cd %s && p=$(git rev-parse main) && (for i in $(seq 10500); do "
	   "echo commit refs/heads/main; echo 'committer A <a@x> 1767323045 "
	   "+0000'; echo data 1; echo x; [ $i != 1 ] || echo from $p; echo; "
	   "done) | git fast-import --quiet 2>&1", path);
	ck_assert_uint_eq(items("t-1", NULL, 9, said, next), 0);
	ck_assert_uint_eq(strlen(next), 40);
	ck_assert_uint_eq(items("t-1", next, 9, said, next), 1);
	ck_assert_str_eq(next, "");
	store_end(s);
}
END_TEST

TESTS("ssot_history",
      history_is_what_touched_the_task,
      an_empty_repository_has_no_history,
      history_follows_the_line_whose_document_stayed,
      a_name_with_a_control_in_it_is_shown_as_it_is,
      a_walk_that_was_cut_short_says_where)
