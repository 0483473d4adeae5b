/* The task repository, as stock git sees it. */
#include "tests/unit/ssot_repo.h"

#define LONG_TITLE \
	"a title that is much longer than what fits into a subject line of " \
	"seventy-two bytes \xc3\xa4\xc3\xa4\xc3\xa4"

START_TEST(a_task_is_a_file_whose_blob_id_is_its_sha)
{
	struct ssot *s = store_new();
	json_t *doc = task_doc("t-1", "T\xc3\xa4sk \xe2\x80\xae", 1);
	char sha[41], *text;
	size_t len;

	text = json_pretty(doc, &len);
	git_blob_hex(text, len, sha);
	apply(s, record_new(7, "task_created", "t-1",
			    json_pack("{s:o}", "task", doc)));
	ck_assert_str_eq(sh("git -C %s rev-parse main:%s", path,
			    path_of("tasks", "t-1", "t-1.json")), sha);
	text[len - 1] = 0;
	ck_assert_str_eq(sh("git -C %s show main:%s", path,
			    path_of("tasks", "t-1", "t-1.json")), text);
	ck_assert_str_eq(sh("git -C %s fsck --strict 2>&1", path), "");
	ck_assert_str_eq(sh("git -C %s symbolic-ref HEAD", path),
			 "refs/heads/main");
	ck_assert_ptr_nonnull(strstr(sh("git -C %s show main:README.md", path),
				     "Audit-Head"));
	free(text);
	store_end(s);
}
END_TEST

START_TEST(a_commit_says_who_when_why_and_which_record)
{
	struct ssot *s = store_new();
	struct record *r = task_record(9, "t-1", 1);
	char leaf[SHA256_HEX], want[512];

	hex_of(r->leaf, SHA256_RAW, leaf);
	apply(s, r);
	ck_assert_uint_eq(ssot_seq(s), 9);
	ck_assert_str_eq(ssot_leaf(s), leaf);
	ck_assert_str_eq(sh("git -C %s log --format='%%an <%%ae> %%aI %%cn "
			    "%%cI|%%s'", path),
			 "coordinator <coordinator@kircerta> "
			 "2026-01-02T03:04:14+00:00 kircerta "
			 "2026-01-02T03:04:14+00:00|"
			 "task_updated Record the demo");
	snprintf(want, sizeof(want), "Task: t-1\nActor: coordinator\n"
		 "Operation: task_updated\nCorrelation-Id: c-1\n"
		 "Audit-Head: 9 %s", leaf);
	ck_assert_str_eq(sh("git -C %s log --format='%%(trailers)' | "
			    "sed '/^$/d'", path), want);
	store_end(s);
}
END_TEST

START_TEST(commits_are_ours_only_of_the_same_journal)
{
	struct ssot *s = store_new();
	char said[64];

	apply(s, task_record(1, "t-1", 1));
	snprintf(said, sizeof(said), "Audit-Log: %s", log_id);
	ck_assert_ptr_nonnull(strstr(sh("git -C %s log --format=%%B", path),
				     said));
	apply(s, task_record(2, "t-1", 2));
	ck_assert_ptr_nonnull(strstr(sh("git -C %s log -1 --format=%%B",
					path), said));
	ssot_close(s);
	ck_assert_int_eq(open_store(&s, NULL), 0);
	ck_assert_uint_eq(ssot_seq(s), 2);
	store_end(s);
}
END_TEST

