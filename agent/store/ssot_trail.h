/*
 * Where one task's documents are in one commit after the other: its own, and
 * the folder of its attempts. The entries are looked up from the root only as
 * far as the folders differ from those of the commit looked at before: mostly
 * two trees a commit instead of five. One thread.
 */
#pragma once
#include <git2.h>
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "agent/store/ssot_text.h"

struct err;

#define TRAIL_DEPTH 5		/* tasks/h/h/h/id.json */
#define TRAIL_DOC_MAX (48 * 1024)	/* bytes of a document */

enum trail_lane { TRAIL_TASK, TRAIL_ATTEMPTS, TRAIL_LANES };

/* What a commit has of a task; zeros where it has nothing. */
struct trail_at { git_oid is[TRAIL_LANES]; };

struct trail {
	git_repository *repo;
	git_odb *odb;
	struct lane {
		char path[SSOT_PATH];
		char *name[TRAIL_DEPTH];	/* the parts of path */
		git_object_t type;		/* of what lies there */
		git_oid tree[TRAIL_DEPTH], entry[TRAIL_DEPTH];
		bool known[TRAIL_DEPTH], found[TRAIL_DEPTH];
	} lane[TRAIL_LANES];
};

/* ERR_not_found if that is no id. To be closed in either case. */
int trail_open(struct trail *t, const char *path, const char *task_id,
	       struct err *err);
void trail_close(struct trail *t);
/* 0, or what libgit2 says. */
int trail_look(struct trail *t, const git_commit *commit,
	       struct trail_at *at);
/*
 * The way back from a commit, as `git log -- FILE` goes: to the first parent
 * that has the same, for then the commit did not change it; else to the first
 * that has the same document, or one at all. *to: NULL where it was made, to
 * be freed. *at: what the commit has; then what *to has. 0, or as above.
 */
int trail_back(struct trail *t, const git_commit *commit, struct trail_at *at,
	       git_commit **to, bool *changed);
/*
 * The document of this blob, new: NULL where it is none (strangers commit
 * what they like), or *rc is what libgit2 says.
 */
json_t *trail_doc(struct trail *t, const git_oid *blob, int *rc);
