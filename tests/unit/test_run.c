/* What becomes of a tool, however it behaves. */
#include "tests/unit/runs.h"

#include <fcntl.h>
#include <signal.h>

#include "agent/run/follow.h"

#define SH "#!/bin/sh\n"
#define PY "#!/usr/bin/python3\nimport json, os, sys\n" \
	"req = json.loads(sys.stdin.readline())\n"
#define DONE "echo '{\"result\":{}}'\n"

START_TEST(a_result_its_artifacts_and_its_package_are_kept)
{
	struct run_report *r;
	json_t *shot, *package, *manifest;
	char *text;

	begin(1);
	r = run_program("local_write", SH
		"printf '\\211PNG\\r\\n\\032\\n and pixels' > shot.png\n"
		"echo '{\"artifact\":{\"name\":\"shot.png\"}}'\n"
		"echo '{\"artifact\":{\"name\":\"shot.png\"}}'\n"
		"echo '{\"result\":{\"width\":3}}'\n");
	expect_end(r, "succeeded", NULL, NULL);
	ck_assert_int_eq(json_int(r->result, "width", 0), 3);
	ck_assert_uint_eq(json_array_size(r->artifacts), 1);
	shot = artifact(r, "shot.png");
	ck_assert_int_eq(json_int(shot, "size", 0), 19);
	ck_assert_str_eq(json_str(shot, "media_type"), "image/png");
	text = stored(json_str(shot, "sha256"));
	ck_assert_str_eq(text, "\211PNG\r\n\032\n and pixels");
	free(text);
	text = stored(r->package_sha256);
	package = json_parse(text, strlen(text), NULL);
	ck_assert(json_equal(package, r->package));
	ck_assert_str_eq(json_str(package, "run_id"), "r-1");
	ck_assert_str_eq(json_str(package, "tool"), "t");
	ck_assert_str_eq(json_str(package, "state"), "succeeded");
	ck_assert_int_eq(json_int(package, "v", 0), 1);
	ck_assert_str_eq(json_str(json_object_get(package, "links"), "run"),
			 "/api/runs/r-1");
	manifest = json_array_get(json_object_get(package, "artifacts"), 0);
	ck_assert_int_eq(strncmp(json_str(manifest, "link"),
				 "/api/evidence/", 14), 0);
	json_object_del(manifest, "link");
	ck_assert(json_equal(manifest, shot));
	ck_assert(json_is_null(json_object_get(package, "error")));
	ck_assert(json_is_array(json_object_get(package, "files")));
	json_decref(package);
	free(text);
	end();
}
END_TEST

