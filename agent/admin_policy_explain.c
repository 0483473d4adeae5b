/*
 * `kircerta-agent policy explain`: the gate's own function, asked about a
 * call that nobody makes.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "agent/admin.h"
#include "agent/admin_policy.h"
#include "agent/gate/policy.h"
#include "agent/ops/quota.h"
#include "agent/run/supervisor.h"
#include "agent/store/evidence.h"
#include "agent/store/index.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/fs.h"
#include "common/json.h"
#include "common/mem.h"
#include "common/words.h"

#define ARGS_FILE_MAX (1u << 20)
#define PAGE 1000

struct asked {			/* owned, as the weight borrows it */
	json_t *args, *shown, *files;
	char mode[16];
	size_t starts;		/* in the last day, if that is limited */
};

static json_t *read_args(const char *file, struct err *err)
{
	size_t len;
	char *text = fs_read(strcmp(file, "-") ? file : "/dev/stdin",
			     ARGS_FILE_MAX, &len, err);
	json_t *args = text ? json_parse(text, len, err) : NULL;

	free(text);
	return args;
}

/* Without --args: the defaults alone, even where more is required. */
static int take_args(struct asked *q, const struct tool *t, const char *file,
		     struct err *err)
{
	json_t *given = file ? read_args(file, err) : json_object();
	struct err own = {0};
	int rc = -1;

	if (given)
		rc = tool_args_check(t, given, &q->args, file ? err : &own);
	if (rc && !file) {
		q->args = json_incref(given);
		rc = 0;
	}
	if (!rc)
		q->shown = tool_args_redacted(t, q->args);
	err_fini(&own);
	json_decref(given);
	return rc;
}

static int take_files(struct asked *q, const struct policy_files *f,
		      const struct tool *t, struct err *err)
{
	struct evidence *store;

	if (evidence_look(&store, f->home.evidence, err))
		return -1;
	evidence_guard(store, f->home.dir);
	q->files = run_hash_files(store, t, q->args, err);
	evidence_close(store);
	return q->files ? 0 : -1;
}

static size_t count_page(const json_t *runs, const char *tool, int64_t since)
{
	const json_t *each;
	size_t i, n = 0;
	int64_t at;

	json_array_foreach (runs, i, each) {
		const char *started = json_str(each, "started_at");

		n += started && !strcmp(json_str(each, "tool"), tool) &&
		     clock_parse(started, 0, &at) && at > since;
	}
	return n;
}

/* Runs that started in the day before at. */
static size_t count_starts(struct reader *r, const char *tool, int64_t at)
{
	struct doc_filter f = {.kind = "run", .limit = PAGE};
	char last[DOC_ID_MAX] = "";
	json_t *runs, *end;
	size_t n = 0, got;

	do {
		runs = reader_docs(r, &f, NULL);
		got = json_array_size(runs);
		n += count_page(runs, tool, at - QUOTA_DAY);
		end = json_array_get(runs, got - 1);
		if (got)
			snprintf(last, sizeof(last), "%s",
				 json_str(end, "id"));
		f.after_id = last;
		json_decref(runs);
	} while (got == PAGE);
	return n;
}

/* Mode and starts, as the read model of the home has them. */
static void look_at_record(const struct policy_files *f, struct asked *q,
			   const struct tool *tool, int64_t at)
{
	struct reader *r;
	json_t *mode;

	strcpy(q->mode, "normal");
	if (access(f->home.index, R_OK) ||
	    reader_open(&r, f->home.index, NULL))
		return;
	mode = reader_doc(r, "mode", "mode", NULL);
	if (mode && json_str(mode, "mode"))
		snprintf(q->mode, sizeof(q->mode), "%s",
			 json_str(mode, "mode"));
	if (tool->level == LEVEL_EXTERNAL_PUBLISH &&
	    policy_for(f->table, tool->name)->max_per_day)
		q->starts = count_starts(r, tool->name, at);
	json_decref(mode);
	reader_close(r);
}

/* RFC 3339, or HH:MM of today, local. */
static bool time_of(const char *text, int64_t *us)
{
	time_t now = (time_t)(clock_wall_us() / 1000000);
	struct tm tm;
	int hour, minute, end = 0;

	if (!text) {
		*us = clock_wall_us();
		return true;
	}
	if (sscanf(text, "%2d:%2d%n", &hour, &minute, &end) != 2 ||
	    text[end] || hour < 0 || hour > 23 || minute < 0 || minute > 59)
		return clock_parse(text, clock_wall_us(), us);
	localtime_r(&now, &tm);
	tm.tm_hour = hour;
	tm.tm_min = minute;
	tm.tm_isdst = -1;
	*us = (int64_t)mktime(&tm) * 1000000;
	return true;
}

static void say(const struct explain *x, const struct policy_table *t,
		const struct weight *w, const char *mode,
		const struct verdict *v)
{
	static const char *const words[] = {"allow", "approve", "deny"};
	char *rule = verdict_rule(t, v), at[CLOCK_TEXT], *text;
	json_t *out;

	clock_text(w->now_us, at);
	out = json_pack("{s:s,s:s?,s:o,s:s,s:s?,s:s,s:s?,s:s,s:s,s:I,s:s}",
		"verdict", words[v->rule], "reason", v->reason, "rule",
		json_lossy(rule), "tool", w->tool, "side_effect_level",
		w->claimed < 0 ? NULL : level_name(w->claimed), "mode", mode,
		"actor", w->actor, "at", at, "policy_sha256", t->sha256,
		"starts_24h", (json_int_t)w->starts, "file", t->file);
	text = json_line(out, NULL);
	if (x->as_json)
		puts(text);
	else
		printf("verdict  %s\nreason   %s\nrule     %s\n",
		       words[v->rule], v->reason ? v->reason : "-", rule);
	free(text);
	free(rule);
	json_decref(out);
}

static int judge(const struct policy_files *f, const struct explain *x,
		 const struct asked *q, const struct tool *tool, int64_t at)
{
	static const int exits[] = {EXIT_SUCCESS, EXIT_APPROVE, EXIT_DENY};
	const char *mode = x->mode ? x->mode : q->mode;
	struct weight w = {
		.tool = tool->name, .level = tool->level,
		.claimed = x->level ? level_of(x->level) : tool->level,
		.actor = x->actor, .manifest = tool, .args = q->shown,
		.files = q->files, .now_us = at, .starts = q->starts,
	};
	struct verdict v = policy_of_tool(f->table, mode_named(mode), &w);

	say(x, f->table, &w, mode, &v);
	return exits[v.rule];
}

int policy_explain(const struct policy_files *f, const struct explain *x)
{
	const struct tool *tool = tools_find(f->tools, x->tool);
	struct asked q = {0};
	struct err err = {0};
	int64_t at = 0;
	int rc = -1;

	if (!tool)
		err_set(&err, ERR_not_found, "no tool %.100s", x->tool);
	else if (x->mode && words_index("normal|guarded|stopped", '|',
					x->mode) < 0)
		err_set(&err, ERR_invalid_request, "--mode: %.100s is not "
			"normal, guarded or stopped", x->mode);
	else if (!time_of(x->at, &at))
		err_set(&err, ERR_invalid_request, "--at: %.100s is no time",
			x->at);
	else if (!take_args(&q, tool, x->args, &err) &&
		 !take_files(&q, f, tool, &err)) {
		look_at_record(f, &q, tool, at);
		rc = judge(f, x, &q, tool, at);
	}
	if (rc < 0)
		rc = say_error(&err);
	json_decref(q.args);
	json_decref(q.shown);
	json_decref(q.files);
	err_fini(&err);
	return rc;
}
