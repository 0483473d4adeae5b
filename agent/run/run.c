/*
 * The course of one run, in the order in which it happens: folder and files,
 * the word that all is ready, the go, the child, evidence, the end.
 */
#include "agent/run/run.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "agent/run/ending.h"
#include "agent/run/files.h"
#include "agent/run/filing.h"
#include "agent/run/folder.h"
#include "agent/run/follow.h"
#include "agent/run/kept.h"
#include "agent/run/secrets.h"
#include "agent/run/spawn.h"
#include "common/err.h"
#include "common/id.h"
#include "common/json.h"
#include "common/log.h"
#include "common/mem.h"

void run_spec_free(struct run_spec *s)
{
	if (!s)
		return;
	free(s->task_id);
	free(s->criterion_ref);
	free(s->correlation_id);
	json_decref(s->args);
	json_decref(s->config);
	json_decref(s->more);
	tools_unref(s->tools);
	free(s);
}

struct run_report *run_report_new(const struct run *r,
				  enum run_report_kind kind)
{
	struct run_report *report = xcalloc(1, sizeof(*report));

	report->kind = kind;
	report->progress = -1;
	memcpy(report->run_id, r->spec->id, sizeof(report->run_id));
	return report;
}

void run_report_free(struct run_report *r)
{
	if (!r)
		return;
	json_decref(r->files);
	json_decref(r->result);
	json_decref(r->error);
	json_decref(r->artifacts);
	json_decref(r->package);
	free(r);
}

struct run *run_new(struct run_spec *spec, struct evidence *evidence,
		    const char *work_dir, run_tell *tell, void *ctx)
{
	struct run *r = xcalloc(1, sizeof(*r));

	r->spec = spec;
	r->evidence = evidence;
	r->tell = tell;
	r->ctx = ctx;
	r->dir = xasprintf("%s/%s", work_dir, spec->id);
	r->wake = -1;
	r->out = -1;
	r->secrets = secrets_new(spec->tool, spec->args);
	if (spec->timeout_us <= 0)
		spec->timeout_us = spec->tool->timeout_us;
	return r;
}

void run_free(struct run *r)
{
	if (!r)
		return;
	if (r->wake >= 0)
		close(r->wake);
	said_fini(&r->said);
	secrets_free(r->secrets);
	json_decref(r->package);
	json_decref(r->files);
	json_decref(r->given);
	run_spec_free(r->spec);
	free(r->dir);
	free(r);
}