START_TEST(every_ending_has_its_word)
{
	static const struct {
		const char *name, *program, *state, *code, *detail;
		const char *published;	/* its state as external_publish */
	} cases[] = {
		{"error", SH "echo '{\"error\":{\"error_code\":\"no_display\","
		 "\"detail\":\"no X\",\"remediation_hint\":\"start X\","
		 "\"retryable\":true}}'\nexit 1\n",
		 "failed", "no_display", "no X", "failed"},
		{"bare error", SH "echo '{\"error\":{}}'\nexit 1\n",
		 "failed", "tool_failed", "The tool failed", "failed"},
		{"odd error", SH "echo '{\"error\":{\"error_code\":\"A b\","
		 "\"detail\":7,\"retryable\":\"x\"}}'\nexit 1\n",
		 "failed", "tool_failed", NULL, "failed"},
		{"unknown", SH "echo '{\"error\":{\"error_code\":"
		 "\"outcome_unknown\"}}'\nexit 1\n",
		 "failed", "outcome_unknown", NULL, "outcome_unknown"},
		{"error, exit 0", SH "echo '{\"error\":{}}'\n",
		 "failed", "tool_protocol", "reported an error and exited with 0",
		 "outcome_unknown"},
		{"result, exit 1", SH DONE "exit 1\n",
		 "failed", "tool_protocol", "reported a result and exited with 1",
		 "outcome_unknown"},
		{"nothing", SH, "failed", "tool_protocol", "exited with 0",
		 "outcome_unknown"},
		{"exit 3", SH "echo 'oh\nno' >&2\nexit 3\n",
		 "failed", "tool_crashed", "last words: no", "outcome_unknown"},
		{"exit 127", SH "exit 127\n", "failed", "tool_crashed", "127",
		 "outcome_unknown"},
		{"signal", SH "kill -SEGV $$\n", "failed", "tool_crashed",
		 "signal 11", "outcome_unknown"},
		{"signal after result", SH DONE "kill -KILL $$\n",
		 "failed", "tool_crashed", "signal 9", "outcome_unknown"},
		{"two results", SH DONE DONE, "failed", "tool_protocol",
		 "more than one", "outcome_unknown"},
		{"result is no object", SH "echo '{\"result\":1}'\n",
		 "failed", "tool_protocol", "not an object", "outcome_unknown"},
		{"both", SH "echo '{\"result\":{},\"error\":{}}'\n",
		 "failed", "tool_protocol", "more than one", "outcome_unknown"},
		{"huge result", PY
		 "print(json.dumps({'result': {'a': 'x' * 17000}}))\n",
		 "failed", "tool_protocol", "limit is 16384", "outcome_unknown"},
		{"huge line", PY
		 "print(json.dumps({'result': {'a': 'x' * 99999}}))\n",
		 "failed", "tool_protocol", "neither result", "outcome_unknown"},
		{"result without line feed", SH "printf '{\"result\":{}}'\n",
		 "succeeded", NULL, NULL, "succeeded"},
		{"missing artifact", SH
		 "echo '{\"artifact\":{\"name\":\"a\"}}'\n" DONE, "failed",
		 "tool_protocol", "artifact a: No such", "outcome_unknown"},
		{"no interpreter", "#!/nonexistent/sh\n", "failed",
		 "tool_missing", "/program: No such file", "failed"},
		{"no program", "neither ELF nor script", "failed",
		 "tool_missing", "Exec format error", "failed"},
	};

	begin(1);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct run_report *r = run_program("read_only",
						   cases[i].program);
		bool unknown;

		expect_end(r, cases[i].state, cases[i].code, cases[i].detail);
		r = run_program("external_publish", cases[i].program);
		unknown = !strcmp(cases[i].published, "outcome_unknown");
		expect_end(r, cases[i].published,
			   unknown ? "outcome_unknown" : cases[i].code,
			   cases[i].detail);
		ck_assert_msg(*r->package_sha256, "%s", cases[i].name);
		if (unknown)
			ck_assert_ptr_nonnull(strstr(json_str(r->error,
				"remediation_hint"), "run.reconcile"));
	}
	end();
}
END_TEST

START_TEST(what_the_tool_says_of_its_error_is_bounded_and_complete)
{
	struct run_report *r;

	begin(1);
	r = run_program("read_only", PY
		"e = {'error_code': 'timed_out', 'detail': 'ä' * 900,\n"
		" 'remediation_hint': 'h' * 900, 'more': 'x'}\n"
		"print(json.dumps({'error': e}))\nsys.exit(1)\n");
	expect_end(r, "failed", "timed_out", "ää");
	ck_assert_uint_eq(strlen(json_str(r->error, "detail")), 478);
	ck_assert_uint_eq(strlen(json_str(r->error, "remediation_hint")), 319);
	ck_assert(json_is_set(r->error, "retryable"));
	ck_assert_uint_eq(json_object_size(r->error), 4);
	end();
}
END_TEST

START_TEST(artifacts_are_plain_files_of_the_folder_only)
{
	static const struct { const char *make, *name; } cases[] = {
		{"ln -s /etc/passwd a", "a"}, {"mkdir a", "a"},
		{"mkfifo a", "a"}, {":", "../in"}, {":", "/etc/passwd"},
		{"echo > .a", ".a"}, {":", ""}, {":", "a\\u001bb"},
		{"cd ..; mv out o; ln -s /etc out", "passwd"},
	};

	begin(1);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char program[512];
		struct run_report *r;

		snprintf(program, sizeof(program), SH "%s\n"
			 "echo '{\"artifact\":{\"name\":\"%s\"}}'\n" DONE,
			 cases[i].make, cases[i].name);
		r = run_program("read_only", program);
		expect_end(r, "failed", "tool_protocol", "artifact");
		ck_assert_msg(!artifact(r, cases[i].name), "%s",
			      cases[i].name);
	}
	end();
}
END_TEST

START_TEST(there_are_at_most_64_artifacts)
{
	struct run_report *r;

	begin(1);
	r = run_program("read_only", PY
		"for i in range(65):\n"
		"    open(f'a{i}', 'w').close()\n"
		"    print(json.dumps({'artifact': {'name': f'a{i}'}}))\n"
		"print(json.dumps({'result': {}}))\n");
	expect_end(r, "failed", "tool_protocol", "more than 64");
	ck_assert_uint_eq(json_array_size(r->artifacts), 64);
	end();
}
END_TEST

