/*
 * The operations: what can be asked of the agent, once, in ops.def. Router,
 * websocket, argument check, record and help derive from these rows. And the
 * agent that a handler acts on.
 */
#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/ops/call.h"

struct agent;
struct bounds;
struct buf;
struct draft;
struct due;
struct evidence;
struct failures;
struct fold;
struct home;
struct journal;
struct note_key;
struct policy_table;
struct quota;
struct settings;
struct state;
struct supervisor;
struct tokens;
struct tools;
struct tree;
struct webhook_secrets;
struct webhook_tally;

/* What an operation does to the world: a column of the policy matrix. */
enum effect {
	EFFECT_READ,		/* answers from what is durable, on a worker */
	EFFECT_DECIDE,		/* an operator's word: approvals, mode */
	EFFECT_CHANGE,		/* changes tasks and records */
	EFFECT_TOOL,		/* runs a tool: its level decides */
	EFFECT_FACT,		/* internal: something happened; never refused */
	EFFECT_count
};

enum op_flag {
	OP_MARKED = 1,		/* a read that works with a sealed journal */
	OP_OPEN = 2,		/* answers, shorter, without a token */
	OP_RAW = 4,		/* the body is a file, not JSON */
	OP_STREAM = 8,		/* the answer is a stream of events */
	OP_FRESH = 16,		/* an Idempotency-Key keeps no answer */
	OP_SLOW = 32,		/* reads whole files or histories */
	OP_SHARED = 64,		/* in shared mode the remote agrees first */
	OP_HOOK = 128,		/* a webhook: its signature says who it is */
};

enum arg_kind {
	ARG_TEXT,		/* string of min..max bytes */
	ARG_ID,			/* id of the kind in `of`, may be shortened */
	ARG_NAME,		/* an id as id_valid(), not looked up */
	ARG_SHA256, ARG_SHA1,
	ARG_INT,		/* min..max */
	ARG_NUMBER,		/* min..max, maybe with a fraction */
	ARG_BOOL,
	ARG_TIME,		/* clock_parse() */
	ARG_ENUM,		/* one of `of`, separated by | */
	ARG_OBJECT, ARG_ARRAY,
};

enum arg_flag {
	ARG_REQUIRED = 1,
	ARG_NULL = 2,		/* null is accepted */
	ARG_ADMIN = 4,		/* only an admin sends it: 403 admin_field */
	ARG_NEVER = 8,		/* nobody sends it: 403 admin_field */
};

struct arg {
	const char *name;
	enum arg_kind kind;
	unsigned flags;
	int64_t min, max;
	const char *of;
};

typedef int op_fn(struct agent *a, struct call *c, struct err *err);

struct op {
	const char *name;	/* "task.create" */
	const char *method;	/* NULL: not over HTTP */
	const char *route;	/* "/api/tasks/{id}" */
	unsigned scopes;	/* any of; 0: nobody from outside */
	enum effect effect;
	unsigned flags;
	op_fn *prepare;		/* on a worker, before the writer; or NULL */
	op_fn *run;
	const char *summary;
	const struct arg *args;	/* ends with a NULL name */
};

extern const struct op ops[];
extern const size_t ops_count;

const struct op *op_named(const char *name);	/* the first with this name */
/*
 * By name for the websocket: of two rows with one name, the one that changes
 * something if there are arguments beyond its path, else the read.
 */
const struct op *op_for_rpc(const char *name, const json_t *params);

/* The row of this name, or NULL. */
const struct arg *op_arg(const struct op *op, const char *name);
/* Is it what the row says? An id is not looked up. ERR_invalid_request. */
/* There is a token in this member or parameter; it would be recorded. -1 */
int token_refused(const char *where, struct err *err);
int op_arg_check(const struct arg *a, const json_t *v, struct err *err);
/*
 * Check c->params and body (or the given JSON object) against op's table and
 * leave c->args. ERR_invalid_json, invalid_request, admin_field, not_found.
 */
int args_check(struct agent *a, struct call *c, json_t *object,
	       struct err *err);
/* "/api/tasks/{id}" and the method, for HTTP. See route in net. */

/* How the shared remote is, for what has to be agreed with it. */
enum remote_state {
	REMOTE_UP,		/* it can be asked */
	REMOTE_AWAY,		/* it cannot; what is held here goes on */
	REMOTE_UNMET,		/* nor has it ever been: nothing goes on */
};

/*
 * The agent. Fields are set once before any thread starts; what changes
 * belongs to the writer thread.
 */
