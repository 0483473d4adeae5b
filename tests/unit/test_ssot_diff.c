/* Commits that anybody may have made, read for what they change. */
#include "tests/unit/ssot_repo.h"

#include "agent/store/ssot_diff.h"
#include "agent/store/ssot_packs.h"
#include "common/buf.h"

struct seen {
	struct buf text;
	size_t n;
	int stop_at;
};

static int note(const struct ssot_change *c, void *data, struct err *err)
{
	struct seen *s = data;

	(void)err;
	buf_addf(&s->text, "%s %o>%o %s%s %s%zu\n", c->path, c->base_mode,
		 c->mode, c->kind ? c->kind : "-", c->reserved ? "!" : "",
		 c->text ? "" : "no text ", c->len);
	return ++s->n == (size_t)s->stop_at ? 7 : 0;
}

/* What differs, one a line; static. */
static const char *differs(const char *from, const char *to)
{
	static char out[4096];
	struct seen seen = {0};
	struct err err = {0};

	ck_assert_msg(!ssot_diff(path, from, to, note, &seen, &err), "%s",
		      err.detail);
	snprintf(out, sizeof(out), "%s", seen.text.data ? seen.text.data : "");
	buf_fini(&seen.text);
	return out;
}

START_TEST(every_kind_of_entry_is_told)
{
	struct ssot *s = store_new();
	char from[64], to[64], want[2048];
	struct seen stop = {.stop_at = 2};

	apply(s, task_record(1, "t-1", 1));
	keep(from, sh("git -C %s rev-parse main", path));
	work_clone();
	sh("cd %s/w && printf x >plain && printf yy >run.sh && chmod +x run.sh"
	   " && ln -s /etc/passwd link && mkdir -p a/b/c && printf 1 >a/b/c/d "
	   "&& head -c 53249 /dev/zero >huge && head -c 53248 /dev/zero >full "
	   "&& printf z >README.md && mkdir -p tasks/0 && printf q >tasks/0/x "
	   "&& git add . && git update-index --add --cacheinfo 160000,"
	   "%s,sub && git commit -q -m x && git push -q origin main 2>&1",
	   dir, from);
	keep(to, sh("git -C %s rev-parse main", path));
	snprintf(want, sizeof(want), "README.md 100644>100644 - 1\n"
		 "a/b/c/d 0>100644 - 1\nfull 0>100644 - 53248\n"
		 "huge 0>100644 - no text 53249\nlink 0>120000 - 11\n"
		 "plain 0>100644 - 1\nrun.sh 0>100755 - 2\n"
		 "sub 0>160000 - no text 0\ntasks/0/x 0>100644 -! 1\n");
	ck_assert_str_eq(differs(from, to), want);
	ck_assert_str_eq(differs(to, to), "");
	ck_assert_int_eq(ssot_diff(path, from, to, note, &stop, NULL), 7);
	ck_assert_uint_eq(stop.n, 2);
	buf_fini(&stop.text);
	snprintf(want, sizeof(want), "%s 100644>0 task! no text 0\n",
		 path_of("tasks", "t-1", "t-1.json"));
	sh("cd %s/w && git rm -q %s && git commit -q -m y && git push -q "
	   "origin main 2>&1", dir, path_of("tasks", "t-1", "t-1.json"));
	ck_assert_str_eq(differs(to, sh("git -C %s rev-parse main", path)),
			 want);
	snprintf(want, sizeof(want), "README.md 0>100644 - %zu\n"
		 "%s 0>100644 task! %zu\n", strlen(ssot_readme),
		 path_of("tasks", "t-1", "t-1.json"),
		 (size_t)atoi(sh("git -C %s cat-file -s %s:%s", path, from,
				 path_of("tasks", "t-1", "t-1.json"))));
	ck_assert_str_eq(differs(NULL, from), want);
	store_end(s);
}
END_TEST

/* A tree made of this, as printf of the shell has it, below a commit. */
static const char *hostile_commit(const char *raw)
{
	char blob[64];

	keep(blob, sh("printf x | git -C %s hash-object -w --stdin", path));
	return sh("cd %s && b=$(printf '%s' | sed 's/../\\\\x&/g') && "
		  "t=$(env printf \"%s\" | git hash-object -w -t tree --literally "
		  "--stdin) && " GIT "%s commit-tree -m x $t", path, blob,
		  raw, path);
}