START_TEST(each_kind_of_document_has_its_place)
{
	struct ssot *s = store_new();
	struct record *r[] = {
		task_record(1, "t-1", 1),
		record_new(2, "ack_accepted", "t-1", json_pack(
			"{s:{s:s,s:s,s:i}}", "ack", "id", "x", "task_id",
			"t-1", "attempt", 2)),
		record_new(3, "result_submitted", "t-1", json_pack(
			"{s:{s:s,s:i},s:o}", "result", "id", "x", "attempt",
			2, "task", task_doc("t-1", "x", 2))),
		record_new(4, "evidence_added", "t-1", json_pack(
			"{s:{s:s},s:{s:s,s:s}}", "artifact", "id", "e-1",
			"package", "id", "x", "run_id", "r-1")),
		record_new(5, "evidence_added", NULL, json_pack(
			"{s:{s:s,s:s}}", "package", "id", "x", "run_id",
			"r-2")),
		record_new(6, "write_conflict", "t-1", json_pack(
			"{s:{s:s,s:s}}", "conflict", "id",
			"t-1.0123456789ab", "task_id", "t-1")),
	};
	char want[1200] = "README.md\n";

	ck_assert_int_eq(ssot_apply(s, r, ARRAY_LEN(r), NULL), 0);
	strcat(want, path_of("attempts", "t-1", "t-1/2-ack.json\n"));
	strcat(want, path_of("attempts", "t-1", "t-1/2-result.json\n"));
	strcat(want, path_of("conflicts", "t-1", "t-1/0123456789ab.json\n"));
	strcat(want, path_of("evidence", "t-1", "t-1/r-1.json\n"));
	strcat(want, path_of("evidence", "r-2", "none/r-2.json\n"));
	strcat(want, path_of("tasks", "t-1", "t-1.json"));
	ck_assert_str_eq(sh("git -C %s ls-tree -r --name-only main | "
			    "LC_ALL=C sort", path),
			 sh("printf '%%s' '%s' | LC_ALL=C sort", want));
	ck_assert_str_eq(sh("git -C %s rev-list --count main", path), "6");
	ck_assert_str_eq(sh("git -C %s fsck --strict 2>&1", path), "");
	for (size_t i = 0; i < ARRAY_LEN(r); i++)
		record_unref(r[i]);
	store_end(s);
}
END_TEST

START_TEST(odd_records_leave_no_trace_and_do_no_harm)
{
	struct ssot *s = store_new();
	struct record *r[] = {
		record_new(1, "request", NULL, NULL),
		record_new(2, "x", NULL, json_pack("{s:{s:s}}", "approval",
						   "id", "a-1")),
		record_new(3, "x", NULL, json_pack("{s:{s:s}}", "task", "id",
						   "../../x")),
		record_new(4, "x", NULL, json_pack("{s:{s:s}}", "task", "id",
						   ".git")),
		record_new(5, "x", NULL, json_pack("{s:{}}", "task")),
		record_new(6, "x", NULL, json_pack("{s:[]}", "task")),
		record_new(7, "x", "t-1", json_pack("{s:{s:s}}", "ack", "id",
						    "x")),
		record_new(8, "x", "a/b", json_pack("{s:{s:i}}", "ack",
						    "attempt", 1)),
		record_new(9, "x", NULL, json_pack("{s:{s:s}}", "package",
						   "run_id", "a/b")),
		record_new(10, "x", NULL, json_pack("{s:[]}", "put")),
		record_new(11, "x", "t-1", json_pack(
			"{s:{s:s}}", "conflict", "id", "t-2.0123456789ab")),
		record_new(12, "x", "t-1", json_pack(
			"{s:{s:s}}", "conflict", "id", "t-1.0123/56789ab")),
	};

	ck_assert_int_eq(ssot_apply(s, r, ARRAY_LEN(r), NULL), 0);
	ck_assert_uint_eq(ssot_seq(s), 0);
	ck_assert_int_eq(ssot_apply(s, NULL, 0, NULL), 0);
	ck_assert_str_eq(sh("git -C %s for-each-ref", path), "");
	for (size_t i = 0; i < ARRAY_LEN(r); i++)
		record_unref(r[i]);
	store_end(s);
}
END_TEST

