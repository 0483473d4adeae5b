/* Many runs: places, files, cancel, deadline, close. */
#include "tests/unit/runs.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>

#define SH "#!/bin/sh\n"
#define PY "#!/usr/bin/python3\nimport json, os, signal, sys, time\n"
#define DONE "echo '{\"result\":{}}'\n"
/* Says that it is there, then waits to be told to stop. */
#define WAITS SH "echo '{\"progress\":0.5}'\nexec sleep 300\n"
#define DEAF SH "trap '' TERM\necho '{\"progress\":0.5}'\nsleep 300\n"
/* Reports this when it is told to stop; print is not for signal handlers. */
#define ON_TERM(line, code) PY \
	"def stop(*_):\n    os.write(1, json.dumps(" line ").encode())\n" \
	"    os._exit(" #code ")\n" \
	"signal.signal(signal.SIGTERM, stop)\n" \
	"os.write(1, b'{\"progress\":0.5}\\n')\n" \
	"while True:\n    time.sleep(300)\n"

static struct run_report *start_and_wait(const char *id, int timeout_ms)
{
	prepare(id, NULL, timeout_ms);
	expect(RUN_READY);
	go(id);
	return expect(RUN_PROGRESS);
}

START_TEST(a_cancelled_tool_is_asked_to_end_and_says_why)
{
	static const struct {
		const char *name, *program, *state, *code;
		const char *published, *published_code;
	} cases[] = {
		{"waits", WAITS, "cancelled", "cancelled",
		 "outcome_unknown", "outcome_unknown"},
		{"reports it", ON_TERM("{'error': {'error_code': 'cancelled'}}", 1),
		 "cancelled", "cancelled", "cancelled", "cancelled"},
		{"reports another", ON_TERM("{'error': {'error_code': 'late'}}", 1),
		 "cancelled", "cancelled", "failed", "late"},
		{"was done", ON_TERM("{'result': {'url': 'x'}}", 0),
		 "cancelled", "cancelled", "succeeded", NULL},
		{"says it, wrongly", ON_TERM("{'error': {'error_code': 'cancelled'}}", 0),
		 "cancelled", "cancelled", "outcome_unknown",
		 "outcome_unknown"},
	};

	begin(1);
	for (size_t i = 0; i < ARRAY_LEN(cases) * 2; i++) {
		bool publish = i & 1;
		const struct run_report *r;

		tool(publish ? "external_publish" : "read_only", "",
		     cases[i / 2].program);
		start_and_wait("r-1", 0);
		supervisor_cancel(runs.supervisor, "r-1", "cancelled by alice");
		supervisor_cancel(runs.supervisor, "r-1", "and by bob");
		r = expect(RUN_ENDED);
		expect_end(r, publish ? cases[i / 2].published :
					cases[i / 2].state,
			   publish ? cases[i / 2].published_code :
				     cases[i / 2].code,
			   !strcmp(r->state, "cancelled") ? "by alice" : NULL);
		ck_assert_int_eq(strlen(r->package_sha256), 64);
	}
	end();
}
END_TEST

START_TEST(a_tool_over_its_time_is_ended)
{
	static const struct {
		const char *program, *published, *published_code;
	} cases[] = {
		{WAITS, "outcome_unknown", "outcome_unknown"},
		{ON_TERM("{'error': {'error_code': 'cancelled'}}", 1),
		 "timed_out", "timed_out"},
		{ON_TERM("{'error': {'error_code': 'late'}}", 1), "failed",
		 "late"},
		{ON_TERM("{'result': {}}", 0), "succeeded", NULL},
	};

	begin(1);
	for (size_t i = 0; i < ARRAY_LEN(cases) * 2; i++) {
		bool publish = i & 1;
		const struct run_report *r;

		tool(publish ? "external_publish" : "read_only", "",
		     cases[i / 2].program);
		start_and_wait("r-1", 500);
		r = expect(RUN_ENDED);
		expect_end(r, publish ? cases[i / 2].published : "timed_out",
			   publish ? cases[i / 2].published_code : "timed_out",
			   publish ? NULL : "not done after 0.5 s");
	}
	end();
}
END_TEST

