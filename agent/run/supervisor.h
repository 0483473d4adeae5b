/*
 * Runs tools: each in a thread of ours and a process group, folder and
 * environment of its own. A run goes in two steps, so that what is about to
 * happen can be recorded between them: prepare (wait for a free place, make
 * the folder, copy and hash the files) and go (spawn, follow, file evidence).
 *
 * Reports are given from the run's thread through the callback, which takes
 * them over; exactly one RUN_READY or RUN_ENDED follows a prepare, exactly
 * one RUN_ENDED a go.
 */
#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "agent/run/tool.h"

struct err;
struct evidence;
struct supervisor;

struct run_spec {
	char id[129];
	char *task_id, *criterion_ref, *correlation_id;	/* owned or NULL */
	struct tools *tools;		/* a reference, keeps tool alive */
	const struct tool *tool;
	json_t *args;			/* owned; as checked, with secrets */
	json_t *config;			/* owned; the tool's section or NULL */
	json_t *more;			/* owned; further members of its request */
	int64_t timeout_us;
	/*
	 * Ask only what came of a run with this id, which is over: nothing is
	 * copied, args go as they are, there is no go, and its one report is
	 * RUN_RECONCILED.
	 */
	bool reconcile;
};
void run_spec_free(struct run_spec *s);

enum run_report_kind { RUN_READY, RUN_PROGRESS, RUN_ENDED, RUN_RECONCILED };

struct run_report {
	enum run_report_kind kind;
	char run_id[129];
	json_t *files;		/* RUN_READY: [{arg,name,sha256,size}] */
	double progress;	/* RUN_PROGRESS: 0..1, or -1 */
	char message[200];
	/* RUN_ENDED; RUN_RECONCILED, of the asking itself */
	const char *state;	/* succeeded failed cancelled timed_out
				   outcome_unknown */
	json_t *result;		/* object */
	json_t *error;		/* {error_code,detail,remediation_hint,
				   retryable} or NULL */
	json_t *artifacts;	/* [{name,media_type,size,sha256,created_at}] */
	json_t *package;	/* the evidence package, or NULL */
	char package_sha256[65];	/* empty without package */
};
void run_report_free(struct run_report *r);

typedef void run_tell(void *ctx, struct run_report *report);

/* work_dir: folders of runs are made below it and removed after. */
int supervisor_open(struct supervisor **out, struct evidence *ev,
		    const char *work_dir, int max_runs, run_tell *tell,
		    void *ctx, struct err *err);
/*
 * Cancel all and wait until they have ended (bounded): nothing is told any
 * more. The calls below still work and have no effect.
 */
void supervisor_stop(struct supervisor *s);
/* Stop and free; nobody may call it any more. */
void supervisor_close(struct supervisor *s);

/* So many runs wait that no more should be asked for. */
bool supervisor_full(struct supervisor *s);
/* Takes spec over. Never blocks. */
void supervisor_prepare(struct supervisor *s, struct run_spec *spec);
/*
 * package: what the evidence package says besides what the run adds (an
 * object, taken over: task_id, criterion_ref, tool, args as redacted,
 * correlation_id, approval_id, started_at ...).
 */
void supervisor_go(struct supervisor *s, const char *run_id, json_t *package);
/* SIGTERM now, SIGKILL to all of it 5 s later; unknown ids are ignored. */
void supervisor_cancel(struct supervisor *s, const char *run_id,
		       const char *why);
/* The runs whose tools kept something; NULL-terminated, all of it owned. */
char **supervisor_kept(struct supervisor *s);
/* The outcome of this run is known: what its tool kept for that may go. */
void supervisor_forget(struct supervisor *s, const char *run_id);
void supervisor_cancel_all(struct supervisor *s, const char *why);
/*
 * Emergency stop: nothing of any run is alive a second later, be it that it
 * was cancelled before or ignores every signal.
 */
void supervisor_end_all(struct supervisor *s, const char *why);

/*
 * Hash what the file arguments name, without running anything: array of
 * {arg,name,sha256,size} in the order of the manifest, with the path of what
 * is not evidence. ERR_invalid_args.
 */
json_t *run_hash_files(struct evidence *ev, const struct tool *tool,
		       const json_t *args, struct err *err);
