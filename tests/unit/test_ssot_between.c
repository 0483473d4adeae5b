/* What lies between two commits: a middle, and who says to have made it. */
#include "tests/unit/ssot_repo.h"

#include "agent/store/ssot_graph.h"

/* libgit2 1.5 forgets a few bytes of a walk that fails: not ours to free. */
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#else
#define __lsan_disable() ((void)0)
#define __lsan_enable() ((void)0)
#endif

#define LEAF "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define OURS "0123456789abcdef"

/* A line of n empty commits, refs/tags/c0 to c<n-1>. */
static void line_of(int n)
{
	setup_dir();
	sh("git init -q --bare %s && cd %s && export GIT_AUTHOR_NAME=a "
	   "GIT_AUTHOR_EMAIL=a GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a; "
	   "t=$(git mktree </dev/null); p=; for i in $(seq 0 %d); do "
	   "c=$(git commit-tree $t $p -m $i) && git tag c$i $c && p=\"-p $c\" "
	   "|| exit 1; done", path, path, n - 1);
}

static void commit_at(int n, char out[SSOT_HEX])
{
	snprintf(out, SSOT_HEX, "%s", sh("git -C %s rev-parse c%d", path, n));
}

START_TEST(a_middle_is_found_until_there_is_none)
{
	static const struct { int from, to, middle; } cases[] = {
		{-1, 8, 4}, {-1, 7, 3}, {-1, 1, 0}, {-1, 0, -1}, {0, 8, 4},
		{0, 2, 1}, {3, 4, -1}, {3, 5, 4}, {3, 6, 5},
	};
	char from[SSOT_HEX], to[SSOT_HEX], want[SSOT_HEX], got[SSOT_HEX];
	struct err err = {0};

	line_of(9);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		*from = *want = 0;
		if (cases[i].from >= 0)
			commit_at(cases[i].from, from);
		if (cases[i].middle >= 0)
			commit_at(cases[i].middle, want);
		commit_at(cases[i].to, to);
		ck_assert_msg(!ssot_half_way(path, from, to, got, &err), "%s",
			      err.detail);
		ck_assert_msg(!strcmp(got, want), "case %zu: %s", i, got);
	}
	memset(to, 'a', 40);
	ck_assert_int_eq(ssot_half_way(path, "", to, got, &err), -1);
	ck_assert_int_eq(err.code, ERR_not_found);
	err_fini(&err);
	fs_remove_tree(dir);
}
END_TEST

struct seen {
	int n;
	uint64_t seq;
};

static int see(const char *commit, uint64_t seq, const char *leaf, void *data,
	       struct err *err)
{
	struct seen *s = data;

	(void)err;
	ck_assert_uint_eq(strlen(commit), 40);
	ck_assert_str_eq(leaf, LEAF);
	s->n++;
	s->seq = seq;
	return 0;
}

START_TEST(who_says_to_be_us_is_noticed_wherever_it_is)
{
	static const struct { const char *words; int n; uint64_t seq; } c[] = {
		{"hello", 0, 0},
		{"x\n\nAudit-Log: " OURS "\nAudit-Head: 7 " LEAF, 1, 7},
		{"x\n\nAudit-Head: 8 " LEAF, 1, 8},
		{"x\n\nAudit-Log: ffffffffffffffff\nAudit-Head: 9 " LEAF, 0,
		 0},
		{"Audit-Head: 9 " LEAF "\n\nmore", 0, 0},
		{"x\n\nAudit-Head: 0 " LEAF, 0, 0},
		{"x\n\nAudit-Head: 9 short", 0, 0},
	};
	char from[SSOT_HEX], to[SSOT_HEX];
	struct err err = {0};

	for (size_t i = 0; i < ARRAY_LEN(c); i++) {
		struct seen s = {0};

		line_of(2);
		commit_at(1, from);
		snprintf(to, sizeof(to), "%s", sh("cd %s; export "
			"GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a "
			"GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a; "
			"c=$(git commit-tree c1^{tree} -p c0 -m '%s') && "
			"git commit-tree c1^{tree} -p c1 -p $c -m merge",
			path, c[i].words));
		ck_assert_msg(!ssot_claims(path, from, to, OURS, see, &s,
					   &err), "%s", err.detail);
		ck_assert_msg(s.n == c[i].n && s.seq == c[i].seq, "%s: %d",
			      c[i].words, s.n);
		fs_remove_tree(dir);
	}
}
END_TEST

START_TEST(authors_are_named_once_and_not_without_end)
{
	static const struct { const char *names, *want; } cases[] = {
		{"ann", "ann"}, {"ann ben", "ben, ann"},
		{"ann ben ann ann", "ann, ben"}, {"an ann", "ann, an"},
		{"aaaaaaaaaaaaaaaaaaaa bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb ccc",
		 "ccc, ..."},
		{"cccccccccccccccccccccccccccccccccccccccccccccccccccccccccc",
		 "ccccccccccccccccccccccccccccccccccccccc"},
	};
	char from[SSOT_HEX], to[SSOT_HEX], by[40];
	struct err err = {0};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		line_of(1);
		commit_at(0, from);
		snprintf(to, sizeof(to), "%s", sh("cd %s; export "
			"GIT_AUTHOR_EMAIL=a GIT_COMMITTER_NAME=a "
			"GIT_COMMITTER_EMAIL=a; p=c0; for n in %s; do p=$("
			"GIT_AUTHOR_NAME=$n git commit-tree c0^{tree} -p $p "
			"-m $n); done; echo $p", path, cases[i].names));
		ck_assert_msg(!ssot_authors(path, from, to, by, sizeof(by),
					    &err), "%s", err.detail);
		ck_assert_str_eq(by, cases[i].want);
		fs_remove_tree(dir);
	}
}
END_TEST

START_TEST(a_history_that_cannot_be_read_to_its_end_is_an_error)
{
	char c0[SSOT_HEX], c4[SSOT_HEX], c8[SSOT_HEX], by[40];
	struct err err = {0};
	struct seen s = {0};
	size_t n;

	line_of(9);
	commit_at(0, c0);
	commit_at(4, c4);
	commit_at(8, c8);
	sh("rm -f %s/objects/%.2s/%s", path, c4, c4 + 2);
	__lsan_disable();
	ck_assert_int_eq(ssot_claims(path, c0, c8, OURS, see, &s, &err), -1);
	err_fini(&err);
	ck_assert_int_eq(ssot_authors(path, c0, c8, by, sizeof(by), &err), -1);
	err_fini(&err);
	ck_assert_int_eq(ssot_count(path, c0, c8, &n, 100, &err), -1);
	__lsan_enable();
	err_fini(&err);
	fs_remove_tree(dir);
}
END_TEST

TESTS("ssot_between", authors_are_named_once_and_not_without_end,
      a_middle_is_found_until_there_is_none,
      who_says_to_be_us_is_noticed_wherever_it_is,
      a_history_that_cannot_be_read_to_its_end_is_an_error)