void run_take(struct run *r)
{
	r->taken = true;
	r->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

void run_wake(struct run *r)
{
	if (r->wake >= 0)
		eventfd_write(r->wake, 1);
}

static int prepare(struct run *r, struct err *err)
{
	json_t *kept;

	if (atomic_load(&r->cancelled))
		return err_set(err, ERR_cancelled, "%s", r->why);
	if (!id_valid(r->spec->id))
		return err_set(err, ERR_internal, "this is no id for a run");
	if (r->wake < 0)
		return err_set(err, ERR_overloaded, "no descriptors are left");
	if (folder_make(r, err))
		return -1;
	if (!r->spec->reconcile)
		return files_take(r, err);
	kept = kept_read(r->dir);
	r->files = json_array();
	r->given = json_incref(r->spec->args);
	if (kept)
		json_object_set_new(r->spec->more, "kept", kept);
	return 0;
}

static int await_go(struct run *r, struct err *err)
{
	struct pollfd wake = {.fd = r->wake, .events = POLLIN};
	eventfd_t n;

	while (!atomic_load(&r->gone) && !atomic_load(&r->cancelled)) {
		poll(&wake, 1, -1);
		eventfd_read(r->wake, &n);
	}
	if (atomic_load(&r->cancelled))
		return err_set(err, ERR_cancelled, "%s", r->why);
	return 0;
}

static void tell_ready(struct run *r)
{
	struct run_report *report = run_report_new(r, RUN_READY);

	report->files = json_deep_copy(r->files);
	r->tell(r->ctx, report);
}

static bool is_set(char *const *env, const char *name, size_t len)
{
	for (; *env; env++)
		if (!strncmp(*env, name, len) && (*env)[len] == '=')
			return true;
	return false;
}

/* What the manifest passes on, then ours where that leaves a gap. */
static char **environment(const struct run *r)
{
	const char *const ours[][2] = {
		{"PATH", "/usr/local/bin:/usr/bin:/bin"},
		{"LANG", "C.UTF-8"},
		{"HOME", r->dir},
		{"TMPDIR", r->dir},
	};
	char **pass = r->spec->tool->pass_env;
	size_t n = 0;
	char **env;

	while (pass && pass[n])
		n++;
	env = xcalloc(n + ARRAY_LEN(ours) + 1, sizeof(*env));
	n = 0;
	for (; pass && *pass; pass++) {
		const char *value = getenv(*pass);

		if (value && !is_set(env, *pass, strlen(*pass)))
			env[n++] = xasprintf("%s=%s", *pass, value);
	}
	for (size_t i = 0; i < ARRAY_LEN(ours); i++)
		if (!is_set(env, ours[i][0], strlen(ours[i][0])))
			env[n++] = xasprintf("%s=%s", ours[i][0], ours[i][1]);
	return env;
}

static void environment_free(char **env)
{
	for (char **e = env; *e; e++)
		free(*e);
	free(env);
}

/* The request on the tool's stdin, ended by a line feed. */
static char *request_text(const struct run *r, size_t *len)
{
	const struct run_spec *s = r->spec;
	json_t *o = json_object();
	char *text;

	json_set_int(o, "v", 1);
	json_set_str(o, "tool", s->tool->name);
	json_set_str(o, "run_id", s->id);
	json_set_str(o, "task_id", s->task_id);
	json_set_str(o, "criterion_ref", s->criterion_ref);
	json_set_str(o, "correlation_id", s->correlation_id);
	json_set_int(o, "timeout_s", (s->timeout_us + 999999) / 1000000);
	json_object_set(o, "args", r->given);
	json_object_set_new(o, "config", s->config ? json_incref(s->config) :
						     json_object());
	json_object_update(o, s->more);
	text = json_line(o, len);
	json_decref(o);
	text = xrealloc(text, *len + 2);
	memcpy(text + (*len)++, "\n", 2);
	return text;
}

static int start(struct run *r, struct child *c, struct err *err)
{
	char *out = xasprintf("%s/out", r->dir), **env = environment(r);
	int rc = child_spawn_tool(c, r->spec->tool->argv, env, out, err);

	environment_free(env);
	free(out);
	return rc;
}

static int execute(struct run *r, struct run_report *end, struct err *err)
{
	struct outcome outcome;
	struct filed filed;
	struct child child;
	size_t len;
	char *request;

	if (start(r, &child, err))
		return -1;
	request = request_text(r, &len);
	follow(r, &child, request, len, &outcome);
	child_close(&child);
	mem_wipe(request, len);
	free(request);
	filing_store(r, &filed);
	end->artifacts = filed.artifacts;
	ending_judge(r, &outcome, &filed, end);
	free(filed.last_words);
	err_fini(&filed.err);
	return r->spec->reconcile ? filing_read_back(r, end, err) : 0;
}

static int go_through(struct run *r, struct run_report *end, struct err *err)
{
	if (prepare(r, err))
		return -1;
	if (r->spec->reconcile)
		return execute(r, end, err);
	tell_ready(r);
	return await_go(r, err) || execute(r, end, err) ? -1 : 0;
}

struct run_report *run_perform(struct run *r)
{
	struct run_report *end = run_report_new(r, r->spec->reconcile ?
						RUN_RECONCILED : RUN_ENDED);
	struct err err = {0};

	if (go_through(r, end, &err))
		ending_unstarted(end, &err);
	if (!end->result)
		end->result = json_object();
	if (!end->artifacts)
		end->artifacts = json_array();
	if (atomic_load(&r->gone) && filing_package(r, end, &err)) {
		log_error("run %s: its evidence package is not stored: %s",
			  r->spec->id, err.detail);
		ending_unfiled(r, end, &err);
	}
	if (r->spec->tool->reconcile && end->state &&
	    !strcmp(end->state, "outcome_unknown"))
		kept_move(r->dir);
	folder_remove(r);
	err_fini(&err);
	return end;
}