START_TEST(a_tool_that_does_not_listen_is_killed_after_five_seconds)
{
	const struct run_report *r;
	int64_t from;

	begin(2);
	tool("read_only", "", DEAF);
	start_and_wait("r-1", 0);
	tool("external_publish", "", DEAF);
	start_and_wait("r-2", 0);
	from = clock_mono_us();
	supervisor_cancel_all(runs.supervisor, "emergency stop");
	for (int i = 0; i < 2; i++) {
		r = expect(RUN_ENDED);
		ck_assert_int_ge(clock_mono_us() - from, 4900000);
		ck_assert_int_lt(clock_mono_us() - from, 8000000);
		if (!strcmp(r->run_id, "r-1"))
			expect_end(r, "cancelled", "cancelled",
				   "emergency stop; it had to be killed");
		else
			expect_end(r, "outcome_unknown", "outcome_unknown",
				   "emergency stop; it had to be killed");
	}
	end();
}
END_TEST

START_TEST(a_stopped_tool_can_be_cancelled)
{
	const struct run_report *r;
	pid_t pid;

	begin(1);
	tool("read_only", "", SH "echo \"{\\\"message\\\":\\\"$$\\\"}\"\n"
	     "kill -STOP $$\n");
	pid = (pid_t)strtol(start_and_wait("r-1", 0)->message, NULL, 10);
	while (state_of(pid) != 'T')
		;
	supervisor_cancel(runs.supervisor, "r-1", NULL);
	r = expect(RUN_ENDED);
	expect_end(r, "cancelled", "cancelled", NULL);
	ck_assert_str_eq(json_str(r->error, "detail"), "cancelled");
	end();
}
END_TEST

START_TEST(no_more_run_at_once_than_there_are_places)
{
	const struct run_report *r;
	char id[16];
	int running = 0, most = 0, ended = 0;

	begin(4);
	tool("read_only", "", SH "echo '{\"progress\":1}'\n" DONE);
	for (int i = 0; i < 9; i++) {
		snprintf(id, sizeof(id), "r-%d", i);
		prepare(id, NULL, 0);
	}
	while (ended < 9) {
		r = next_report();
		ck_assert_ptr_nonnull(r);
		running += r->kind == RUN_READY;
		running -= r->kind == RUN_ENDED;
		ended += r->kind == RUN_ENDED;
		most = running > most ? running : most;
		if (r->kind == RUN_ENDED)
			expect_end(r, "succeeded", NULL, NULL);
		/* All places are taken before the first is given back. */
		if (most == 4 && r->kind == RUN_READY && !ended)
			for (int i = 0; i < 9; i++) {
				snprintf(id, sizeof(id), "r-%d", i);
				go(id);
			}
		else if (r->kind == RUN_READY && ended)
			go(r->run_id);
	}
	ck_assert_int_eq(most, 4);
	end();
}
END_TEST

START_TEST(a_run_that_waits_for_a_place_is_cancelled_at_once)
{
	const struct run_report *r;

	begin(1);
	tool("read_only", "", WAITS);
	start_and_wait("r-1", 0);
	prepare("r-2", NULL, 0);
	prepare("r-3", NULL, 0);
	supervisor_cancel(runs.supervisor, "r-3", "not wanted");
	r = expect(RUN_ENDED);
	ck_assert_str_eq(r->run_id, "r-3");
	expect_end(r, "cancelled", "cancelled", "not wanted");
	ck_assert_ptr_null(r->package);
	supervisor_cancel(runs.supervisor, "r-1", "not wanted");
	r = expect(RUN_ENDED);
	ck_assert_str_eq(r->run_id, "r-1");
	ck_assert_str_eq(expect(RUN_READY)->run_id, "r-2");
	supervisor_cancel(runs.supervisor, "r-2", "not wanted");
	expect(RUN_ENDED);
	end();
}
END_TEST

