/*
 * Was done what was asked, and asked for what was done? A pure look at the
 * documents of one task, from both ends: criteria without proof, effects
 * without a criterion, issues that are not the reviewer's any more.
 */
#pragma once
#include <jansson.h>
#include <stdbool.h>

struct agent;
struct call;
struct err;
struct fidelity;

/* Of this task, borrowed until the end. */
struct fidelity *fidelity_new(const json_t *task);
void fidelity_free(struct fidelity *f);
/* The kinds that fidelity_add wants all documents of; ends with NULL. */
extern const char *const fidelity_kinds[];
/*
 * A document of the task, in any order. Of an effect the run itself says
 * more than the package of evidence that another agent made of it.
 */
void fidelity_add(struct fidelity *f, const char *kind, const json_t *doc);
/* Is this evidence still there? */
typedef bool fidelity_stored(void *data, const char *sha256);
/*
 * What API.md has as the answer of task.fidelity; new. gaps and complete are
 * those of the attempt that the task is at; what was done since the last
 * redispatch belongs to it, whoever took over in between.
 */
json_t *fidelity_answer(struct fidelity *f, fidelity_stored *stored,
			void *data);

/*
 * Writer thread: may this task be approved, where [review] require-fidelity
 * asks for it? ERR_fidelity_incomplete with "gaps", recorded as policy_denied.
 */
int fidelity_check(struct agent *a, struct call *c, const json_t *task,
		   struct err *err);
