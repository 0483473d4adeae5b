/* Approvals: a person's word on exactly one request. Writer, unless said. */
#pragma once
#include <jansson.h>

#include "agent/ops/op.h"
#include "agent/ops/tool.h"

/* As it is answered, without what is only ours; any thread. New. */
json_t *approval_shown(const json_t *approval);
/* The part of files that is approved: [{name,sha256,size}]. New. */
json_t *approval_files(const json_t *files);
/* SHA-256 of a request's RFC 8785 form. ERR_invalid_args if there is none. */
int approval_digest(const json_t *request, char hex[65], struct err *err);
bool approval_in_time(const json_t *approval);
/* A document's state is this; a time of it, 0 where there is none. */
bool doc_is(const json_t *doc, const char *state);
int64_t doc_time(const json_t *doc, const char *key);
/*
 * Policy parks this call: join the approval there is, use it if it is given,
 * or open one and refuse (on_approval deny) or park a run (run).
 */
int approval_ask(struct agent *a, struct call *c, const struct tool_ask *ask,
		 struct err *err);
/*
 * What an admin said last to this very request, if that was no and is not
 * long ago: {approval_id, decision, by, at, reason}. New, or NULL.
 */
json_t *approval_last_no(struct agent *a, const char *match);
/*
 * May this run start on its approval, with these file hashes? NULL, or the
 * policy_denied reason. */
const char *approval_refuses(struct agent *a, const json_t *run,
			     const json_t *files);
/* The approval of the run as used, a new document; and its task, or NULL. */
json_t *approval_used(struct agent *a, const json_t *run, json_t **task);
/* It can no longer be used: state is stale, cancelled, expired. Records. */
void approval_end(struct agent *a, const struct call *c, const char *id,
		  const char *state, const char *why);
/* The same, with the run that waits for it: something came apart. */
void approval_end_stale(struct agent *a, const struct call *c,
			const json_t *approval, const char *why);
void approval_end_all(struct agent *a, const struct call *c, const char *why);
void approval_end_of_task(struct agent *a, const struct call *c,
			  const char *task_id, const char *why);
void approval_due(struct agent *a, const struct call *c, const char *id);
/* A task shows an approval that may be over by now: the clock calls this. */
void approval_shown_due(struct agent *a, const struct call *c, const char *id);
void approval_recover(struct agent *a, const struct call *c);