START_TEST(a_run_that_waits_for_its_go_can_be_cancelled)
{
	const struct run_report *r;

	begin(1);
	tool("external_publish", "", WAITS);
	prepare("r-1", NULL, 0);
	expect(RUN_READY);
	supervisor_cancel(runs.supervisor, "r-1", "changed my mind");
	go("r-1");			/* too late, or just not */
	r = expect(RUN_ENDED);
	expect_end(r, "cancelled", "cancelled", "changed my mind");
	go("r-1");
	go("r-none");
	supervisor_cancel(runs.supervisor, "r-none", "x");
	/* And one that nobody ever lets go or cancels is ended by close. */
	prepare("r-2", NULL, 0);
	expect(RUN_READY);
	supervisor_close(runs.supervisor);
	runs.supervisor = NULL;
	expect_end(expect(RUN_ENDED), "cancelled", "cancelled", "stopping");
	end();
}
END_TEST

START_TEST(closing_ends_everything)
{
	char id[16];

	begin(2);
	tool("read_only", "", WAITS);
	start_and_wait("r-0", 0);
	start_and_wait("r-1", 0);
	for (int i = 2; i < 6; i++) {
		snprintf(id, sizeof(id), "r-%d", i);
		prepare(id, NULL, 0);
	}
	supervisor_close(runs.supervisor);
	runs.supervisor = NULL;
	for (int i = 0; i < 6; i++)
		expect_end(expect(RUN_ENDED), "cancelled", "cancelled",
			   "the agent is stopping");
	end();
}
END_TEST

START_TEST(progress_is_told_once_a_second_and_the_latest_of_it)
{
	int64_t last = 0, now;
	const struct run_report *r;
	int n = 0;

	begin(1);
	tool("read_only", "", PY
	     "end = time.monotonic() + 2.5\nn = 0\n"
	     "while time.monotonic() < end:\n"
	     "    n += 1\n"
	     "    print(json.dumps({'progress': min(n / 20000, 1),"
	     " 'message': f'at {n}'}), flush=True)\n"
	     "print(json.dumps({'message': 'x' * 500 + 'end'}))\n"
	     "print('{\"result\":{}}')\n");
	prepare("r-1", NULL, 0);
	expect(RUN_READY);
	go("r-1");
	while ((r = next_report()) && r->kind == RUN_PROGRESS) {
		now = clock_mono_us();
		ck_assert(!last || now - last > 800000);
		ck_assert(r->progress >= -1 && r->progress <= 1);
		ck_assert_uint_lt(strlen(r->message), sizeof(r->message));
		last = now;
		n++;
	}
	ck_assert_ptr_nonnull(r);
	expect_end(r, "succeeded", NULL, NULL);
	ck_assert_int_ge(n, 3);
	ck_assert_int_le(n, 4);
	end();
}
END_TEST

#define FILE_ARG "[arg \"file\"]\ntype = file\n"
#define TELLS_FILE PY "req = json.loads(sys.stdin.readline())\n" \
	"f = req['args']['file']\n" \
	"print(json.dumps({'result': {'text': open(f['path']).read()," \
	" 'mode': os.stat(f['path']).st_mode & 0o777, 'file': f}}))\n"
#define HELLO "a948904f2f0f479b8f8197694b30184b0d2ed1c1cd2a1ec0fb85d299a192a447"

static char *file_args(const char *path)
{
	return xasprintf("{\"file\":\"%s\"}", path);
}

