/*
 * What is asked of one task beyond its row: how it became what it is, what it
 * once was, and whether its proof is whole.
 */
#pragma once
#include "console/model_item.h"

struct model;

/* The commits that changed it, newest first, as task.history told them. */
struct history {
	char *task;		/* id, or NULL: none is open */
	bool loaded;
	char *trouble;		/* why it could not be loaded, or NULL */
	char *next;		/* the page that is asked for, or NULL */
	bool more;		/* there are older ones than HISTORY_MOST */
	struct items revisions;	/* newest first; not searchable */

	char *commit;		/* the one that is looked at, or NULL */
	char *then;		/* the task as it was, safe JSON; or NULL */
	char *then_trouble;
};

#define HISTORY_MOST 1000

/* What task.fidelity says of it. */
struct fidelity {
	char *task;
	bool loaded, complete;
	char *trouble;
	char *gaps;		/* safe, a line each */
	char *proof;		/* safe: "AC-1: echoed, met, 2 files", a line each */
	char *verdict;		/* the newest, safe: "failed by ana, attempt 1";
				   NULL: none */
	bool passed;		/* what it said */
	char *faults;		/* with it, safe: "AC-1: text", a line each */
};

/* Load them into the model, and forget them. */
void model_open_history(struct model *m, const char *task);
void model_close_history(struct model *m);
void model_open_revision(struct model *m, const char *commit);
void model_close_revision(struct model *m);	/* of that history */
void model_open_fidelity(struct model *m, const char *task);
void model_close_fidelity(struct model *m);
/* A record told that this task changed. */
void model_task_changed(struct model *m, const char *task);
const struct revision *model_revision(const struct model *m,
				      const char *commit);
