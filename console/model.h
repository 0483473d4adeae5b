/*
 * What the console knows of its agent, fed by answers and events, asked for by
 * a queue of calls. Pure: no clock, no socket, no terminal; the loop says what
 * time it is and carries the calls.
 */
#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "console/model_item.h"
#include "console/model_task.h"

struct review;

enum link_state { LINK_DIALING, LINK_LIVE, LINK_RETRY, LINK_LOGIN };

enum ask_kind {
#define ASK(kind, method, member, take) ASK_##kind,
#include "console/model_ask.def"
#undef ASK
	ASK_KINDS
};

/* One call to the agent: waiting to be sent, or sent. */
struct ask {
	enum ask_kind kind;
	char *id;		/* what it is about; may be NULL */
	char *more;		/* and which page or part of it; or NULL */
	json_t *params;		/* owned until taken by the caller of next */
	bool sent;
	bool again;		/* something changed while it was out */
	struct ask *next;
};

/* Everything that one correlation id caused, as audit.chain told it. */
struct chain {
	char *id;
	bool loaded, complete;
	char *missing;		/* safe text; empty when complete */
	char *trouble;		/* why it could not be loaded, or NULL */
	struct items records, runs, approvals, artifacts;
};

struct model {
	int64_t now_us;		/* monotonic; the loop keeps it */
	int64_t wall_us;	/* for ages only */
	uint64_t stamp;		/* another value after every change */

	enum link_state link;
	int tries;		/* since the connection was lost */
	int64_t retry_in_us;
	int64_t lost_us;	/* when, monotonic; 0 while live */
	int64_t silent_us;	/* live, but nothing heard for so long; or 0 */
	char *link_why;		/* safe */

	char *agent, *version, *actor, *mode, *health;
	char *environment;	/* from the configuration; may be NULL */
	bool admin;		/* the token's scope */
	bool readonly;		/* asked for on the command line */
	char *signing_key;	/* that signs decisions, safe; NULL: none */
	int64_t seq;		/* newest record seen */

	struct items tasks, approvals, runs, records, artifacts, components;
	struct chain chain;
	struct history history;
	struct fidelity fidelity;
	struct review *review;	/* the one that is open, or NULL */
	struct ask *asks;
	char *note;		/* the agent's last refusal, safe; or NULL */
	int64_t look_us;	/* when health is asked for again; 0: not live */
	int bells;		/* approvals that arrived, not yet rung */
	bool synced;		/* the lists are complete */
	bool known;		/* all lists came once: counts are true */
};

struct model *model_new(void);
void model_free(struct model *m);

/* The link's side. Params and results are borrowed. */
void model_hello(struct model *m, const json_t *hello);
void model_event(struct model *m, const json_t *record);
void model_gap(struct model *m, const json_t *gap);
void model_lost(struct model *m, enum link_state state, const char *why,
		int64_t retry_in_us);

/* Want something; the same read is not asked for twice at a time. */
void model_ask(struct model *m, enum ask_kind kind, const char *id);
/* The same of one page or part of it: member and value go with the id. */
void model_ask_more(struct model *m, enum ask_kind kind, const char *id,
		    const char *member, const char *value);
/* A decision, with params of its own (taken). Never queued while not live. */
int model_decide(struct model *m, enum ask_kind kind, const char *id,
		 json_t *params);
/*
 * Ask for the agent's health when it is time: no record can tell of a journal
 * that takes none.
 */
void model_look(struct model *m);
/* The next call to send, or NULL; its method; the answer to it. */
struct ask *model_next_ask(struct model *m);
const char *ask_method(enum ask_kind kind);
void model_answer(struct model *m, struct ask *ask, const json_t *result,
		  const json_t *problem);

#define MODEL_PAGE 200		/* items asked for in one answer */

/* Load a correlation chain into m->chain. */
void model_open_chain(struct model *m, const char *id);

bool model_may_decide(const struct model *m);	/* live, admin, not readonly */
struct task *model_task(const struct model *m, const char *id);
/* The correlation id of anything, looked up through its task; or "". */
const char *model_chain_of(const struct model *m, const struct item *item);
struct run *model_run_of(const struct model *m, const char *task_id);
/* Pending approvals; *until gets the first expiry (monotonic) or 0. */
size_t model_pending(const struct model *m, int64_t *until);
void model_note(struct model *m, char *text);	/* takes text */
