/*
 * A draft: what a call would change and cause, kept instead of recorded until
 * somebody else has agreed. While one is open (a->draft), agent_record and
 * agent_after go into it and the handler sees its own changes; closing it
 * takes them back out of the state. Writer only, unless said.
 */
#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "agent/store/record.h"

struct agent;
struct call;
struct draft;
struct err;

void draft_open(struct agent *a);
struct draft *draft_close(struct agent *a);
/* Forgets it and drops what was to be done after; NULL is fine. */
void draft_free(struct draft *d);
bool draft_is_empty(const struct draft *d);

/* For agent_record: as journal_append, borrowed until the draft is freed. */
struct record *draft_keep(struct draft *d, const struct entry *e,
			  struct err *err);

/*
 * Record all of it for the call, and arrange for what is to be done after.
 * commit (or NULL) is where its documents are in git already. The draft is
 * empty then.
 */
int draft_record(struct agent *a, const struct call *c, struct draft *d,
		 const char *commit, struct err *err);
/*
 * Record at once what ends of this agent's runs and approvals, and do what
 * is to be done after: that waits for nobody's word.
 */
int draft_record_runs(struct agent *a, const struct call *c, struct draft *d,
		      struct err *err);
/* Let the last fact bring this document too; doc is taken over. */
void draft_put(struct draft *d, const char *kind, json_t *doc);
size_t draft_facts(const struct draft *d);

/* The first fact, which says what the call is about; any thread. */
const struct record *draft_about(const struct draft *d);

struct draft_doc {
	const char *kind;
	const json_t *doc;		/* borrowed from the draft */
	char *path, *text;		/* where and how git holds it; owned */
	size_t len;
	char base_sha[41];		/* what it was made from; "": nothing */
	char sha[41];
};
/*
 * The documents that belong into the repository, each once, as they are after
 * the last fact; found when the draft was closed. Any thread.
 */
const struct draft_doc *draft_docs(const struct draft *d, size_t *n);