START_TEST(artifacts_of_a_failed_run_and_its_log_are_kept)
{
	struct run_report *r;
	json_t *part;
	char *text;

	begin(1);
	r = run_program("local_write", SH
		"echo half > part.bin\n"
		"echo '{\"artifact\":{\"name\":\"part.bin\","
		"\"media_type\":\"video/mp4\"}}'\n"
		"echo '{\"artifact\":{\"name\":\"gone\"}}'\n"
		"echo 'not json'\necho '{\"other\":1}'\necho '{broken'\n"
		"echo '{\"error\":{\"detail\":\"disk\"}}'\n"
		"echo 'to stderr' >&2\nexit 1\n");
	expect_end(r, "failed", "tool_failed", "disk");
	part = artifact(r, "part.bin");
	ck_assert_str_eq(json_str(part, "media_type"), "video/mp4");
	text = log_text(r);
	ck_assert_str_eq(text, "== stderr ==\nto stderr\n"
			 "artifact gone: No such file or directory\n"
			 "\n== stdout, outside the protocol ==\n"
			 "not json\n{\"other\":1}\n{broken\n");
	ck_assert_str_eq(json_str(artifact(r, "log.txt"), "media_type"),
			 "text/plain");
	free(text);
	end();
}
END_TEST

START_TEST(endless_output_is_bounded_in_the_log)
{
	static const char *const streams[] = {"stdout", "stderr"};

	begin(1);
	for (size_t i = 0; i < ARRAY_LEN(streams); i++) {
		char program[512], *text;
		struct run_report *r;
		size_t len;

		snprintf(program, sizeof(program), PY
			 "sys.%s.write('first\\n' + 'x' * 5000000 + '\\n'"
			 " + 'y\\n' * 500000 + 'last\\n')\n"
			 "print('{\"result\":{}}')\n", streams[i]);
		r = run_program("read_only", program);
		expect_end(r, "succeeded", NULL, NULL);
		text = log_text(r);
		len = strlen(text);
		ck_assert_uint_gt(len, 250 << 10);
		ck_assert_uint_lt(len, 257 << 10);
		ck_assert(!strncmp(text, "first\nxxx", 9));
		ck_assert_str_eq(text + len - 9, "y\ny\nlast\n");
		ck_assert_ptr_nonnull(strstr(text, " bytes left out]"));
		free(text);
	}
	end();
}
END_TEST

START_TEST(a_flood_is_ended)
{
	struct run_report *r;

	begin(1);
	r = run_program("read_only", SH "exec yes \"$0 $0 $0 $0\"\n");
	expect_end(r, "failed", "tool_protocol", "printed over 64 MiB");
	r = run_program("external_publish", SH "exec yes >&2\n");
	expect_end(r, "outcome_unknown", "outcome_unknown", "64 MiB");
	end();
}
END_TEST

START_TEST(who_stays_in_the_group_dies_with_the_tool)
{
	struct run_report *r;

	begin(1);
	r = run_program("read_only", SH "sleep 300 &\n"
			"echo \"{\\\"result\\\":{\\\"pid\\\":$!}}\"\n");
	expect_end(r, "succeeded", NULL, NULL);
	ck_assert(is_dead((pid_t)json_int(r->result, "pid", 1)));
	end();
}
END_TEST

START_TEST(who_leaves_group_session_and_parent_dies_with_the_tool_too)
{
	struct run_report *r;

	begin(1);
	r = run_program("read_only", SH
			"(setsid env -i sh -c 'trap \"\" TERM HUP;"
			" echo $$ > up; sleep 300; sleep 300' & )\n"
			"until [ -s up ]; do :; done\n"
			"echo \"{\\\"result\\\":{\\\"pid\\\":$(cat up)}}\"\n");
	expect_end(r, "succeeded", NULL, NULL);
	ck_assert_int_eq(state_of((pid_t)json_int(r->result, "pid", 0)), 'X');
	end();
}
END_TEST

/* Takes b over. */
static bool same(const json_t *a, json_t *b)
{
	bool equal = json_equal(a, b);

	json_decref(b);
	return equal;
}

