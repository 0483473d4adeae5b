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

static const char *changed(const json_t *page, size_t i, char out[400])
{
	const json_t *item = json_array_get(json_object_get(page, "items"), i);
	const json_t *list = json_object_get(item, "changes"), *one;
	size_t k;

	*out = 0;
	json_array_foreach (list, k, one)
		snprintf(out + strlen(out), 400 - strlen(out), "%s ",
			 json_str(one, "path"));
	json_array_foreach (json_object_get(item, "documents"), k, one)
		snprintf(out + strlen(out), 400 - strlen(out), "%s%s ",
			 json_str(one, "document"), json_str(one, "from") ?
			 "!" : "");
	return out;
}

static struct record *ack_record(uint64_t seq, const char *by)
{
	return record_new(seq, "ack_accepted", "t-1", json_pack(
		"{s:{s:s,s:s,s:i,s:s}}", "ack", "id", "t-1.1.ack", "task_id",
		"t-1", "attempt", 1, "by", by));
}

/* An ACK that does not fit beside its task is a commit of its own. */
START_TEST(history_says_what_each_commit_changed)
{
	struct ssot *s = store_new();
	char said[400];
	json_t *page, *one;

	put(task_record(1, "t-1", 1));
	put(task_record(2, "t-1", 2));
	put(ack_record(3, "ann"));
	put(task_record(4, "t-2", 2));
	put(ack_record(5, "ben"));
	go_well(s);
	page = ssot_history(path, "t-1", NULL, 9, NULL);
	ck_assert_uint_eq(json_array_size(json_object_get(page, "items")), 4);
	ck_assert_str_eq(changed(page, 0, said),
			 "/acceptance_criteria /id /n /title ");
	ck_assert_str_eq(changed(page, 1, said), "/n ");
	ck_assert_str_eq(changed(page, 2, said), "attempts/1-ack ");
	ck_assert_str_eq(changed(page, 3, said), "attempts/1-ack! ");
	one = json_array_get(json_object_get(json_array_get(json_object_get(
		page, "items"), 1), "changes"), 0);
	ck_assert_int_eq(json_int(one, "from", 0), 1);
	ck_assert_int_eq(json_int(one, "to", 0), 2);
	json_decref(page);
	page = ssot_history(path, "t-1", NULL, 1, NULL);
	ck_assert_str_eq(changed(page, 0, said), "attempts/1-ack! ");
	json_decref(page);
	work_clone();
	sh("cd %s/w && echo {} > %s/\"$(printf 'a\\377\\033')\".json && "
	   "git add -A && git commit -qm x && git push -q origin HEAD:main "
	   "2>&1", dir, path_of("attempts", "t-1", "t-1"));
	page = ssot_history(path, "t-1", NULL, 1, NULL);
	ck_assert_str_eq(changed(page, 0, said), "attempts/a?\033 ");
	json_decref(page);
	store_end(s);
}
END_TEST

/* Between two commits that were looked at others may do anything. */
START_TEST(what_is_no_document_is_no_change_that_can_be_told)
{
	struct ssot *s = store_new();
	json_t *page, *list;
	struct err err = {0};
	char sha[41];

	put(task_record(1, "t-1", 1));
	go_well(s);
	work_clone();
	sh("cd %s/w && printf '{\"a\":' > %s && git commit -qam x", dir,
	   path_of("tasks", "t-1", "t-1.json"));
	sh("cd %s/w && printf '{\"a\":\"%%200000s\"}' x > %s && "
	   "git commit -qam x", dir, path_of("tasks", "t-1", "t-1.json"));
	work_task("t-1", "Record the demo", 2);
	work_commit("good again");
	work_push("main");
	page = ssot_history(path, "t-1", NULL, 9, NULL);
	list = json_object_get(page, "items");
	ck_assert_uint_eq(json_array_size(list), 4);
	for (size_t i = 1; i < 4; i++)
		ck_assert(json_is_null(json_object_get(json_array_get(list,
						       i), "changes")));
	ck_assert_ptr_null(ssot_revision(path, "t-1", git_main(), json_str(
		json_array_get(list, 1), "commit"), sha, &err));
	ck_assert_int_eq(err.code, ERR_not_found);
	err_fini(&err);
	json_decref(page);
	sh("cd %s/w && f=%s && rm $f && mkdir $f && echo {} > $f/x && "
	   "git add -A && git commit -qm x && git push -q origin HEAD:main "
	   "2>&1", dir, path_of("tasks", "t-1", "t-1.json"));
	ck_assert_ptr_null(ssot_history(path, "t-1", NULL, 9, &err));
	ck_assert_int_eq(err.code, ERR_not_found);
	err_fini(&err);
	store_end(s);
}
END_TEST

