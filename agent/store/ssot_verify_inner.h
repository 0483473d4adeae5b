/* What ssot_verify.c gathers and ssot_judge.c judges. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "agent/store/merkle.h"
#include "agent/store/ssot_docs.h"
#include "agent/store/ssot_mark.h"
#include "agent/store/ssot_verify.h"
#include "agent/store/ssot_walk.h"

#define LLU(n) ((unsigned long long)(n))

struct ssot_verify {
	struct ssot_verify_options o;
	struct ssot_walk *walk;
	struct docs *docs;
	struct ssot_report report;
	char left[41];		/* where the agent left main, and it is not */
	size_t n_main;		/* commits that it reaches; then the remote's */
	uint32_t *order;	/* those of ours in walk's list, by seq */
	size_t n_order, next;
	struct ssot_anchor good;	/* the newest that fitted so far */
	bool changed;		/* the first that did not was told */
	uint64_t before;	/* record of the commit before this one */
	struct ssot_mark mark;	/* the newest checkpoint so far */
	struct walk_mark *marks;	/* borrowed, by size */
	size_t n_marks, next_mark;
	struct merkle merkle;		/* of the records so far */
	bool differs;		/* the first mark that did was told */
	/* of the newest records */
	uint64_t seq;
	int64_t ts_us, started_us;
	bool stopped, trouble;
	uint64_t merging;	/* records up to it belong to a merge */
};

/* Where it goes, to be completed; one that is not shown if there are many. */
struct ssot_problem *ssot_problem(struct ssot_verify *v, const char *what,
				  uint64_t seq, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* The checkpoints in commits: sort them, and judge those of this size. */
void marks_begin(struct ssot_verify *v);
void marks_record(struct ssot_verify *v, const struct record *r);
/* A commit of ours: the i-th by the record it names. */
struct walk_commit *ssot_ours(struct ssot_verify *v, size_t i);