START_TEST(a_tree_that_git_would_not_write_is_refused)
{
	static const char *const cases[] = {
		"100644 a/b\\0$b", "100644 .git\\0$b", "100644 .GIT\\0$b",
		"100644 ..\\0$b", "100644 .\\0$b",
		"100644 b\\0${b}100644 a\\0$b", "100644 a\\0${b}100644 a\\0$b",
		"100644 a\\0${b}100644 a.b\\0${b}40000 a\\0$b",
		"40000 a\\0$b", "100644 x", "999999", "100644 \\0$b",
	};
	struct ssot *s = store_new();

	apply(s, task_record(1, "t-1", 1));
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct seen seen = {0};
		struct err err = {0};
		char to[64];

		keep(to, hostile_commit(cases[i]));
		ck_assert_uint_eq(strlen(to), 40);
		ck_assert_msg(ssot_diff(path, NULL, to, note, &seen, &err) ==
			      -1, "%s", cases[i]);
		ck_assert_msg(err.code == ERR_invalid_request, "%s: %s",
			      cases[i], err.detail);
		err_fini(&err);
		buf_fini(&seen.text);
	}
	store_end(s);
}
END_TEST

START_TEST(git_itself_takes_no_such_tree_in)
{
	struct ssot *s = store_new();
	char bad[64];

	apply(s, task_record(1, "t-1", 1));
	ck_assert_int_eq(packs_own(path, NULL), 0);
	work_clone();
	sh("cp -r %s %s/other.git", path, dir);
	strcat(path, ".x");
	sh("mv %s/other.git %s", dir, path);
	keep(bad, hostile_commit("100644 .git\\0$b"));
	sh("git -C %s push -f %s/ssot.git %s:main 2>&1 | grep -qi dotgit", path,
	   dir, bad);
	work_task("t-1", "Record the demo", 2);
	work_commit("in order");
	work_push("main");
	store_end(s);
}
END_TEST

START_TEST(depth_has_an_end)
{
	struct ssot *s = store_new();
	struct seen seen = {0};
	struct err err = {0};
	char to[64];

	apply(s, task_record(1, "t-1", 1));
	keep(to, sh("cd %s && t=$(git hash-object -w -t blob --stdin "
		    "</dev/null) && t=$(printf '100644 blob %%s\\tf\\n' $t | "
		    "git mktree) && for i in $(seq 70); do t=$(printf '040000 "
		    "tree %%s\\td\\n' $t | git mktree); done && " GIT
		    "%s commit-tree -m x $t", path, path));
	ck_assert_int_eq(ssot_diff(path, NULL, to, note, &seen, &err), -1);
	ck_assert_int_eq(err.code, ERR_invalid_request);
	err_fini(&err);
	keep(to, sh("cd %s && n=$(printf 'n%%.0s' $(seq 600)) && "
		    "t=$(printf '100644 blob %%s\\t%%s\\n' $(git hash-object "
		    "-w --stdin </dev/null) $n | git mktree) && " GIT
		    "%s commit-tree -m x $t", path, path));
	ck_assert_int_eq(ssot_diff(path, NULL, to, note, &seen, &err), -1);
	ck_assert_int_eq(err.code, ERR_invalid_request);
	err_fini(&err);
	ck_assert_uint_eq(seen.n, 0);
	store_end(s);
}
END_TEST

