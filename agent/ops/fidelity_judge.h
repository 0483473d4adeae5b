/* One attempt of a task, judged by its documents. See fidelity.h. */
#pragma once
#include <stdint.h>

#include "agent/ops/fidelity.h"

#define FIDELITY_LIST 1000	/* gaps or effects that are listed, each */

enum fidelity_doc {
	FIDELITY_ACK, FIDELITY_RESULT, FIDELITY_VERDICT, FIDELITY_REDISPATCH,
	FIDELITY_DOCS
};

/* A run, here or where another agent filed its evidence. */
struct served {
	char *id, *ref;			/* the criterion it cites, or NULL */
	char *by;			/* who ran it, or NULL */
	json_int_t attempt, until;	/* answered for, until is not */
	int64_t ended;			/* 0: it does not say when */
	bool package;			/* only the evidence of it is here */
	bool counts, settled;		/* it did something; all is known */
	json_t *shown;
};

struct fidelity {
	const json_t *task;
	json_t *docs[FIDELITY_DOCS];	/* each by attempt, as text */
	struct served *effects;		/* by id, which is by time */
	size_t n_effects, room;
	fidelity_stored *stored;
	void *stored_data;
};

void effect_add(struct fidelity *f, const char *kind, const json_t *doc);
/* In order, each run once. */
void effects_sort(struct fidelity *f);
void effects_free(struct fidelity *f);
/* Until when each of them is answered for. */
void effects_round(struct fidelity *f);
/* The document of an attempt, borrowed, or NULL. */
const json_t *fidelity_doc(const struct fidelity *f, enum fidelity_doc kind,
			   json_int_t attempt);
/* The same, if it counts: on what is taken or reported again it does not. */
const json_t *fidelity_now(const struct fidelity *f, enum fidelity_doc kind,
			   json_int_t attempt);
/* One of "attempts" of the answer, with its "gaps"; new. */
json_t *fidelity_judge(const struct fidelity *f, json_int_t attempt);