START_TEST(a_tool_is_given_its_request_and_nothing_of_ours)
{
	struct run_report *r;
	json_t *env, *request;

	begin(1);
	ck_assert_int_eq(setenv("KIRCERTA_TEST_SECRET", "x", 1), 0);
	ck_assert_int_eq(setenv("KIRCERTA_TEST_PASSED", "yes", 1), 0);
	for (int fd = 20; fd < 24; fd++)
		ck_assert_int_eq(dup2(1, fd), fd);
	tool("read_only", "pass-env = KIRCERTA_TEST_PASSED, NOT_SET\n"
	     "[arg \"text\"]\ntype = string\n[arg \"n\"]\ntype = integer\n"
	     "default = 7\n", PY
	     "import resource, signal\n"
	     "lim = lambda what: resource.getrlimit(what)[1]\n"
	     "status = dict(line.split(':', 1) for line in"
	     " open('/proc/self/status'))\n"
	     "print(json.dumps({'result': {'request': req,\n"
	     " 'env': dict(os.environ), 'argv': sys.argv[1:],\n"
	     " 'cwd': os.getcwd(), 'left': os.listdir('.'),\n"
	     " 'mode': os.stat('.').st_mode & 0o777,\n"
	     " 'fds': sorted(int(fd) for fd in os.listdir('/proc/self/fd')),\n"
	     " 'leader': os.getpgrp() == os.getpid(),\n"
	     " 'limits': [lim(resource.RLIMIT_CORE),"
	     " lim(resource.RLIMIT_NOFILE), lim(resource.RLIMIT_FSIZE)],\n"
	     " 'blocked': int(status['SigBlk'], 16),\n"
	     " 'no_new_privs': int(status['NoNewPrivs']),\n"
	     " 'eof': sys.stdin.read() == ''}}))\n");
	r = run_args("{\"text\":\"hi\"}", 1500);
	expect_end(r, "succeeded", NULL, NULL);
	env = json_object_get(r->result, "env");
	ck_assert_str_eq(json_str(env, "PATH"), "/usr/local/bin:/usr/bin:/bin");
	ck_assert_str_eq(json_str(env, "LANG"), "C.UTF-8");
	ck_assert_str_eq(json_str(env, "KIRCERTA_TEST_PASSED"), "yes");
	ck_assert_str_eq(json_str(env, "HOME"), json_str(env, "TMPDIR"));
	json_object_del(env, "LC_CTYPE");	/* Python's own */
	ck_assert_uint_eq(json_object_size(env), 5);
	ck_assert_ptr_nonnull(strstr(json_str(r->result, "cwd"),
				     "/work/r-1/out"));
	ck_assert_int_eq(json_int(r->result, "mode", 0), 0700);
	ck_assert_uint_eq(json_array_size(json_object_get(r->result, "left")),
			  0);
	ck_assert(same(json_object_get(r->result, "fds"),
		       json_pack("[i,i,i,i]", 0, 1, 2, 3)));
	ck_assert(same(json_object_get(r->result, "argv"),
		       json_pack("[s]", "an argument")));
	ck_assert(same(json_object_get(r->result, "limits"),
		       json_pack("[i,i,I]", 1, 256, (json_int_t)8 << 30)));
	ck_assert(json_is_set(r->result, "leader"));
	ck_assert(json_is_set(r->result, "eof"));
	ck_assert_int_eq(json_int(r->result, "blocked", 1), 0);
	ck_assert_int_eq(json_int(r->result, "no_new_privs", 0), 1);
	request = json_object_get(r->result, "request");
	ck_assert(same(request, json_pack(
		"{s:i, s:s, s:s, s:s, s:n, s:s, s:i, s:{s:s, s:i}, s:{}}",
		"v", 1, "tool", "t", "run_id", "r-1", "task_id", "t-1",
		"criterion_ref", "correlation_id", "c-1", "timeout_s", 2,
		"args", "text", "hi", "n", 7, "config")));
	end();
}
END_TEST

START_TEST(signals_that_we_ignore_are_not_ignored_by_a_tool)
{
	struct run_report *r;

	begin(1);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	r = run_program("read_only", SH "while read -r key value; do\n"
			"case $key in SigIgn:) echo \"{\\\"result\\\":"
			"{\\\"ignored\\\":\\\"$value\\\"}}\";; esac\n"
			"done </proc/$$/status\n");
	expect_end(r, "succeeded", NULL, NULL);
	/* 32 and 33 are glibc's own and ignored by what posix_spawn starts. */
	ck_assert_uint_eq(strtoull(json_str(r->result, "ignored"), NULL, 16) &
			  0x7fffffff, 0);
	end();
}
END_TEST

START_TEST(a_request_larger_than_a_pipe_arrives_and_may_be_ignored)
{
	char *args = xmalloc(400000);
	struct run_report *r;

	begin(1);
	memset(args, 'x', 399999);
	memcpy(args, "{\"text\":\"", 9);
	strcpy(args + 300000, "\"}");
	tool("read_only", "[arg \"text\"]\nmax-length = 1000000\n", PY
	     "print('noise ' * 200000)\n"
	     "print(json.dumps({'result': {'n': len(req['args']['text'])}}))\n");
	r = run_args(args, 0);
	expect_end(r, "succeeded", NULL, NULL);
	ck_assert_int_eq(json_int(r->result, "n", 0), 300000 - 9);
	tool("read_only", "[arg \"text\"]\nmax-length = 1000000\n",
	     SH "exec <&-\n" DONE);
	r = run_args(args, 0);
	expect_end(r, "succeeded", NULL, NULL);
	free(args);
	end();
}
END_TEST

