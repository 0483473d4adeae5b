/*
 * A call: one request from any transport, on its way through the gate. It
 * carries a ticket, never a socket; it has one owner at a time, moves by
 * pointer, and whoever asked may be gone when its answer is ready.
 */
#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/store/peers.h"
#include "agent/store/token.h"
#include "common/err.h"
#include "common/id.h"

struct agent;
struct draft;
struct op;
struct reader;
struct evidence_file;
struct signature;
struct webhook_conf;

enum via { VIA_HTTP, VIA_WEBSOCKET, VIA_INTERNAL };

/* What became of a proposal to the remote. */
enum proposed {
	PROPOSED_NOT,			/* or not yet answered */
	PROPOSED_LANDED,		/* there, and recorded here */
	PROPOSED_STALE,			/* something else was there first */
	PROPOSED_AWAY,			/* nobody knows: no answer in time */
};

struct call_param { char *name, *value; };	/* from path and query */

struct call {
	struct call *next;		/* in whatever queue holds it */

	/* Set by the transport; strings owned. */
	uint64_t ticket;		/* 0: nobody waits for the answer */
	bool counts;			/* among those in flight */
	enum via via;
	const struct op *op;		/* NULL: err says why, or a frame */
	char *method, *path;		/* as asked, path without query */
	char *bearer;			/* token text; wiped by the gate */
	struct call_param *params;
	size_t n_params;
	char *body;			/* JSON text, or a JSON-RPC frame */
	size_t body_len;
	char correlation_id[129];	/* empty: the gate makes one */
	char *idempotency_key, *if_match, *if_none_match, *range;
	int64_t wait_us;		/* Prefer: wait=N */
	bool head;			/* HEAD: the body is not sent */
	bool upgrades;			/* to a websocket, if it may */
	uint32_t peer;			/* IPv4, network order; 0: unknown */
	struct from from;		/* who the transport says it is */
	struct evidence_file *upload;	/* a raw body, already on disk */
	const struct webhook_conf *hook;	/* OP_HOOK: its source, */
	struct signature *signature;	/* and what is known of it; owned */
	int64_t began_us;		/* monotonic */
	/* Instead of the queue back to the loop; on the writer; or NULL. */
	void (*answered)(struct call *c, void *arg);
	void *answered_arg;

	/* Set by the gate. */
	struct actor who;
	bool known;			/* who is authenticated */
	enum token_state fault;		/* why not; for the record alone, */
	char fault_id[24];		/* with the token's id if it has one */
	unsigned retry_after_s;		/* 0: a second, where that is said */
	bool folded;			/* refused with many, in one record */
	bool own_id;			/* the correlation id is ours */
	json_t *args;			/* checked against the op's table */
	json_t *rpc_id;			/* websocket: the frame's id */
	struct reader *reader;		/* of the worker, while it has it */
	bool hurried;			/* a halt whose effect is there */
	bool parked;			/* policy: only with an approval */
	const char *reason;		/* why it is parked or denied */
	char *rule;			/* the line that said so; owned */
	bool denied;			/* internal calls are told, not cut */
	bool replayed;			/* an earlier answer again */
	bool unrecorded;		/* marked read with a sealed journal */
	int64_t waits_until;		/* monotonic; 0: answer now */
	char waits_run[129];
	/* Still to do, where others need not wait for it; or NULL. */
	int (*slow)(struct agent *a, struct call *c, struct err *err);
	/* Shared mode: what it would change, and what came of that. */
	struct draft *draft;
	enum proposed proposed;
	unsigned tries;			/* while others were faster */
	char made_id[ID_MADE];		/* of what it makes, at each try */
	json_t *holds;			/* what it keeps busy; names */
	bool counts_running;		/* by how many tasks its caller has, */
	unsigned taken;			/* as executor_taken was then */
	void *prepared;			/* what the op's prepare left */
	void (*prepared_free)(void *);

	/* The answer: err, or status with one of answer, text, file, stream. */
	struct err err;
	int status;
	json_t *answer;
	char *answer_text;		/* instead: the JSON of it, owned */
	size_t answer_len;
	char sha[41];			/* of either, said in it; or empty */
	char *text;			/* exact bytes to send, owned */
	size_t text_len;
	const char *content_type;	/* NULL: application/json */
	char *location, *etag, *allow;
	int fd;				/* a file; -1: none; owned */
	uint64_t fd_off, fd_len, fd_size;
	bool stream;			/* start events with this filter: */
	uint64_t after_seq;
	bool from_now;			/* no after_seq was given */
	char *types, *filter_task;
};

struct call *call_new(enum via via, const struct op *op);
void call_free(struct call *c);
void call_param_add(struct call *c, const char *name, const char *value);
/* Borrowed members of args; NULL or fallback where absent. */
const char *call_str(const struct call *c, const char *name);
int64_t call_int(const struct call *c, const char *name, int64_t fallback);
/* Set status 200 and the answer, which is taken over. Returns 0. */
int call_answer(struct call *c, json_t *answer);
/* The same with the JSON of an object, which is taken over. */
int call_answer_text(struct call *c, char *text, size_t len);
/* The answer as it is sent: a new reference, or NULL. */
json_t *call_whole_answer(const struct call *c);
/* Set a filename to send instead. */
int call_file(struct call *c, int fd, uint64_t off, uint64_t len,
	      uint64_t size, const char *content_type);
/* Take back all that was to be sent; err is what will be. */
void call_unanswer(struct call *c);
/*
 * Turn err or answer into text, content_type and status as they are sent:
 * for HTTP the body, for the websocket the whole JSON-RPC response.
 */
void call_render(struct call *c);
const char *via_name(enum via via);	/* "http", "websocket", "internal" */