START_TEST(no_title_or_actor_can_forge_a_commit)
{
	static const char *const cases[] = {
		"x\n\nAudit-Head: 99 "
		"00000000000000000000000000000000"
		"00000000000000000000000000000000",
		"\x1b[31mred\x07", "\xe2\x80\xaegnirts",
		LONG_TITLE, "", " ",
	};
	struct ssot *s = store_new();
	struct record *r;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		json_t *data = json_pack("{s:{s:o}}", "put", "task",
					 task_doc("t-1", cases[i], (int)i));
		struct entry e = {.type = "task_updated", .data = data,
				  .actor = i % 2 ? NULL : "a <b>\n\nparent x",
				  .task_id = "t-1"};
		static const uint8_t prev[SHA256_RAW];

		r = record_make(&e, i + 1, TS, prev, NULL);
		ck_assert_ptr_nonnull(r);
		if (!i)
			hex_of(r->leaf, (sizeof(log_id) - 1) / 2, log_id);
		json_decref(data);
		apply(s, r);
		ck_assert_uint_eq(ssot_seq(s), i + 1);
		ck_assert_uint_le(strlen(sh("git -C %s log -1 --format=%%s",
					    path)), 72);
		ck_assert_ptr_null(strpbrk(sh("git -C %s cat-file -p main",
					      path), "\x1b\x07\xe2"));
		ssot_close(s);
		ck_assert_int_eq(open_store(&s, NULL), 0);
		ck_assert_uint_eq(ssot_seq(s), i + 1);
	}
	ck_assert_str_eq(sh("git -C %s fsck --strict 2>&1", path), "");
	store_end(s);
}
END_TEST

START_TEST(replaying_gives_the_same_commits_however_it_is_cut)
{
	static const size_t batch[] = {1, 7, 40};
	struct record *r[40];
	char tip[3][64];

	for (size_t i = 0; i < ARRAY_LEN(r); i++) {
		char id[16];

		snprintf(id, sizeof(id), "t-%zu", i % 13);
		r[i] = task_record(i + 1, id, (int)(i % 3));
	}
	for (size_t b = 0; b < ARRAY_LEN(batch); b++) {
		struct ssot *s = store_new();

		for (size_t i = 0; i < ARRAY_LEN(r); i += batch[b] / 2 + 1) {
			size_t n = ARRAY_LEN(r) - i;

			/* overlapping: what is in already is skipped */
			ck_assert_int_eq(ssot_apply(
				s, r + i, n < batch[b] ? n : batch[b], NULL),
				0);
		}
		ck_assert_uint_eq(ssot_seq(s), 40);
		strcpy(tip[b], sh("git -C %s rev-parse main", path));
		ck_assert_str_eq(sh("git -C %s rev-list --count main", path),
				 "40");
		ck_assert_str_eq(sh("git -C %s fsck --strict 2>&1", path), "");
		ck_assert_str_eq(tip[b], tip[0]);
		store_end(s);
	}
	for (size_t i = 0; i < ARRAY_LEN(r); i++)
		record_unref(r[i]);
}
END_TEST

START_TEST(a_thousand_tasks_lie_in_order_for_git)
{
	struct ssot *s = store_new();
	struct record *r[1000];
	char id[40];

	for (size_t i = 0; i < ARRAY_LEN(r); i++) {
		/* ids that are prefixes of each other, dots and dashes */
		snprintf(id, sizeof(id), "t%s%zu%s", i % 3 ? "-" : ".", i % 250,
			 i % 2 ? "" : ".a-b");
		r[i] = record_new(i + 1, "ack_accepted", id, json_pack(
			"{s:{s:i}}", "ack", "attempt", 1 + (int)i % 12));
	}
	ck_assert_int_eq(ssot_apply(s, r, ARRAY_LEN(r), NULL), 0);
	ck_assert_str_eq(sh("git -C %s fsck --strict 2>&1", path), "");
	ck_assert_str_eq(sh("git -C %s rev-list --count main", path), "1000");
	for (size_t i = 0; i < ARRAY_LEN(r); i++)
		record_unref(r[i]);
	store_end(s);
}
END_TEST

TESTS("ssot",
      a_task_is_a_file_whose_blob_id_is_its_sha,
      a_commit_says_who_when_why_and_which_record,
      commits_are_ours_only_of_the_same_journal,
      each_kind_of_document_has_its_place,
      odd_records_leave_no_trace_and_do_no_harm,
      no_title_or_actor_can_forge_a_commit,
      replaying_gives_the_same_commits_however_it_is_cut,
      a_thousand_tasks_lie_in_order_for_git)
