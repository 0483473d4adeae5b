/*
 * A supervisor in a folder of its own, and small tools in shell or Python to
 * run in it. What it tells is gathered and waited for.
 */
#pragma once
#include "tests/unit/unit.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "agent/run/spawn.h"
#include "agent/run/supervisor.h"
#include "agent/store/evidence.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/fs.h"

#define WAIT_S 30

struct runs {
	char dir[64];
	struct evidence *evidence;
	struct supervisor *supervisor;
	struct tools *tools;
	pthread_mutex_t lock;
	pthread_cond_t told;
	struct run_report *reports[4096];
	size_t n, read;
};

static struct runs runs;

/* /proc/self/exe is this test, so it has to be the helper when asked. */
__attribute__((constructor)) static void be_helper(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], SPAWN_HELPER))
		_exit(spawn_helper_main(argc, argv));
}

static void on_report(void *ctx, struct run_report *report)
{
	(void)ctx;
	pthread_mutex_lock(&runs.lock);
	if (runs.n == ARRAY_LEN(runs.reports))
		abort();
	runs.reports[runs.n++] = report;
	pthread_cond_broadcast(&runs.told);
	pthread_mutex_unlock(&runs.lock);
}

/* The next report that has not been taken; NULL if none comes in time. */
static struct run_report *next_report(void)
{
	struct run_report *report = NULL;
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += WAIT_S;
	pthread_mutex_lock(&runs.lock);
	while (runs.read == runs.n &&
	       !pthread_cond_timedwait(&runs.told, &runs.lock, &until))
		;
	if (runs.read < runs.n)
		report = runs.reports[runs.read++];
	pthread_mutex_unlock(&runs.lock);
	return report;
}

static struct run_report *expect(enum run_report_kind kind)
{
	struct run_report *report = next_report();
	char *why = report && report->error ? json_line(report->error, NULL) :
					      NULL;

	ck_assert_msg(report != NULL, "no report within %d s", WAIT_S);
	ck_assert_msg(report->kind == kind, "kind %d of %s, not %d: %s",
		      report->kind, report->run_id, kind, why ? why : "");
	free(why);
	return report;
}

static void put_file(const char *name, const char *text, mode_t mode)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", runs.dir, name);
	ck_assert_int_eq(fs_replace(path, text, strlen(text), mode, NULL), 0);
}

