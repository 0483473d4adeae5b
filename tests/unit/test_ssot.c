/* The task repository, as stock git sees it. */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/store/record.h"
#include "agent/store/ssot.h"
#include "common/err.h"
#include "common/fs.h"

#define LONG_TITLE \
	"a title that is much longer than what fits into a subject line of " \
	"seventy-two bytes \xc3\xa4\xc3\xa4\xc3\xa4"
#define TS 1767323045678901LL	/* 2026-01-02T03:04:05.678901Z */

static char dir[64], path[80];

static void setup_dir(void)
{
	strcpy(dir, "/tmp/kircerta-ssot-XXXXXX");
	ck_assert(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/ssot.git", dir);
}

static struct ssot *store_new(void)
{
	struct ssot *s;
	struct err err = {0};

	setup_dir();
	ck_assert_msg(!ssot_open(&s, path, &err), "%s", err.detail);
	return s;
}

static void store_end(struct ssot *s)
{
	ssot_close(s);
	fs_remove_tree(dir);
}

/* Output of a command, its %s being the repository; static. */
static const char *sh(const char *fmt, ...)
{
	static char out[16384];
	char command[1024];
	va_list ap;
	size_t n;
	FILE *p;

	va_start(ap, fmt);
	vsnprintf(command, sizeof(command), fmt, ap);
	va_end(ap);
	p = popen(command, "r");
	n = fread(out, 1, sizeof(out) - 1, p);
	out[n] = 0;
	if (n && out[n - 1] == '\n')
		out[n - 1] = 0;
	ck_assert_msg(pclose(p) == 0, "%s\n%s", command, out);
	return out;
}

static struct record *record_new(uint64_t seq, const char *type,
				 const char *task_id, json_t *put)
{
	static const uint8_t prev[SHA256_RAW];
	json_t *data = json_object();
	struct entry e = {.type = type, .actor = "coordinator",
			  .correlation_id = "c-1", .task_id = task_id,
			  .data = data};
	struct record *r;

	if (put)
		json_object_set_new(data, "put", put);
	r = record_make(&e, seq, TS + (int64_t)seq * 1000000, prev, NULL);
	json_decref(data);
	return r;
}

static json_t *task_doc(const char *id, const char *title, int n)
{
	return json_pack("{s:s,s:s,s:i,s:[{s:s}]}", "id", id, "title", title,
			 "n", n, "acceptance_criteria", "id", "AC-1");
}

static struct record *task_record(uint64_t seq, const char *id, int n)
{
	return record_new(seq, "task_updated", id, json_pack(
		"{s:o}", "task", task_doc(id, "Record the demo", n)));
}

static int apply_one(struct ssot *s, struct record *r, struct err *err)
{
	int rc = ssot_apply(s, &r, 1, err);

	record_unref(r);
	return rc;
}

static void apply(struct ssot *s, struct record *r)
{
	struct err err = {0};

	ck_assert_msg(!apply_one(s, r, &err), "%s", err.detail);
}

/* "tasks/1/2/3/" and the rest; static. */
static const char *path_of(const char *folder, const char *key,
			   const char *rest)
{
	static char out[200];
	char h[SHA256_HEX];

	sha256_hex(key, strlen(key), h);
	snprintf(out, sizeof(out), "%s/%c/%c/%c/%s", folder, h[0], h[1],
		 h[2], rest);
	return out;
}

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
	};
	char want[1200] = "README.md\n";

	ck_assert_int_eq(ssot_apply(s, r, ARRAY_LEN(r), NULL), 0);
	strcat(want, path_of("attempts", "t-1", "t-1/2-ack.json\n"));
	strcat(want, path_of("attempts", "t-1", "t-1/2-result.json\n"));
	strcat(want, path_of("evidence", "t-1", "t-1/r-1.json\n"));
	strcat(want, path_of("evidence", "r-2", "none/r-2.json\n"));
	strcat(want, path_of("tasks", "t-1", "t-1.json"));
	ck_assert_str_eq(sh("git -C %s ls-tree -r --name-only main | "
			    "LC_ALL=C sort", path),
			 sh("printf '%%s' '%s' | LC_ALL=C sort", want));
	ck_assert_str_eq(sh("git -C %s rev-list --count main", path), "5");
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
		json_decref(data);
		apply(s, r);
		ck_assert_uint_eq(ssot_seq(s), i + 1);
		ck_assert_uint_le(strlen(sh("git -C %s log -1 --format=%%s",
					    path)), 72);
		ck_assert_ptr_null(strpbrk(sh("git -C %s cat-file -p main",
					      path), "\x1b\x07\xe2"));
		ssot_close(s);
		ck_assert_int_eq(ssot_open(&s, path, NULL), 0);
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

