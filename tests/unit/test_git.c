/* Stock git in a child: what it is given, how it ends, what it leaves. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/run/git.h"
#include "agent/run/spawn.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/fs.h"

#define SH "#!/bin/sh\n"
#define LONG_US 30000000

static char dir[64];

/* /proc/self/exe is this test, so it has to be the helper when asked. */
__attribute__((constructor)) static void be_helper(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], SPAWN_HELPER))
		_exit(spawn_helper_main(argc, argv));
}

static void begin(void)
{
	signal(SIGPIPE, SIG_IGN);
	strcpy(dir, "/tmp/kircerta-git-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
}

/* No child may be left, not even a dead one. */
static void end(void)
{
	ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
	ck_assert_int_eq(errno, ECHILD);
	ck_assert_int_eq(fs_remove_tree(dir), 0);
}

/* From now on "git" is this program. */
static void pretend(const char *program)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/git", dir);
	ck_assert_int_eq(fs_replace(path, program, strlen(program), 0700,
				    NULL), 0);
	snprintf(path, sizeof(path), "%s:/usr/bin:/bin", dir);
	setenv("PATH", path, 1);
}

static int run_with(struct git_result *r, const struct git_options *o,
		    struct err *err, const char *arg)
{
	const char *args[] = {arg, NULL};

	return git_run(r, args, o, err);
}

START_TEST(git_runs_in_a_repository_with_nothing_of_ours_but_what_is_given)
{
	static const char *const env[] = {
		"GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=remote.origin.url",
		"GIT_CONFIG_VALUE_0=/srv/a b", NULL,
	};
	const char *init[] = {"init", "-q", "--bare", NULL};
	const char *get[] = {"config", "--get", "remote.origin.url", NULL};
	const char *wrong[] = {"rev-parse", "--verify", "refs/x", NULL};
	struct git_options o = {.dir = dir, .env = env, .timeout_us = LONG_US};
	struct git_result r;
	struct err err = {0};

	begin();
	setenv("GIT_CONFIG_GLOBAL", "/nowhere", 1);
	setenv("GIT_DIR", "/nowhere", 1);
	ck_assert_msg(!git_run(&r, init, &o, &err), "%s", err.detail);
	ck_assert_msg(r.code == 0, "%d: %s", r.code, r.err);
	git_result_fini(&r);
	ck_assert_int_eq(git_run(&r, get, &o, &err), 0);
	ck_assert_int_eq(r.code, 0);
	ck_assert_str_eq(r.out, "/srv/a b\n");
	ck_assert_uint_eq(r.out_len, 9);
	ck_assert_str_eq(r.err, "");
	git_result_fini(&r);
	ck_assert_int_eq(git_run(&r, wrong, &o, &err), 0);
	ck_assert_int_eq(r.code, 128);
	ck_assert_msg(strstr(r.err, "fatal: ") != NULL, "%s", r.err);
	ck_assert_str_eq(r.out, "");
	git_result_fini(&r);
	end();
}
END_TEST

START_TEST(the_environment_is_exactly_what_is_promised)
{
	struct git_options o = {.dir = dir, .timeout_us = LONG_US};
	struct git_result r;
	struct err err = {0};
	char expected[512];

	begin();
	pretend(SH "env | grep -v -e ^PWD= -e ^_= -e ^SHLVL= -e ^OLDPWD= | "
		"sort\n");
	setenv("HOME", "/h", 1);
	setenv("SSH_AUTH_SOCK", "/run/agent", 1);
	setenv("GIT_ASKPASS", "/bin/ask", 1);
	setenv("SECRET", "x", 1);
	ck_assert_msg(!run_with(&r, &o, &err, "x"), "%s", err.detail);
	snprintf(expected, sizeof(expected), "GIT_ATTR_NOSYSTEM=1\n"
		 "GIT_CONFIG_GLOBAL=/dev/null\nGIT_CONFIG_NOSYSTEM=1\n"
		 "GIT_DIR=.\nGIT_TERMINAL_PROMPT=0\nHOME=/h\nLC_ALL=C\n"
		 "PATH=%s:/usr/bin:/bin\n", dir);
	ck_assert_str_eq(r.out, expected);
	git_result_fini(&r);
	end();
}
END_TEST