START_TEST(a_file_is_copied_hashed_and_handed_over)
{
	char path[256], hash[SHA256_HEX], *args;
	const struct run_report *r;
	json_t *files, *file;

	begin(1);
	tool("read_only", FILE_ARG, TELLS_FILE);
	put_file("hello.txt", "hello world\n", 0600);
	snprintf(path, sizeof(path), "%s/hello.txt", runs.dir);
	for (int stored_one = 0; stored_one < 2; stored_one++) {
		args = file_args(stored_one ? hash : path);
		prepare("r-1", args, 0);
		free(args);
		files = expect(RUN_READY)->files;
		ck_assert_uint_eq(json_array_size(files), 1);
		file = json_array_get(files, 0);
		ck_assert_str_eq(json_str(file, "arg"), "file");
		ck_assert_str_eq(json_str(file, "name"),
				 stored_one ? HELLO : "hello.txt");
		ck_assert_str_eq(json_str(file, "sha256"), HELLO);
		ck_assert_int_eq(json_int(file, "size", 0), 12);
		put_file("hello.txt", "changed!\n", 0600);
		go("r-1");
		r = expect(RUN_ENDED);
		expect_end(r, "succeeded", NULL, NULL);
		ck_assert_str_eq(json_str(r->result, "text"), "hello world\n");
		ck_assert_int_eq(json_int(r->result, "mode", 0), 0400);
		file = json_object_get(r->result, "file");
		ck_assert_str_eq(json_str(file, "sha256"), HELLO);
		ck_assert_str_eq(json_str(file, "media_type"), stored_one ?
				 "application/octet-stream" : "text/plain");
		ck_assert(json_equal(json_object_get(r->package, "files"),
				     files));
		ck_assert_int_eq(evidence_store(runs.evidence, "hello world\n",
						12, hash, NULL), 0);
	}
	end();
}
END_TEST

START_TEST(a_file_that_cannot_be_taken_ends_the_run_before_it_starts)
{
	static const struct { const char *name, *code, *detail; } cases[] = {
		{"missing", "invalid_args", "No such file"},
		{"link", "invalid_args", "symbolic link"},
		{".", "invalid_args", "not a regular file"},
		{"", "invalid_args", "not a regular file"},
		{"fifo", "invalid_args", "not a regular file"},
		{NULL, "unknown_evidence", "nothing is stored"},
	};
	char path[256];
	struct err err = {0};

	begin(1);
	tool("read_only", FILE_ARG, TELLS_FILE);
	snprintf(path, sizeof(path), "%s/link", runs.dir);
	ck_assert_int_eq(symlink("/etc/passwd", path), 0);
	snprintf(path, sizeof(path), "%s/fifo", runs.dir);
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct run_report *r;
		char *args;
		json_t *given;

		snprintf(path, sizeof(path), "%s/%s", runs.dir,
			 cases[i].name ? cases[i].name : "");
		args = file_args(cases[i].name ? path : HELLO);
		prepare("r-1", args, 0);
		r = expect(RUN_ENDED);
		expect_end(r, "failed", cases[i].code, cases[i].detail);
		ck_assert_ptr_null(r->package);
		given = json_parse(args, strlen(args), NULL);
		ck_assert_ptr_null(run_hash_files(runs.evidence,
			tools_find(runs.tools, "t"), given, &err));
		ck_assert_str_eq(err_row(err.code)->code, cases[i].code);
		json_decref(given);
		free(args);
	}
	err_fini(&err);
	end();
}
END_TEST

START_TEST(files_are_hashed_without_running_anything)
{
	char path[256], hash[SHA256_HEX];
	struct err err = {0};
	json_t *args, *files, *expected;

	begin(1);
	tool("read_only", FILE_ARG "[arg \"other\"]\ntype = file\n"
	     "[arg \"third\"]\ntype = file\n", WAITS);
	put_file("hello.txt", "hello world\n", 0600);
	snprintf(path, sizeof(path), "%s/hello.txt", runs.dir);
	ck_assert_int_eq(evidence_store(runs.evidence, "hello world\n", 12,
					hash, &err), 0);
	args = json_pack("{s:s, s:s}", "other", path, "file", HELLO);
	files = run_hash_files(runs.evidence, tools_find(runs.tools, "t"),
			       args, &err);
	expected = json_pack("[{s:s,s:s,s:s,s:i},{s:s,s:s,s:s,s:i,s:s}]",
			     "arg", "file", "name", HELLO, "sha256", HELLO,
			     "size", 12, "arg", "other", "name", "hello.txt",
			     "sha256", HELLO, "size", 12, "path", path);
	ck_assert(json_equal(files, expected));
	json_decref(expected);
	json_decref(files);
	json_decref(args);
	end();
}
END_TEST

