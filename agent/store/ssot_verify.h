/*
 * Do the journal and the task repository belong together, and how much of the
 * journal does the repository vouch for? The history is read first, then every
 * record is given, oldest first: the journal only grows, so that an agent may
 * be at work meanwhile.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/store/ssot_text.h"
#include "common/sha256.h"

struct err;
struct note_key;
struct record;
struct ssot_verify;

#define SSOT_PROBLEMS 20	/* that are told; more are counted */

struct ssot_problem {
	const char *what;	/* snake_case, for programs */
	char text[400];		/* for people */
	uint64_t seq;		/* of the record that it is about; or 0 */
	char path[SSOT_PATH];	/* likewise; or "" */
	char task_id[129];	/* likewise; or "" */
	char commit[41];	/* likewise; or "" */
};

struct ssot_anchor {		/* of records 1 to seq */
	uint64_t seq;		/* 0: of none */
	char commit[41];	/* that names record seq */
};

struct ssot_report {
	char main[41];		/* its commit; "": there is none */
	size_t commits, ours;	/* that main reaches */
	size_t waiting;		/* the newest, not taken into the journal */
	size_t lost;		/* that were taken in, and main lacks them */
	struct ssot_anchor local;
	char remote[41];	/* as last fetched; "": there is none */
	size_t behind, ahead;	/* commits of main, against the remote */
	struct ssot_anchor away;
	struct {		/* checkpoints that commits carry */
		size_t count;
		bool checked;	/* their signatures too */
		uint64_t to;	/* the newest that agrees; 0: none */
		char commit[41];	/* that carries it */
	} marks;
	uint64_t head;		/* records of the journal */
	size_t documents, equal, late, other, unknown;
	uint64_t late_from;	/* the first record that git lacks */
	struct ssot_problem problems[SSOT_PROBLEMS];
	size_t n_problems;	/* at all */
};

struct ssot_verify_options {
	const char *log_id;	/* 16 hex digits of the leaf of record 1 */
	/* Of the journal, borrowed; NULL: signatures are not checked. */
	const struct note_key *key;
	/* Every so often: what is read, and how much of it. May be NULL. */
	void (*progress)(void *data, const char *what, uint64_t n);
	void *data;
};

/* Read the history. -1 if there is no repository or it cannot be read. */
int ssot_verify_open(struct ssot_verify **out, const char *repo,
		     const struct ssot_verify_options *o, struct err *err);
/* A journal_each: the next record. */
int ssot_verify_record(struct record *r, void *verify, struct err *err);
/*
 * All records were given: compare. running says that an agent is at work, so
 * that what git lacks may be on its way. *out is borrowed.
 */
int ssot_verify_end(struct ssot_verify *v, bool running,
		    const struct ssot_report **out, struct err *err);
void ssot_verify_close(struct ssot_verify *v);