START_TEST(commits_tell_how_they_are_related_and_who_made_them)
{
	struct ssot *s = store_new();
	struct ssot_commit_facts facts;
	struct err err = {0};
	char one[64], two[64], side[64], alone[64], out[SSOT_HEX];
	size_t n;

	apply(s, task_record(1, "t-1", 1));
	keep(one, sh("git -C %s rev-parse main", path));
	apply(s, task_record(2, "t-1", 2));
	keep(two, sh("git -C %s rev-parse main", path));
	keep(side, sh(GIT "%s commit-tree -p %s -m \"$(printf 'fix \\033[1m"
		      "it\\n\\nActor: x\\nAudit-Head: 9 zz')\" '%s^{tree}'",
		      path, one, one));
	keep(alone, sh(GIT "%s commit-tree -m alone '%s^{tree}'", path, one));
	ck_assert_int_eq(ssot_ref_read(path, "refs/heads/main", out, NULL), 0);
	ck_assert_str_eq(out, two);
	ck_assert_int_eq(ssot_ref_read(path, "refs/x", out, NULL), 0);
	ck_assert_str_eq(out, "");
	ck_assert_int_eq(ssot_merge_base(path, side, two, out, NULL), 0);
	ck_assert_str_eq(out, one);
	ck_assert_int_eq(ssot_merge_base(path, alone, two, out, NULL), 0);
	ck_assert_str_eq(out, "");
	ck_assert_int_eq(ssot_is_ancestor(path, one, two, NULL), 1);
	ck_assert_int_eq(ssot_is_ancestor(path, one, one, NULL), 1);
	ck_assert_int_eq(ssot_is_ancestor(path, two, side, NULL), 0);
	ck_assert_int_eq(ssot_count(path, one, two, &n, 10, NULL), 0);
	ck_assert_uint_eq(n, 1);
	ck_assert_int_eq(ssot_count(path, NULL, two, &n, 10, NULL), 0);
	ck_assert_uint_eq(n, 2);
	ck_assert_int_eq(ssot_count(path, NULL, two, &n, 1, NULL), 0);
	ck_assert_uint_eq(n, 1);
	ck_assert_int_eq(ssot_commit_facts(path, two, &facts, NULL), 0);
	ck_assert_str_eq(facts.author, "coordinator");
	ck_assert_str_eq(facts.operation, "task_updated");
	ck_assert_str_eq(facts.log_id, log_id);
	ck_assert_str_eq(facts.parent, one);
	ck_assert_uint_eq(facts.seq, 2);
	ck_assert_int_eq(ssot_commit_facts(path, side, &facts, NULL), 0);
	ck_assert_str_eq(facts.author, "Anna");
	ck_assert_str_eq(facts.subject, "fix <U+001B>[1mit");
	ck_assert_str_eq(facts.actor, "x");
	ck_assert_uint_eq(facts.seq, 0);
	ck_assert_int_eq(ssot_is_ancestor(path, one, "0123456789012345678901"
					  "234567890123456789", &err), -1);
	ck_assert_int_eq(err.code, ERR_not_found);
	err_fini(&err);
	ck_assert_int_eq(ssot_diff(path, NULL, "x", note, NULL, &err), -1);
	ck_assert_int_eq(err.code, ERR_not_found);
	err_fini(&err);
	store_end(s);
}
END_TEST

START_TEST(a_path_has_a_kind_only_where_its_document_belongs)
{
	const char *none = path_of("evidence", "r-2", "none/r-2.json");

	ck_assert_str_eq(ssot_path_kind(none), "package");
	ck_assert_str_eq(ssot_path_kind(path_of("tasks", "t-1", "t-1.json")),
			 "task");
	ck_assert_str_eq(ssot_path_kind(path_of("attempts", "t-1",
						"t-1/12-ack.json")), "ack");
	ck_assert_str_eq(ssot_path_kind(path_of("attempts", "t-1",
						"t-1/1-result.json")),
			 "result");
	ck_assert_str_eq(ssot_path_kind(path_of("attempts", "t-1",
						"t-1/1-verdict.json")),
			 "verdict");
	ck_assert_str_eq(ssot_path_kind(path_of("attempts", "t-1",
						"t-1/2-redispatch.json")),
			 "redispatch");
	ck_assert_str_eq(ssot_path_kind(path_of("evidence", "t-1",
						"t-1/r-1.json")), "package");
	ck_assert_str_eq(ssot_path_kind(path_of("conflicts", "t.1-x",
						"t.1-x/0123456789ab.json")),
			 "conflict");
	static const char *const others[] = {
		"", "/", "tasks", "tasks/", "x.json", "tasks/0/0/0/t-1.json",
		"tasks/t-1.json", "/x.json", "//.json", "README.md",
	};
	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		ck_assert_ptr_null(ssot_path_kind(others[i]));
	ck_assert_ptr_null(ssot_path_kind(path_of("attempts", "t-1",
						  "t-1/01-ack.json")));
	ck_assert_ptr_null(ssot_path_kind(path_of("attempts", "t-1",
						  "t-1/0-ack.json")));
	ck_assert_ptr_null(ssot_path_kind(path_of("tasks", "t-1",
						  "t-1.json.json")));
	ck_assert(ssot_path_reserved("tasks/x"));
	ck_assert(ssot_path_reserved("tasks"));
	ck_assert(!ssot_path_reserved("tasksx"));
	ck_assert(!ssot_path_reserved("doc/tasks"));
}
END_TEST

TESTS("ssot_diff",
      every_kind_of_entry_is_told,
      a_tree_that_git_would_not_write_is_refused,
      git_itself_takes_no_such_tree_in,
      depth_has_an_end,
      commits_tell_how_they_are_related_and_who_made_them,
      a_path_has_a_kind_only_where_its_document_belongs)
