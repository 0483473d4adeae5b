/* Commits for a remote, before main or anybody knows of them. */
#include "tests/unit/ssot_log.h"

#include "agent/store/ssot_graph.h"
#include "agent/store/ssot_propose.h"

static void propose(const char *tip, struct ssot *s,
		    struct proposal_commit *c, size_t n)
{
	struct err err = {0};

	ck_assert_msg(!ssot_propose(path, tip, log_id, ssot_seq(s),
				    ssot_leaf(s), c, n, &err), "%s",
		      err.detail);
}

START_TEST(proposals_are_a_line_that_main_does_not_have_yet)
{
	struct ssot *s = store_new();
	struct ssot_commit_facts facts;
	char tip[64], at[3][300];
	struct ssot_proposal docs[] = {
		{at[0], "{\n}\n", 4}, {at[1], "{\n}\n", 4}, {at[2], "x\n", 2},
		{at[0], "{\n}\n", 4},
	};
	struct proposal_commit c[] = {
		{docs, 2, TS, "codex", "task_updated", "T\nitle", "c-1", "t-1"},
		{docs + 2, 1, TS, "codex", "task_acked", NULL, NULL, NULL},
		{docs + 3, 1, TS, "codex", "task_acked", NULL, NULL, NULL},
	};

	put(task_record(1, "t-1", 1));
	go_well(s);
	keep(tip, git_main());
	snprintf(at[0], sizeof(at[0]), "%s", path_of("tasks", "t-1",
						     "t-1.json"));
	snprintf(at[1], sizeof(at[1]), "%s", path_of("tasks", "t-2",
						     "t-2.json"));
	snprintf(at[2], sizeof(at[2]), "%s", path_of("attempts", "t-1",
						     "t-1/1-ack.json"));
	propose(tip, s, c, ARRAY_LEN(c));
	ck_assert_str_eq(git_main(), tip);
	ck_assert_str_eq(sh("git -C %s rev-parse %s~2", path, c[1].id), tip);
	ck_assert_str_eq(sh("git -C %s rev-parse %s~1", path, c[1].id),
			 c[0].id);
	ck_assert_str_eq(c[2].id, c[1].id);
	ck_assert_str_eq(sh("git -C %s diff --name-only %s %s | wc -l", path,
			    tip, c[1].id), "3");
	ck_assert_int_eq(ssot_commit_facts(path, c[0].id, &facts, NULL), 0);
	ck_assert_str_eq(facts.author, "codex");
	ck_assert_str_eq(facts.subject, "task_updated T<U+000A>itle");
	ck_assert_str_eq(facts.log_id, log_id);
	ck_assert_uint_eq(facts.seq, 1);
	sh("git -C %s fsck --strict %s 2>&1", path, c[1].id);
	ck_assert_str_eq(sh("ls %s/objects/pack | grep tmp_ || true", path),
			 "");
	/* pushed, and taken in: the line goes on behind them */
	put(merged_record(2, c[1].id, "theirs"));
	put(marked_record(3, c[1].id, "t-1", 5));
	put(task_record(4, "t-1", 2));
	go_well(s);
	ck_assert_str_eq(sh("git -C %s rev-parse main~1", path), c[1].id);
	replays(s);
	store_end(NULL);
}
END_TEST

/* A fact was recorded meanwhile: both are there, and a restart knows. */
START_TEST(a_proposal_beside_a_fact_is_merged)
{
	struct ssot *s = store_new();
	char tip[64];
	struct ssot_proposal doc = {NULL, "{\n}\n", 4};
	struct proposal_commit c = {&doc, 1, TS, "codex", "task_updated",
				    "T", "c-1", "t-1"};

	put(task_record(1, "t-1", 1));
	go_well(s);
	keep(tip, git_main());
	doc.path = xstrdup(path_of("tasks", "t-9", "t-9.json"));
	propose(tip, s, &c, 1);
	free((char *)doc.path);
	put(task_record(2, "t-2", 1));
	put(merged_record(3, c.id, "theirs"));
	go_well(s);
	ck_assert_str_eq(sh("git -C %s rev-parse main^2", path), c.id);
	ck_assert_uint_eq(ssot_seq(s), 3);
	replays(s);
	store_end(NULL);
}
END_TEST

START_TEST(a_new_history_begins_with_a_readme_and_nothing_else_is_wrong)
{
	struct ssot *s = store_new();
	struct err err = {0};
	char at[300];
	struct ssot_proposal doc = {at, "{\n}\n", 4};
	struct proposal_commit c = {&doc, 1, TS, "codex", "task_created",
				    "T", "c-1", "t-1"};

	snprintf(at, sizeof(at), "%s", path_of("tasks", "t-1", "t-1.json"));
	ck_assert_int_eq(ssot_propose(path, NULL, "0123456789abcdef", 0, NULL,
				      &c, 1, NULL), 0);
	ck_assert_str_eq(sh("git -C %s ls-tree -r --name-only %s | wc -l",
			    path, c.id), "2");
	ck_assert_int_eq(ssot_propose(path, "00000000000000000000000000000000"
				      "00000001", "0123456789abcdef", 0, NULL,
				      &c, 1, &err), -1);
	ck_assert_int_eq(err.code, ERR_not_found);
	err_fini(&err);
	store_end(s);
}
END_TEST

TESTS("ssot_propose",
      proposals_are_a_line_that_main_does_not_have_yet,
      a_proposal_beside_a_fact_is_merged,
      a_new_history_begins_with_a_readme_and_nothing_else_is_wrong)