START_TEST(it_goes_on_where_it_was_after_a_restart)
{
	struct ssot *s = store_new();

	for (uint64_t seq = 1; seq <= 5; seq++) {
		apply(s, task_record(seq, seq % 2 ? "t-1" : "t-2", (int)seq));
		ssot_close(s);
		ck_assert_int_eq(ssot_open(&s, path, NULL), 0);
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
	char theirs[64];

	for (uint64_t seq = 1; seq <= 3; seq++)
		apply(s, task_record(seq, "t-1", (int)seq));
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
	/* A commit of somebody else's on top is not built on either. */
	sh("git -C %s update-ref refs/heads/main $(git -C %s -c user.name=x "
	   "-c user.email=x@x commit-tree -m theirs -p main 'main^{tree}')",
	   path, path);
	ck_assert_int_eq(ssot_open(&again, path, &err), -1);
	ck_assert_ptr_nonnull(strstr(err.detail, "somebody else"));
	err_fini(&err);
	/* Moved back to one of ours, it goes on from there. */
	sh("git -C %s update-ref refs/heads/main %s", path, theirs);
	ssot_close(s);
	ck_assert_int_eq(ssot_open(&s, path, NULL), 0);
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
		rc = ssot_open(&s, path, &err);
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
	ck_assert_int_eq(ssot_open(&s, path, &err), -1);
	ck_assert_int_eq(err.code, ERR_io);
	err_fini(&err);
	store_end(NULL);
}
END_TEST

START_TEST(history_is_what_touched_the_task)
{
	static const struct { const char *type, *id; int n; } made[] = {
		{"task_created", "t-1", 1}, {"task_created", "t-2", 1},
		{"task_updated", "t-1", 2}, {"task_updated", "t-2", 2},
		{"heartbeat", "t-1", 2}, {"task_state", "t-1", 3},
	};
	static const uint64_t want[] = {1, 3, 6};
	struct ssot *s = store_new();
	struct err err = {0};
	json_t *h, *one;
	size_t i;

	for (i = 0; i < ARRAY_LEN(made); i++)
		apply(s, record_new(i + 1, made[i].type, made[i].id, json_pack(
			"{s:o}", "task", task_doc(made[i].id, "x",
						  made[i].n))));
	h = ssot_history(path, "t-1", 100, NULL);
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
	json_decref(h);
	h = ssot_history(path, "t-1", 2, NULL);
	ck_assert_uint_eq(json_array_size(h), 2);
	ck_assert_int_eq(json_int(json_array_get(h, 1), "seq", 0), 6);
	json_decref(h);
	ck_assert_ptr_null(ssot_history(path, "t-3", 9, &err));
	ck_assert_int_eq(err.code, ERR_not_found);
	err_fini(&err);
	ck_assert_ptr_null(ssot_history(path, "../t", 9, &err));
	ck_assert_int_eq(err.code, ERR_not_found);
	err_fini(&err);
	store_end(s);
}
END_TEST

START_TEST(an_empty_repository_has_no_history)
{
	struct ssot *s = store_new();
	struct err err = {0};

	ck_assert_ptr_null(ssot_history(path, "t-1", 9, &err));
	ck_assert_int_eq(err.code, ERR_not_found);
	err_fini(&err);
	ck_assert_ptr_null(ssot_history("/nonexistent", "t-1", 9, &err));
	ck_assert_int_eq(err.code, ERR_io);
	err_fini(&err);
	store_end(s);
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
      each_kind_of_document_has_its_place,
      odd_records_leave_no_trace_and_do_no_harm,
      no_title_or_actor_can_forge_a_commit,
      replaying_gives_the_same_commits_however_it_is_cut,
      it_goes_on_where_it_was_after_a_restart,
      git_may_repack_while_the_agent_writes,
      a_ref_that_somebody_moved_stays_where_it_is,
      a_failure_before_the_ref_changes_nothing_and_can_be_retried,
      a_folder_that_is_something_else_is_left_alone,
      a_damaged_repository_is_an_error_and_no_crash,
      history_is_what_touched_the_task,
      an_empty_repository_has_no_history,
      a_thousand_tasks_lie_in_order_for_git)