/* Gone, or as good as: whoever inherited it may be slow to reap it. */
static bool is_gone(pid_t pid)
{
	char path[64], state = 'X';
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "r");
	if (f && fscanf(f, "%*d (%*[^)]) %c", &state) != 1)
		state = 'X';
	if (f)
		fclose(f);
	return strchr("ZX", state);
}

/* The process that the program left its id of. */
static void expect_gone(const char *name)
{
	int64_t until = clock_mono_us() + 5000000;
	char path[128], *text;
	pid_t pid;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	text = fs_read(path, 64, NULL, NULL);
	ck_assert_ptr_nonnull(text);
	pid = (pid_t)strtol(text, NULL, 10);
	free(text);
	ck_assert_int_gt(pid, 1);
	while (!is_gone(pid) && clock_mono_us() < until)
		;
	ck_assert(is_gone(pid));
}

#define HANGS "sleep 300 &\necho $! > child\necho so far\n"

START_TEST(at_the_deadline_it_ends_with_all_that_it_started)
{
	static const struct { const char *program; int64_t most_ms; } cases[] = {
		{SH HANGS "wait\n", 900},
		{SH "trap '' TERM\n" HANGS "while :; do wait; sleep 300; done\n",
		 2500},
	};
	struct git_options o = {.dir = dir, .timeout_us = 300000};
	struct git_result r;

	begin();
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		int64_t began = clock_mono_us(), took;
		struct err err = {0};

		pretend(cases[i].program);
		ck_assert_int_eq(run_with(&r, &o, &err, "fetch"), -1);
		took = (clock_mono_us() - began) / 1000;
		ck_assert(r.timed_out && !r.stopped && !r.missing);
		ck_assert_int_ge(took, 300);
		ck_assert_int_le(took, cases[i].most_ms);
		ck_assert_str_eq(r.out, "so far\n");
		ck_assert_str_eq(err.detail, "git fetch took too long");
		git_result_fini(&r);
		expect_gone("child");
	}
	end();
}
END_TEST

START_TEST(it_ends_when_it_is_told_to_stop)
{
	struct git_options o = {.dir = dir, .timeout_us = LONG_US};
	int64_t began = clock_mono_us();
	struct git_result r;
	struct err err = {0};

	begin();
	pretend(SH HANGS "wait\n");
	o.stop_fd = eventfd(1, EFD_CLOEXEC);
	ck_assert_int_eq(run_with(&r, &o, &err, "push"), -1);
	ck_assert(r.stopped && !r.timed_out);
	ck_assert_int_lt(clock_mono_us() - began, 1000000);
	git_result_fini(&r);
	close(o.stop_fd);
	end();
}
END_TEST

START_TEST(who_outlives_git_does_not_keep_it_waiting)
{
	struct git_options o = {.dir = dir, .timeout_us = LONG_US};
	int64_t began = clock_mono_us();
	struct git_result r;
	struct err err = {0};

	begin();
	pretend(SH HANGS "exit 3\n");
	ck_assert_msg(!run_with(&r, &o, &err, "x"), "%s", err.detail);
	ck_assert_int_eq(r.code, 3);
	ck_assert_str_eq(r.out, "so far\n");
	ck_assert_int_lt(clock_mono_us() - began, 5000000);
	git_result_fini(&r);
	expect_gone("child");
	end();
}
END_TEST

START_TEST(what_it_says_is_bounded_and_fit_to_be_shown)
{
	struct git_options o = {.dir = dir, .timeout_us = LONG_US};
	struct git_result r;
	struct err err = {0};

	begin();
	pretend(SH "printf '  remote: a\\033[31m\\r\\n\\n\\tb \\200\\0 "
		"\\342\\200\\256c\\n' >&2\n");
	ck_assert_msg(!run_with(&r, &o, &err, "x"), "%s", err.detail);
	ck_assert_str_eq(r.err, "remote: a<U+001B>[31m; b <80> <U+202E>c");
	git_result_fini(&r);
	pretend(SH "yes error: again | head -c 300000 >&2\n");
	ck_assert_msg(!run_with(&r, &o, &err, "x"), "%s", err.detail);
	ck_assert_uint_lt(strlen(r.err), sizeof(r.err));
	ck_assert_uint_gt(strlen(r.err), 300);
	ck_assert_ptr_null(strpbrk(r.err, "\n\r\t"));
	git_result_fini(&r);
	pretend(SH "exec cat /dev/zero\n");
	ck_assert_int_eq(run_with(&r, &o, &err, "log"), -1);
	ck_assert_uint_eq(r.out_len, GIT_OUT_MAX);
	ck_assert_str_eq(err.detail, "git log said more than 16777216 bytes");
	git_result_fini(&r);
	end();
}
END_TEST