struct agent {
	const struct home *home;
	const struct settings *settings;
	const char *version;
	char no_socket[480];		/* why there is no UNIX socket */
	uint8_t redact_key[32];		/* so that secrets can be compared */
	int64_t started_us;		/* monotonic */
	struct journal *journal;
	struct journal_repair *repair;	/* what opening it had to cut */
	struct evidence *evidence;
	struct tokens *tokens;
	struct failures *failures;	/* to say who they are */
	struct webhook_secrets *webhook_secrets;	/* or NULL */
	/*
	 * Replaced on request; who uses a set takes a reference, and the
	 * writer keeps old ones until the end, so that none needs a lock.
	 */
	_Atomic(struct tools *) tools;
	_Atomic(struct policy_table *) policy;	/* alike */
	/* Why agent.conf was not taken the last time; NULL: it was. */
	_Atomic(const char *) policy_wrong;
	const char *tool_dirs[4];	/* NULL-terminated */
	struct supervisor *runs;
	/* Tell the service manager, as sd_notify(3) has it; may be NULL. */
	void (*tell)(const char *state);
	/*
	 * Waits until the read model has all documents that are durable now,
	 * or all records too; any thread.
	 */
	int (*read_wait)(void *core, bool records, struct err *err);
	/*
	 * Waits a moment until the git history has them too; tip gets the
	 * commit that it ends in, whatever somebody moved main to, 40 hex
	 * digits or "". Any thread.
	 */
	void (*history_wait)(void *core, char tip[41]);
	/* How far the followers are: for health and lists; any thread. */
	json_t *(*followers)(void *core);
	/* Frees the bytes of files that were removed, soon; or NULL. Any thread. */
	void (*sweep)(void *core);
	/*
	 * The newest signed checkpoint into note, of at least that many
	 * records: where it has fewer a new one is made. And waits until the
	 * tree has that many. ERR_not_found: the journal has not. Any thread.
	 */
	int (*checkpoint)(void *core, uint64_t covers, struct buf *note,
			  struct err *err);
	int (*tree_wait)(void *core, uint64_t size, struct err *err);
	struct tree *tree;
	const struct note_key *journal_key;	/* checkpoints are signed by */
	/* The remote's row of health, or NULL: none is configured. */
	json_t *(*remote)(void *core);
	/* Rows of health of who is shown the checkpoints; is one not well? */
	bool (*seconds)(void *core, json_t *rows);
	/* Shared mode, else NULL: can the remote be asked, and if not, why. */
	enum remote_state (*remote_state)(void *core, struct err *err);
	void *core;
	const json_t *sandbox;		/* as sandbox.h has it, or NULL */
	/* The last time somebody set the clock: by how much, when. */
	_Atomic(int64_t) stepped_by_us, stepped_at_us;
	bool accept_remote;		/* the operator's word for this run */

	_Atomic(json_t *) glass;	/* see glass.h; in glasses, or NULL */
	_Atomic unsigned taken[64];	/* executor.h: by executors' names */

	/* The writer's own. */
	json_t *glasses;
	struct state *state;
	uint64_t seq;			/* of the newest record it made */
	struct draft *draft;		/* where facts go while it is open */
	json_t *busy;			/* tasks and keys under proposal */
	size_t proposed;		/* calls that wait for the remote */
	struct due *due;
	struct bounds *bounds;		/* of approvals */
	struct fold *fold;		/* refusals that wait, in the gate */
	struct quota *quota;		/* what the limits of policy count */
	struct tools **old_tools;
	size_t n_old_tools;
	struct policy_table **old_policies;
	size_t n_old_policies;
	char **wrongs;			/* what policy_wrong was and is */
	size_t n_wrongs;
	struct after *after, **after_tail;
	json_t *task_waits;		/* see task_wait.h */
	struct webhook_tally *webhooks;	/* health reads it too */
	json_t *secret_args;		/* run id: args that are not recorded */
	unsigned tokens_seen;
};

/* Something to do once the batch is durable: start, cancel, tell. */
struct after {
	struct after *next;
	void (*go)(struct agent *a, void *arg);
	void (*drop)(void *arg);	/* if it never becomes durable */
	void *arg;
};
/* Is a proposal to change it under way? Writer only. */
bool agent_busy(const struct agent *a, const char *task_id);
/* The mode as the newest record has it, or a note (glass.h). Writer only. */
const char *agent_mode(struct agent *a);
void agent_after(struct agent *a, void (*go)(struct agent *a, void *arg),
		 void (*drop)(void *arg), void *arg);

/*
 * Record something the call caused, and take its documents in. data and put
 * ({kind: document}) are taken over and may be NULL. Writer only.
 */
struct fact {
	const char *type;
	const char *task_id, *run_id;
	json_t *data, *put;
	int status;		/* 0: none */
};
int agent_record(struct agent *a, const struct call *c,
		 const struct fact *fact, struct err *err);
/* The same under another correlation id than the call's. */
int agent_record_as(struct agent *a, const struct call *c,
		    const char *correlation_id, const struct fact *fact,
		    struct err *err);

/*
 * Refuse by policy: records policy_denied with the reason, the rule (see
 * rule_add) and what is in more (an object, taken over, or NULL), and sets
 * the same as the error. -1.
 */
int agent_deny(struct agent *a, const struct call *c, const char *task_id,
	       const char *reason, json_t *more, struct err *err);
