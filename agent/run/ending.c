/* See ending.h. */
#include "agent/run/ending.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/run/filing.h"
#include "agent/run/follow.h"
#include "agent/run/run.h"
#include "agent/run/secrets.h"
#include "common/err.h"
#include "common/json.h"

#define CODE_MAX 64

static json_t *error_object(const char *code, const char *detail,
			    const char *hint, bool retryable)
{
	json_t *o = json_object();

	json_set_str(o, "error_code", code);
	json_set_str(o, "detail", detail);
	json_set_str(o, "remediation_hint", hint);
	json_object_set_new(o, "retryable", json_boolean(retryable));
	return o;
}

json_t *error_json(const struct err *err)
{
	const struct err_row *row = err_row(err->code);

	return error_object(row->code, *err->detail ? err->detail : row->title,
			    err_hint_of(err), row->retryable);
}

/* The row of a code that a tool used; tool_failed's for one of its own. */
static const struct err_row *row_of(const char *code)
{
	for (int i = ERR_none + 1; i < ERR_count; i++)
		if (!strcmp(err_row((enum err_code)i)->code, code))
			return err_row((enum err_code)i);
	return err_row(ERR_tool_failed);
}

static void text_of(const struct run *r, const char *key, char *out,
		    size_t size)
{
	const json_t *v = json_object_get(r->said.error, key);

	secrets_copy(r->secrets, json_string_value(v), json_string_length(v),
		     out, size);
}

/* What the tool said of its failure: bounded, complete, without secrets. */
static json_t *error_said(const struct run *r)
{
	const json_t *again = json_object_get(r->said.error, "retryable");
	char code[CODE_MAX], detail[480], hint[320];
	const struct err_row *row;

	text_of(r, "error_code", code, sizeof(code));
	text_of(r, "detail", detail, sizeof(detail));
	text_of(r, "remediation_hint", hint, sizeof(hint));
	if (!*code || code[strspn(code, "abcdefghijklmnopqrstuvwxyz0123456789_")])
		strcpy(code, err_row(ERR_tool_failed)->code);
	row = row_of(code);
	return error_object(code, *detail ? detail : row->title,
			    *hint ? hint : row->hint,
			    json_is_boolean(again) ? json_is_true(again) :
						     row->retryable);
}

/* Did it end as the protocol says, so that what it said can be believed? */
static bool kept_protocol(const struct run *r, const struct outcome *o)
{
	return !o->exec_errno && !o->signal && !*r->said.wrong &&
	       ((o->exit == 0 && r->said.result) ||
		(o->exit == 1 && r->said.error));
}

static int stopped(const struct run *r, const struct outcome *o,
		   struct err *err)
{
	const char *how = o->killed ? "; it had to be killed" : "";

	if (o->stop == STOP_CANCEL)
		return err_set(err, ERR_cancelled, "%s%s", r->why, how);
	if (o->stop == STOP_DEADLINE)
		return err_set(err, ERR_timed_out,
			       "it was not done after %g s%s",
			       (double)r->spec->timeout_us / 1e6, how);
	return err_set(err, ERR_tool_protocol, "it printed over %u MiB",
		       OUTPUT_MAX >> 20);
}

/* It ended by itself, but not well. */
static int broken(const struct run *r, const struct outcome *o,
		  const char *last_words, struct err *err)
{
	const char *said = r->said.result ? "a result" :
			   r->said.error ? "an error" : NULL;

	if (o->signal)
		return err_set(err, ERR_tool_crashed,
			       "it was ended by signal %d (%s)%s%s", o->signal,
			       strsignal(o->signal),
			       last_words ? ", its last words: " : "",
			       last_words ? last_words : "");
	if (*r->said.wrong)
		return err_set(err, ERR_tool_protocol, "%s", r->said.wrong);
	if (said)
		return err_set(err, ERR_tool_protocol,
			       "it reported %s and exited with %d", said,
			       o->exit);
	return err_set(err, o->exit ? ERR_tool_crashed : ERR_tool_protocol,
		       "it exited with %d and neither result nor error%s%s",
		       o->exit, last_words ? ", its last words: " : "",
		       last_words ? last_words : "");
}

