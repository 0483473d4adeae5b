/* What admin_audit_tree.c and admin_audit_judge.c share. Not for others. */
#pragma once
#include <stddef.h>

#include "agent/admin_audit.h"
#include "agent/admin_audit_past.h"
#include "agent/store/checkpoint.h"

#define PROBLEMS 8		/* that are told; more are counted */

struct problem { const char *what; char text[560]; uint64_t from, to; };

struct point {			/* a checkpoint that was signed before */
	const char *what;
	char *file;
	bool there, reached, agrees, signed_by_key;
	struct checkpoint c;
};
enum { NEWEST, SINCE, POINTS };

struct audit_tree {
	struct past *past;
	struct point points[POINTS];
	struct note_key key;
	char *key_file;		/* where the key was found or named; or NULL */
	bool has_key, key_given;
	bool is_home;		/* of an agent, whole */
	bool broken;		/* the journal was not read to its end */
	uint64_t recorded, recorded_good, recorded_old;
	uint64_t newest_size, newest_seq;	/* of those on the record */
	uint64_t good;		/* the largest size that agrees */
	uint64_t bad;		/* the smallest that does not; or 0 */
	const char *bad_what;
	uint64_t bad_seq;	/* of the record it is on; or 0 */
	struct problem problems[PROBLEMS];
	size_t n_problems;
};

void audit_problem(struct audit_tree *t, const char *what, uint64_t from,
		   uint64_t to, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));
/* The note in p->file; what is wrong with it is a problem. -1: unread. */
int audit_point_read(struct audit_tree *t, struct point *p, struct err *err);
/* Those whose size is reached just now. */
void audit_compare_points(struct audit_tree *t);