START_TEST(a_run_may_be_cancelled_while_its_file_is_copied)
{
	char path[256], *args;
	int fd;

	begin(1);
	tool("read_only", FILE_ARG, TELLS_FILE);
	snprintf(path, sizeof(path), "%s/large", runs.dir);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	ck_assert_int_eq(ftruncate(fd, 8LL << 30), 0);
	close(fd);
	args = file_args(path);
	prepare("r-1", args, 0);
	/* Its folder is there, so the copy has begun or is about to. */
	snprintf(path, sizeof(path), "%s/work/r-1", runs.dir);
	while (access(path, F_OK))
		;
	supervisor_cancel(runs.supervisor, "r-1", "too large");
	expect_end(expect(RUN_ENDED), "cancelled", "cancelled", "too large");
	free(args);
	end();
}
END_TEST

START_TEST(what_a_crash_left_behind_is_removed)
{
	char path[128], out[160];
	struct err err = {0};

	begin(1);
	supervisor_close(runs.supervisor);
	snprintf(path, sizeof(path), "%s/work", runs.dir);
	snprintf(out, sizeof(out), "%s/r-old/out/deep/er", path);
	ck_assert_int_eq(fs_mkdir(out, 0700, NULL), 0);
	ck_assert_int_eq(supervisor_open(&runs.supervisor, runs.evidence, path,
					 1, on_report, NULL, &err), 0);
	forget_kept("r-old");
	end();
}
END_TEST

START_TEST(a_tool_cannot_keep_its_folder)
{
	/* Rights mean nothing to root. */
	if (!geteuid())
		ck_assert_int_eq(setresuid(65534, 65534, 65534), 0);
	begin(1);
	expect_end(run_program("read_only", SH
			       "mkdir -p a/b/c\nchmod 0 a/b/c a/b a ../in .\n"
			       DONE), "succeeded", NULL, NULL);
	end();
}
END_TEST

START_TEST(one_id_is_one_run)
{
	const struct run_report *r;

	begin(2);
	tool("read_only", "", WAITS);
	start_and_wait("r-1", 0);
	prepare("r-1", NULL, 0);
	r = expect(RUN_ENDED);
	expect_end(r, "failed", "io", "File exists");
	supervisor_cancel(runs.supervisor, "r-1", NULL);
	expect_end(expect(RUN_ENDED), "cancelled", "cancelled", NULL);
	prepare("../r", NULL, 0);
	expect_end(expect(RUN_ENDED), "failed", "internal", NULL);
	end();
}
END_TEST

TESTS("supervisor", a_cancelled_tool_is_asked_to_end_and_says_why,
      a_tool_over_its_time_is_ended,
      a_tool_that_does_not_listen_is_killed_after_five_seconds,
      a_stopped_tool_can_be_cancelled,
      no_more_run_at_once_than_there_are_places,
      a_run_that_waits_for_a_place_is_cancelled_at_once,
      a_run_that_waits_for_its_go_can_be_cancelled, closing_ends_everything,
      progress_is_told_once_a_second_and_the_latest_of_it,
      a_file_is_copied_hashed_and_handed_over,
      a_file_that_cannot_be_taken_ends_the_run_before_it_starts,
      files_are_hashed_without_running_anything,
      a_run_may_be_cancelled_while_its_file_is_copied,
      what_a_crash_left_behind_is_removed, a_tool_cannot_keep_its_folder,
      one_id_is_one_run)
