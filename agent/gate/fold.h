/*
 * Floods of refused requests. Of nobody known, from one address (or one user
 * of this machine), with one error and for one reason, the first 20 a second
 * are recorded each; what goes beyond that is
 * held for a moment and counted in one record, and only then answered: a
 * flood costs a few lines a second, and still every request is on record.
 * Whoever has a valid token is never in here. Writer only.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "agent/store/peers.h"
#include "agent/store/token.h"
#include "common/err.h"
#include "common/id.h"

struct call;
struct fold;
struct webhook_conf;

#define FOLD_US 250000		/* that an answer waits at most */

struct fold *fold_new(void);
void fold_free(struct fold *f);		/* nothing may be held */

/*
 * One more refusal: true if it is held, and then c is the fold's (freed at
 * once if nobody waits for its answer). Times: now monotonic, wall for the
 * record, both in microseconds.
 */
bool fold_hold(struct fold *f, struct call *c, int64_t now, int64_t wall);
/* When the oldest has waited long enough, monotonic; INT64_MAX: none is. */
int64_t fold_due(const struct fold *f);
/* Let go of all that is held: it is due now. */
void fold_hurry(struct fold *f);

/* Requests that were refused alike, for one record. */
struct folded {
	enum over over;
	uint32_t peer;			/* address, or of a user; 0: of many */
	enum err_code code;
	enum token_state fault;		/* why they are nobody, */
	char token_id[24];		/* of a token that was one; or "" */
	const struct webhook_conf *hook;	/* that they were sent to, and */
	const char *why;		/* signature_why(); or NULL */
	char correlation_id[ID_MADE];	/* of those that brought none */
	uint64_t count;
	int64_t first, last;		/* wall clock */
	struct call *calls, *calls_last;	/* to be answered; owned */
};

/* Take one lot out of it; false: there is none. */
bool fold_take(struct fold *f, struct folded *out);
