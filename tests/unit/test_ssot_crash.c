/* Killed while it takes in what others committed: nothing is lost or twice. */
#include "tests/unit/ssot_log.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROUNDS 25

/* Pushes ahead of us and beside us, between commits of ours. */
static void make_log(void)
{
	char theirs[64];

	work_clone();
	for (int i = 0; log_n < MAX - 8; i++) {
		put(task_record(log_n + 1, "t-2", (int)log_n));
		sh("cd %s/w && git fetch -q && git reset -q --hard "
		   "origin/main", dir);
		work_task("t-1", "Record the demo", i);
		keep(theirs, work_commit("by hand"));
		sh("git -C %s/w push -q -f origin HEAD:side 2>&1", dir);
		if (i % 2)
			put(task_record(log_n + 1, "t-3", (int)log_n));
		put(merged_record(log_n + 1, theirs, "theirs"));
		put(marked_record(log_n + 1, theirs, "t-1", i));
		put(record_new(log_n + 1, "request", NULL, NULL));
		if (i % 3 == 0) {
			struct ssot *s;

			ck_assert_int_eq(open_store(&s, NULL), 0);
			go_well(s);
			ssot_close(s);
		}
	}
}

static void forget_main(void)
{
	sh("cd %s && rm -f kircerta.head && git update-ref -d refs/heads/main "
	   "&& (git update-ref -d refs/heads/side || true)", path);
}

/* A child that applies the log, and dies of a signal after us (0: it ends). */
static pid_t begin(size_t step, suseconds_t us)
{
	struct itimerval end = {.it_value.tv_usec = us};
	pid_t child = fork();
	struct ssot *s;

	ck_assert_int_ge(child, 0);
	if (child)
		return child;
	signal(SIGALRM, SIG_DFL);
	setitimer(ITIMER_REAL, &end, NULL);
	if (open_store(&s, NULL))
		_exit(1);
	for (size_t i = 0; i < log_n; i += step)
		if (ssot_apply(s, log_of, i + step < log_n ? i + step : log_n,
			       NULL))
			_exit(1);
	_exit(0);
}

START_TEST(killed_at_any_moment_it_comes_to_the_same_commit)
{
	struct ssot *s = store_new();
	unsigned killed = 0;
	char tip[64];

	put(task_record(1, "t-1", 1000));
	go_well(s);
	ssot_close(s);
	make_log();
	ck_assert_int_eq(open_store(&s, NULL), 0);
	go_well(s);
	ssot_close(s);
	keep(tip, git_main());
	srand(7);
	for (int round = 0; round < ROUNDS; round++) {
		size_t step = 1 + (size_t)rand() % 9;
		int status;

		forget_main();
		waitpid(begin(step, 1 + rand() % 100000), &status, 0);
		ck_assert(WIFSIGNALED(status) || !WEXITSTATUS(status));
		killed += WIFSIGNALED(status);
		ck_assert_int_eq(open_store(&s, NULL), 0);
		ck_assert_str_eq(ssot_moved(s), "");
		go_well(s);
		ssot_close(s);
		ck_assert_str_eq(git_main(), tip);
	}
	ck_assert_uint_gt(killed, 0);
	sound();
	store_end(NULL);
}
END_TEST

/* The objects are written, but main cannot be moved; then the end comes. */
START_TEST(an_end_between_the_objects_and_main_changes_nothing)
{
	struct ssot *s = store_new();
	char theirs[64], lock[128];

	put(task_record(1, "t-1", 1));
	go_well(s);
	ssot_close(s);
	work_clone();
	work_task("t-1", "Record the demo", 2);
	keep(theirs, work_commit("by hand"));
	work_push("main");
	put(task_record(2, "t-2", 1));
	put(merged_record(3, theirs, "theirs"));
	put(marked_record(4, theirs, "t-1", 2));
	put(task_record(5, "t-1", 3));
	snprintf(lock, sizeof(lock), "%s/refs/heads/main.lock", path);
	for (size_t step = 1; step <= log_n; step++) {
		int status;

		close(open(lock, O_CREAT | O_WRONLY, 0644));
		waitpid(begin(step, 0), &status, 0);
		ck_assert_int_eq(WEXITSTATUS(status), 1);
		ck_assert_str_eq(git_main(), theirs);
		unlink(lock);
	}
	ck_assert_int_eq(open_store(&s, NULL), 0);
	ck_assert_uint_eq(ssot_seq(s), 1);
	ck_assert_str_eq(ssot_moved(s), theirs);
	go_well(s);
	ck_assert_str_eq(sh("git -C %s rev-list --count main", path), "5");
	replays(s);
	store_end(NULL);
}
END_TEST

TESTS("ssot_crash",
      killed_at_any_moment_it_comes_to_the_same_commit,
      an_end_between_the_objects_and_main_changes_nothing)