static int version(const char *id, const char *rev, char sha[41])
{
	struct err err = {0};
	char tip[64];
	json_t *doc;
	int n;

	keep(tip, git_main());
	doc = ssot_revision(path, id, tip, rev, sha, &err);
	n = doc ? (int)json_int(doc, "n", 0) : -(int)err.code;
	json_decref(doc);
	err_fini(&err);
	return n;
}

START_TEST(a_version_is_named_by_its_commit_or_its_blob)
{
	struct ssot *s = store_new();
	char commit[4][64], blob[4][64], theirs[64], sha[41], cut[64];

	for (int i = 0; i < 4; i++) {
		put(task_record((uint64_t)i + 1, i == 2 ? "t-2" : "t-1",
				i + 1));
		go_well(s);
		keep(commit[i], git_main());
		keep(blob[i], sh("git -C %s rev-parse main:%s", path,
				 path_of("tasks", i == 2 ? "t-2" : "t-1",
					 i == 2 ? "t-2.json" : "t-1.json")));
	}
	for (int i = 0; i < 4; i++) {
		int n = i == 2 ? 2 : i + 1;

		ck_assert_int_eq(version("t-1", commit[i], sha), n);
		ck_assert_str_eq(sha, blob[n - 1]);
		snprintf(cut, sizeof(cut), "%.7s", commit[i]);
		ck_assert_int_eq(version("t-1", cut, sha), n);
		if (i == 2)
			continue;
		ck_assert_int_eq(version("t-1", blob[i], sha), n);
		ck_assert_str_eq(sha, blob[i]);
		snprintf(cut, sizeof(cut), "%.7s", blob[i]);
		ck_assert_int_eq(version("t-1", cut, sha), n);
	}
	ck_assert_int_eq(version("t-1", blob[2], sha), -ERR_not_found);
	ck_assert_int_eq(version("t-2", commit[1], sha), -ERR_not_found);
	ck_assert_int_eq(version("t-2", blob[1], sha), -ERR_not_found);
	keep(cut, sh("git -C %s rev-parse main^{tree}", path));
	ck_assert_int_eq(version("t-1", cut, sha), -ERR_not_found);
	ck_assert_int_eq(version("t-1", "0000000", sha), -ERR_not_found);
	ck_assert_int_eq(version("../t", commit[0], sha), -ERR_not_found);
	work_clone();
	work_task("t-1", "Record the demo", 99);
	keep(theirs, work_commit("never taken in"));
	work_push("side");
	ck_assert_int_eq(version("t-1", theirs, sha), -ERR_not_found);
	keep(cut, sh("git -C %s rev-parse side:%s", path,
		     path_of("tasks", "t-1", "t-1.json")));
	ck_assert_int_eq(version("t-1", cut, sha), -ERR_not_found);
	store_end(s);
}
END_TEST

static int by_hex(const void *a, const void *b)
{
	return memcmp(a, b, 41);
}

START_TEST(a_beginning_that_several_have_names_none)
{
	enum { N = 60000, SHORT = 7 };
	struct { char hex[41]; int n; } *made = xcalloc(N, sizeof(*made));
	struct ssot *s = store_new();
	char text[16], sha[41];
	int at = 1;

	put(task_record(1, "t-1", 1));
	go_well(s);
	for (int i = 0; i < N; i++) {
		snprintf(text, sizeof(text), "%d", i);
		git_blob_hex(text, strlen(text), made[i].hex);
		made[i].n = i;
	}
	qsort(made, N, sizeof(*made), by_hex);
	while (at < N && memcmp(made[at - 1].hex, made[at].hex, SHORT))
		at++;
	ck_assert_int_lt(at, N);
	for (int i = at - 1; i <= at; i++)
		sh("printf %d | git -C %s hash-object -w --stdin",
		   made[i].n, path);
	made[at].hex[SHORT] = 0;
	ck_assert_int_eq(version("t-1", made[at].hex, sha),
			 -ERR_ambiguous_id);
	free(made);
	store_end(s);
}
END_TEST

TESTS("ssot_history",
      history_is_what_touched_the_task,
      an_empty_repository_has_no_history,
      history_follows_the_line_whose_document_stayed,
      a_name_with_a_control_in_it_is_shown_as_it_is,
      a_walk_that_was_cut_short_says_where,
      history_says_what_each_commit_changed,
      what_is_no_document_is_no_change_that_can_be_told,
      a_version_is_named_by_its_commit_or_its_blob,
      a_beginning_that_several_have_names_none)