START_TEST(secrets_leave_no_trace)
{
	static const char secret[] = "hun\\\"ter";	/* as JSON writes it */
	struct run_report *r;
	char *text, *result;

	begin(1);
	tool("read_only", "[arg \"key\"]\nsecret = true\n"
	     "[arg \"fail\"]\ntype = boolean\n", PY
	     "k = req['args']['key']\n"
	     "print('my key is', k)\nprint(json.dumps(req))\n"
	     "print('bye', k, file=sys.stderr)\n"
	     "open('x' + k, 'w').close()\n"
	     "print(json.dumps({'artifact': {'name': 'x' + k}}))\n"
	     "print(json.dumps({'progress': 0.5, 'message': 'at ' + k}))\n"
	     "if req['args'].get('fail'):\n"
	     "    print(json.dumps({'error': {'detail': 'bad ' + k}}))\n"
	     "    sys.exit(1)\n"
	     "if 'fail' in req['args']:\n"
	     "    print(json.dumps({'artifact': {'name': 'gone' + k}}))\n"
	     "print(json.dumps({'result': {k: ['a' + k + 'b']}}))\n");
	prepare("r-1", "{\"key\":\"hun\\\"ter\"}", 0);
	expect(RUN_READY);
	go("r-1");
	r = expect(RUN_PROGRESS);
	ck_assert_str_eq(r->message, "at [redacted]");
	r = expect(RUN_ENDED);
	expect_end(r, "succeeded", NULL, NULL);
	result = json_line(r->result, NULL);
	ck_assert_str_eq(result, "{\"[redacted]\":[\"a[redacted]b\"]}");
	ck_assert_ptr_nonnull(artifact(r, "x[redacted]"));
	text = log_text(r);
	ck_assert_ptr_nonnull(strstr(text, "my key is [redacted]\n"));
	ck_assert_ptr_nonnull(strstr(text, "\"key\": \"[redacted]\""));
	ck_assert_ptr_nonnull(strstr(text, "bye [redacted]\n"));
	ck_assert_ptr_null(strstr(text, secret));
	ck_assert_ptr_null(strstr(text, "hun"));
	free(text);
	free(result);
	text = stored(r->package_sha256);
	ck_assert_ptr_null(strstr(text, "hun"));
	free(text);
	r = run_args("{\"key\":\"hun\\\"ter\",\"fail\":true}", 0);
	expect_end(r, "failed", "tool_failed", "bad [redacted]");
	r = run_args("{\"key\":\"hun\\\"ter\",\"fail\":false}", 0);
	expect_end(r, "failed", "tool_protocol", "artifact gone[redacted]: ");
	end();
}
END_TEST

START_TEST(half_a_secret_at_the_edge_of_a_bounded_log_goes_too)
{
	struct run_report *r;
	char *text;

	begin(1);
	tool("read_only", "[arg \"key\"]\nsecret = true\n", PY
	     "k = req['args']['key']\n"
	     "sys.stderr.write('.' * (131072 - 5) + k + '.' * 300000"
	     " + k + '.' * (131072 - 5))\n"
	     "print('{\"result\":{}}')\n");
	r = run_args("{\"key\":\"0123456789\"}", 0);
	expect_end(r, "succeeded", NULL, NULL);
	text = log_text(r);
	ck_assert_ptr_null(strstr(text, "0123"));
	ck_assert_ptr_null(strstr(text, "6789"));
	free(text);
	end();
}
END_TEST

TESTS("run", a_result_its_artifacts_and_its_package_are_kept,
      every_ending_has_its_word,
      what_the_tool_says_of_its_error_is_bounded_and_complete,
      artifacts_are_plain_files_of_the_folder_only,
      there_are_at_most_64_artifacts,
      artifacts_of_a_failed_run_and_its_log_are_kept,
      endless_output_is_bounded_in_the_log, a_flood_is_ended,
      who_stays_in_the_group_dies_with_the_tool,
      who_leaves_group_session_and_parent_dies_with_the_tool_too,
      a_tool_is_given_its_request_and_nothing_of_ours,
      signals_that_we_ignore_are_not_ignored_by_a_tool,
      a_request_larger_than_a_pipe_arrives_and_may_be_ignored,
      secrets_leave_no_trace,
      half_a_secret_at_the_edge_of_a_bounded_log_goes_too)