static int missing(const struct run *r, const struct outcome *o,
		   struct err *err)
{
	return err_set(err, ERR_tool_missing, "%s: %s", r->spec->tool->argv[0],
		       strerror(o->exec_errno));
}

static bool publishes(const struct run *r)
{
	return r->spec->tool->level == LEVEL_EXTERNAL_PUBLISH &&
	       !r->spec->reconcile;
}

/* Nobody knows: the reason stays in detail. */
static void make_unknown(struct err *err)
{
	char was[sizeof(err->detail)];

	snprintf(was, sizeof(was), "%s", err->detail);
	err_set(err, ERR_outcome_unknown, "%s", was);
}

static const char *state_of(const char *code)
{
	static const char *const own[] = {"cancelled", "timed_out",
					  "outcome_unknown"};

	for (size_t i = 0; i < sizeof(own) / sizeof(*own); i++)
		if (!strcmp(code, own[i]))
			return own[i];
	return "failed";
}

static void end_with(struct run_report *end, const struct err *err)
{
	end->state = state_of(err_row(err->code)->code);
	end->error = error_json(err);
}

void ending_unstarted(struct run_report *end, const struct err *err)
{
	end_with(end, err);
}

/* It ended properly and reported an error. */
static void judge_error(const struct run *r, const struct outcome *o,
			struct run_report *end)
{
	json_t *error = error_said(r);
	const char *code = json_str(error, "error_code");
	struct err err = {0};

	if (o->stop != STOP_NONE &&
	    (!publishes(r) || !strcmp(code, "cancelled"))) {
		stopped(r, o, &err);
		end_with(end, &err);
		json_decref(error);
		return;
	}
	end->state = publishes(r) && !strcmp(code, "outcome_unknown") ?
		     "outcome_unknown" : "failed";
	end->error = error;
}

void ending_unfiled(const struct run *r, struct run_report *end,
		    const struct err *why)
{
	struct err err = {0};

	if (strcmp(end->state, "succeeded"))
		return;
	err_set(&err, ERR_io,
		"it succeeded, but its evidence could not be stored: %s",
		why->detail);
	if (publishes(r))
		make_unknown(&err);
	end_with(end, &err);
	err_fini(&err);
}

/* It ended properly with a result, perhaps after it was told to stop. */
static void judge_result(const struct run *r, const struct outcome *o,
			 const struct filed *filed, struct run_report *end)
{
	struct err err = {0};

	end->state = "succeeded";
	if (o->stop != STOP_NONE && !publishes(r)) {
		stopped(r, o, &err);
		end_with(end, &err);
		err_fini(&err);
	} else if (filed->err.code) {
		ending_unfiled(r, end, &filed->err);
	}
}

static void judge_break(const struct run *r, const struct outcome *o,
			const struct filed *filed, struct run_report *end)
{
	struct err err = {0};

	if (o->exec_errno)
		missing(r, o, &err);
	else if (o->stop != STOP_NONE)
		stopped(r, o, &err);
	else
		broken(r, o, filed->last_words, &err);
	if (publishes(r) && !o->exec_errno)
		make_unknown(&err);
	end_with(end, &err);
	err_fini(&err);
}

void ending_judge(const struct run *r, const struct outcome *o,
		  const struct filed *filed, struct run_report *end)
{
	json_t *clean;

	if (r->said.result)
		end->result = secrets_cut_json(r->secrets, r->said.result);
	if (!kept_protocol(r, o))
		judge_break(r, o, filed, end);
	else if (r->said.error)
		judge_error(r, o, end);
	else
		judge_result(r, o, filed, end);
	if (!end->error)
		return;
	clean = secrets_cut_json(r->secrets, end->error);
	json_decref(end->error);
	end->error = clean;
}