/* Start over in a new folder, with places for so many runs. */
__attribute__((unused)) static void begin(int places)
{
	struct err err = {0};
	char path[128];

	runs.n = runs.read = 0;
	pthread_mutex_init(&runs.lock, NULL);
	pthread_cond_init(&runs.told, NULL);
	strcpy(runs.dir, "/tmp/kircerta-run-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(runs.dir));
	snprintf(path, sizeof(path), "%s/evidence", runs.dir);
	ck_assert_msg(!evidence_open(&runs.evidence, path, &err), "%s",
		      err.detail);
	snprintf(path, sizeof(path), "%s/work", runs.dir);
	ck_assert_msg(!supervisor_open(&runs.supervisor, runs.evidence, path,
				       places, on_report, NULL, &err),
		      "%s", err.detail);
}

/* Of folders that a crash left, what was in them stays until it is asked. */
__attribute__((unused)) static void forget_kept(const char *only)
{
	char **ids = supervisor_kept(runs.supervisor);

	if (only)
		ck_assert_str_eq(*ids, only);
	for (char **id = ids; *id; id++) {
		supervisor_forget(runs.supervisor, *id);
		free(*id);
	}
	free(ids);
}

/* Nothing may be left: no child, no folder of a run, no report unread. */
__attribute__((unused)) static void end(void)
{
	char path[128];

	supervisor_close(runs.supervisor);
	ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
	ck_assert_int_eq(errno, ECHILD);
	snprintf(path, sizeof(path), "%s/work", runs.dir);
	ck_assert_int_eq(rmdir(path), 0);
	ck_assert_uint_eq(runs.read, runs.n);
	for (size_t i = 0; i < runs.n; i++)
		run_report_free(runs.reports[i]);
	tools_unref(runs.tools);
	runs.tools = NULL;
	evidence_close(runs.evidence);
	ck_assert_int_eq(fs_remove_tree(runs.dir), 0);
}

/* Make tool t: manifest lines beyond the usual, and its program. */
__attribute__((unused)) static void tool(const char *level, const char *more,
					 const char *program)
{
	const char *dirs[] = {runs.dir, NULL};
	struct err err = {0};
	char manifest[2048];

	snprintf(manifest, sizeof(manifest),
		 "[tool]\nname = t\nside-effect-level = %s\n"
		 "command = ./program 'an argument'\n%s", level, more);
	put_file("t.conf", manifest, 0600);
	put_file("program", program, 0700);
	tools_unref(runs.tools);
	runs.tools = NULL;
	ck_assert_msg(!tools_load(&runs.tools, dirs, 60000000, &err), "%s",
		      err.detail);
}

/* Prepare a run of tool t; args is JSON or NULL. */
__attribute__((unused)) static void prepare(const char *id, const char *args,
					    int timeout_ms)
{
	struct run_spec *spec = xcalloc(1, sizeof(*spec));
	struct err err = {0};
	json_t *given = args ? json_parse(args, strlen(args), &err) : NULL;

	ck_assert_msg(!args || given, "%s", err.detail);
	snprintf(spec->id, sizeof(spec->id), "%s", id);
	spec->task_id = xstrdup("t-1");
	spec->correlation_id = xstrdup("c-1");
	spec->tools = tools_ref(runs.tools);
	spec->tool = tools_find(runs.tools, "t");
	spec->timeout_us = timeout_ms * 1000LL;
	ck_assert_msg(!tool_args_check(spec->tool, given, &spec->args, &err),
		      "%s", err.detail);
	json_decref(given);
	supervisor_prepare(runs.supervisor, spec);
}

__attribute__((unused)) static void go(const char *id)
{
	supervisor_go(runs.supervisor, id,
		      json_pack("{s:s, s:s}", "tool", "t", "correlation_id",
				"c-1"));
}

/* From prepare to the end; progress on the way is skipped. */
__attribute__((unused)) static struct run_report *
run_args(const char *args, int timeout_ms)
{
	struct run_report *report;

	prepare("r-1", args, timeout_ms);
	expect(RUN_READY);
	go("r-1");
	do
		report = next_report();
	while (report && report->kind == RUN_PROGRESS);
	ck_assert_msg(report != NULL, "no end within %d s", WAIT_S);
	ck_assert_int_eq(report->kind, RUN_ENDED);
	return report;
}

/* The same with a program of this level. */
__attribute__((unused)) static struct run_report *
run_program(const char *level, const char *program)
{
	tool(level, "", program);
	return run_args(NULL, 0);
}

/* What a report, its error or one of its artifacts says. */
__attribute__((unused)) static void
expect_end(const struct run_report *r, const char *state, const char *code,
	   const char *detail)
{
	char *error = json_line(r->error ? r->error : r->result, NULL);

	ck_assert_msg(!strcmp(r->state, state), "%s, not %s: %s", r->state,
		      state, error);
	ck_assert_msg(!r->error == !code, "%s", error);
	if (code) {
		const char *said = json_str(r->error, "detail");

		ck_assert_msg(!strcmp(json_str(r->error, "error_code"), code),
			      "%s", error);
		ck_assert_msg(!detail || strstr(said, detail), "\"%s\" in %s",
			      detail, error);
		ck_assert_ptr_nonnull(json_str(r->error, "remediation_hint"));
		ck_assert(json_is_boolean(json_object_get(r->error,
							  "retryable")));
	}
	ck_assert(json_is_object(r->result));
	ck_assert(json_is_array(r->artifacts));
	free(error);
}

__attribute__((unused)) static json_t *artifact(const struct run_report *r,
						const char *name)
{
	json_t *each;
	size_t i;

	json_array_foreach (r->artifacts, i, each)
		if (!strcmp(json_str(each, "name"), name))
			return each;
	return NULL;
}

/* The stored bytes of a hash, as text; the caller frees. */
__attribute__((unused)) static char *stored(const char *sha256)
{
	struct err err = {0};
	char path[256], *text;
	int fd;

	ck_assert_msg(!evidence_get(runs.evidence, sha256, &fd, NULL, &err),
		      "%s", err.detail);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	text = fs_read(path, 16 << 20, NULL, &err);
	close(fd);
	ck_assert_msg(text != NULL, "%s", err.detail);
	return text;
}

/* What the run's log artifact says, "" without one. The caller frees. */
__attribute__((unused)) static char *log_text(const struct run_report *r)
{
	json_t *log = artifact(r, "log.txt");

	return log ? stored(json_str(log, "sha256")) : xstrdup("");
}

/* The state letter of a process, X where there is none. */
__attribute__((unused)) static char state_of(pid_t pid)
{
	char path[64], state = 'X';
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "r");
	if (f && fscanf(f, "%*d (%*[^)]) %c", &state) != 1)
		state = 'X';
	if (f)
		fclose(f);
	return state;
}

/* Is this process gone, or as good as? Waits for it a little. */
__attribute__((unused)) static bool is_dead(pid_t pid)
{
	int64_t until = clock_mono_us() + 5000000;

	while (!strchr("ZX", state_of(pid)) && clock_mono_us() < until)
		;
	return strchr("ZX", state_of(pid)) != NULL;
}
