/* Between us and a tool: who starts, who dies with whom, what is missing. */
#include "tests/unit/runs.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>

#define SH "#!/bin/sh\n"
#define DONE "echo '{\"result\":{}}'\n"

static struct run_report *run_command(const char *command)
{
	const char *dirs[] = {runs.dir, NULL};
	struct err err = {0};
	char manifest[512];

	snprintf(manifest, sizeof(manifest), "[tool]\nname = t\n"
		 "side-effect-level = external_publish\ncommand = %s\n",
		 command);
	put_file("t.conf", manifest, 0600);
	tools_unref(runs.tools);
	ck_assert_msg(!tools_load(&runs.tools, dirs, 60000000, &err), "%s",
		      err.detail);
	return run_args(NULL, 0);
}

START_TEST(a_bare_name_is_looked_up_and_no_shell_reads_it)
{
	const struct run_report *r;

	begin(1);
	r = run_command("printf '{\\\"result\\\":{\\\"a\\\":\\\"%s\\\"}}' '$HOME `x` *'");
	expect_end(r, "succeeded", NULL, NULL);
	ck_assert_str_eq(json_str(r->result, "a"), "$HOME `x` *");
	expect_end(run_command("no-such-program-anywhere"), "failed",
		   "tool_missing", "no-such-program-anywhere: No such file");
	expect_end(run_command("/etc/passwd"), "failed", "tool_missing",
		   "/etc/passwd: Permission denied");
	end();
}
END_TEST

/* Read what a descriptor gives until it holds a line; its first number. */
static pid_t number_from(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	char text[32] = "";
	size_t n = 0;
	ssize_t got;

	while (!strchr(text, '\n') && n < sizeof(text) - 1 &&
	       poll(&p, 1, WAIT_S * 1000) == 1 &&
	       (got = read(fd, text + n, sizeof(text) - 1 - n)) > 0)
		n += (size_t)got;
	return (pid_t)strtol(text, NULL, 10);
}

START_TEST(a_tool_dies_with_an_agent_that_is_killed)
{
	char path[128], program[256];
	pid_t agent, leader;
	int fifo;

	begin(1);
	snprintf(path, sizeof(path), "%s/pid", runs.dir);
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	fifo = open(path, O_RDWR | O_CLOEXEC);
	snprintf(program, sizeof(program), SH "echo $$ > %s\n"
		 "exec sleep 300\n", path);
	tool("read_only", "", program);
	/* Threads do not survive fork, so the agent begins after it. */
	supervisor_close(runs.supervisor);
	runs.supervisor = NULL;
	agent = fork();
	if (!agent) {
		struct err err = {0};

		snprintf(path, sizeof(path), "%s/work", runs.dir);
		if (supervisor_open(&runs.supervisor, runs.evidence, path, 1,
				    on_report, NULL, &err))
			_exit(1);
		prepare("r-1", NULL, 0);
		expect(RUN_READY);
		go("r-1");
		expect(RUN_ENDED);
		_exit(0);
	}
	leader = number_from(fifo);
	ck_assert_int_gt(leader, 1);
	ck_assert_int_eq(kill(agent, SIGKILL), 0);
	ck_assert_int_eq(waitpid(agent, NULL, 0), agent);
	ck_assert(is_dead(leader));
	close(fifo);
	snprintf(path, sizeof(path), "%s/work/r-1", runs.dir);
	ck_assert_int_eq(access(path, F_OK), 0);
	ck_assert_int_eq(fs_remove_tree(path), 0);
	end();
}
END_TEST

START_TEST(a_helper_whose_parent_is_gone_starts_nothing)
{
	static char name[] = "x", flag[] = SPAWN_HELPER, other[] = "999999999",
		    how[] = "alone", program[] = "/bin/true";
	char *none[] = {name, flag, other, how, program, NULL};
	int status, line[2];
	pid_t pid;

	ck_assert_int_eq(pipe(line), 0);
	ck_assert_int_eq(write(line[1], "", 1), 1);
	pid = fork();
	if (!pid) {
		dup2(line[0], 3);	/* as if its parent had let it go */
		_exit(spawn_helper_main(5, none));
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(WEXITSTATUS(status), 127);
	ck_assert_int_eq(spawn_helper_main(2, none), 127);
}
END_TEST

START_TEST(a_success_whose_evidence_is_lost_is_none)
{
	static const struct {
		const char *program, *level, *state, *code;
	} cases[] = {
		{SH DONE, "read_only", "failed", "io"},
		{SH DONE, "external_publish", "outcome_unknown",
		 "outcome_unknown"},
		{SH "echo x > a\necho '{\"artifact\":{\"name\":\"a\"}}'\n"
		 DONE, "external_publish", "outcome_unknown",
		 "outcome_unknown"},
		{SH "echo '{\"error\":{}}'\nexit 1\n", "external_publish",
		 "failed", "tool_failed"},
	};
	char path[128];

	begin(1);
	snprintf(path, sizeof(path), "%s/evidence", runs.dir);
	ck_assert_int_eq(fs_remove_tree(path), 0);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct run_report *r = run_program(cases[i].level,
							 cases[i].program);

		expect_end(r, cases[i].state, cases[i].code,
			   i < 3 ? "evidence could not be stored" : NULL);
		ck_assert_ptr_null(r->package);
		ck_assert_str_eq(r->package_sha256, "");
		ck_assert_uint_eq(json_array_size(r->artifacts), 0);
	}
	end();
}
END_TEST

static void limit_descriptors(rlim_t most)
{
	struct rlimit limit;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = most ? most : limit.rlim_max;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

START_TEST(without_descriptors_a_run_fails_and_leaves_nothing)
{
	int failed = 0, succeeded = 0, lowest;
	struct err err = {0};
	char id[16], path[128];

	begin(1);
	tool("external_publish", "", SH DONE);
	for (int more = 0; more < 20; more++) {
		const struct run_report *r;

		snprintf(id, sizeof(id), "r-%d", more);
		prepare(id, NULL, 0);
		expect(RUN_READY);
		lowest = dup(1);
		close(lowest);
		limit_descriptors((rlim_t)lowest + (rlim_t)more);
		go(id);
		r = expect(RUN_ENDED);
		limit_descriptors(0);
		/* It ran, or it surely did not, or only evidence is missing. */
		if (!strcmp(r->state, "succeeded"))
			succeeded++;
		else if (!strcmp(r->state, "failed"))
			failed++;
		else
			ck_assert_msg(strstr(json_str(r->error, "detail"),
					     "it succeeded") != NULL, "%s",
				      json_str(r->error, "detail"));
	}
	ck_assert_int_ge(failed, 8);
	ck_assert_int_ge(succeeded, 1);
	/* A folder that could not even be looked into goes at the next start. */
	supervisor_close(runs.supervisor);
	snprintf(path, sizeof(path), "%s/work", runs.dir);
	ck_assert_int_eq(supervisor_open(&runs.supervisor, runs.evidence, path,
					 1, on_report, NULL, &err), 0);
	forget_kept(NULL);
	end();
}
END_TEST

TESTS("spawn", a_bare_name_is_looked_up_and_no_shell_reads_it,
      a_tool_dies_with_an_agent_that_is_killed,
      a_helper_whose_parent_is_gone_starts_nothing,
      a_success_whose_evidence_is_lost_is_none,
      without_descriptors_a_run_fails_and_leaves_nothing)