START_TEST(progress_keeps_it_alive_and_is_not_kept)
{
	struct git_options o = {.dir = dir, .timeout_us = 400000,
				.most_us = LONG_US};
	struct git_result r;
	struct err err = {0};

	begin();
	pretend(SH "for i in 1 2 3 4 5 6; do "
		"printf 'Writing objects: %d%% (1/9)\\r' $i >&2; sleep 0.2; "
		"done\nprintf 'Writing objects: 100%% (9/9), done.\\n' >&2\n"
		"printf 'remote: Counting: 1, done.   \\nTotal 9 (delta 0)\\n"
		"To /srv/x\\nremote: no\\r\\nerror: not taken' >&2\nexit 1\n");
	ck_assert_msg(!run_with(&r, &o, &err, "push"), "%s", err.detail);
	ck_assert_int_eq(r.code, 1);
	ck_assert_str_eq(r.err, "remote: no; error: not taken");
	git_result_fini(&r);
	o.most_us = 600000;		/* however much it says */
	ck_assert_int_eq(run_with(&r, &o, &err, "push"), -1);
	ck_assert(r.timed_out);
	git_result_fini(&r);
	o.timeout_us = 100000;
	o.most_us = LONG_US;		/* or it says nothing */
	ck_assert_int_eq(run_with(&r, &o, &err, "push"), -1);
	ck_assert(r.timed_out);
	git_result_fini(&r);
	end();
}
END_TEST

START_TEST(a_machine_without_git_is_told_apart)
{
	struct git_options o = {.dir = dir, .timeout_us = LONG_US};
	struct git_result r;
	struct err err = {0};

	begin();
	setenv("PATH", dir, 1);
	ck_assert_int_eq(run_with(&r, &o, &err, "version"), -1);
	ck_assert(r.missing && !r.timed_out);
	ck_assert_str_eq(err.detail, "git cannot be started: No such file or "
			 "directory");
	git_result_fini(&r);
	end();
}
END_TEST

START_TEST(in_the_background_it_yields)
{
	struct git_options o = {.dir = dir, .timeout_us = LONG_US,
				.background = true};
	struct git_result r;
	struct err err = {0};

	begin();
	/* nice itself, or it may ask before it is set */
	pretend(SH "while [ \"$(nice)\" != 19 ]; do :; done\nnice\n");
	ck_assert_msg(!run_with(&r, &o, &err, "repack"), "%s", err.detail);
	ck_assert_str_eq(r.out, "19\n");
	git_result_fini(&r);
	end();
}
END_TEST

START_TEST(git_reads_what_it_is_given)
{
	const char *args[] = {"hash-object", "--stdin", NULL};
	struct git_options o = {.dir = dir, .timeout_us = LONG_US,
				.in = "hello\n"};
	char *much = malloc(GIT_IN_MAX + 2);
	struct git_result r;
	struct err err = {0};

	begin();
	ck_assert_msg(!git_run(&r, args, &o, &err), "%s", err.detail);
	ck_assert_str_eq(r.out, "ce013625030ba8dba906f756967f9e9ca394464a\n");
	git_result_fini(&r);
	memset(much, 'a', GIT_IN_MAX + 1);
	much[GIT_IN_MAX + 1] = 0;
	o.in = much;
	ck_assert_int_eq(git_run(&r, args, &o, &err), -1);
	ck_assert_ptr_nonnull(strstr(err.detail, "too much"));
	git_result_fini(&r);
	err_fini(&err);
	free(much);
	end();
}
END_TEST

TESTS("git", git_reads_what_it_is_given,
      git_runs_in_a_repository_with_nothing_of_ours_but_what_is_given,
      the_environment_is_exactly_what_is_promised,
      at_the_deadline_it_ends_with_all_that_it_started,
      it_ends_when_it_is_told_to_stop,
      who_outlives_git_does_not_keep_it_waiting,
      what_it_says_is_bounded_and_fit_to_be_shown,
      progress_keeps_it_alive_and_is_not_kept,
      a_machine_without_git_is_told_apart, in_the_background_it_yields)
