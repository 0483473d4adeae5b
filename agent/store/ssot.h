/*
 * The tasks in git: a bare repository that follows the journal, one commit a
 * change, so that anybody can read it with stock git. Which documents belong
 * there and where is a table in ssot_text.c:
 *   task    tasks/<h>/<h>/<h>/<id>.json
 *   ack     attempts/<h>/<h>/<h>/<task id>/<attempt>-ack.json
 *   result  attempts/.../<attempt>-result.json
 *   verdict attempts/.../<attempt>-verdict.json
 *   redispatch attempts/.../<attempt that it opens>-redispatch.json
 *   package evidence/<h>/<h>/<h>/<task id or "none">/<run id>.json
 *   conflict conflicts/<h>/<h>/<h>/<task id>/<first 12 of ours_sha>.json
 * <h> are the first three hex digits of SHA-256(task id), of a package
 * without a task those of its run id. A file is json_pretty(document).
 */
#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/store/record.h"

struct err;
struct ssot;			/* one thread */

struct ssot_options {
	const char *log_id;	/* first 16 hex digits of the leaf of record
				   1; NULL: learnt from it when it comes */
	bool remote;		/* a commit that is missing is waited for */
};

/*
 * Open or create the bare repository (branch main). What others committed
 * since our newest commit stays where it is: see ssot_moved. ERR_io, and
 * nothing is changed, if the folder is something else, or has no commit of
 * ours and no tasks either.
 */
int ssot_open(struct ssot **out, const char *path,
	      const struct ssot_options *o, struct err *err);
void ssot_close(struct ssot *s);
/*
 * Sequence of the newest record that is in history (its commit's trailer);
 * 0: none. In main that is the farthest among the commits of this journal
 * that are met first from its tip.
 */
uint64_t ssot_seq(const struct ssot *s);
/* Its leaf hash, 64 hex digits as the trailer has it; "" if there is none. */
const char *ssot_leaf(const struct ssot *s);
/* The commit that our line ends in, 40 hex digits; "" if there is none. */
const char *ssot_head(struct ssot *s);
/*
 * Make history of these records, ascending by seq: one commit for each whose
 * documents change what is there, all objects in one exact pack, then one
 * compare-and-swap of the ref. Author and dates come from the record, so
 * that replaying gives the same ids. Skips records already in. Very many are
 * done in several such steps.
 *
 * A ssot_merged record takes in the commit R that it names: our line goes on
 * behind R if R is ahead of it (with an empty commit of ours if that is more
 * than 1000 commits of others ahead of our last), else one commit of ours
 * has both before it, with R's version of all that R's line changed
 * (strategy "ours": with none of it). Of a record that says "git": {"commit":
 * R} only a conflict is committed, for the rest came with R. If R is not
 * there, what it brought is committed as if it were new; in a repository with
 * a remote that is an error, until R has been fetched.
 *
 * -1: what is not in is as if never tried; call again with the same or more.
 * If somebody else moved the ref it stays where they put it, and every call
 * says so until it is moved back, or what they did is accepted.
 */
int ssot_apply(struct ssot *s, struct record *const *records, size_t n,
	       struct err *err);
/*
 * After ssot_open, or a call of ssot_apply that failed: the commit that
 * somebody moved main to, if it descends from what main should say and holds
 * tasks. 40 hex digits, else "".
 */
const char *ssot_moved(const struct ssot *s);
/*
 * That move is in the journal, as the ssot_merged record seq: go on. Main
 * stays there until that record has come, then moves on from there.
 */
void ssot_accept(struct ssot *s, const char *commit, uint64_t seq);
/*
 * For whoever repacks; any thread. From hold on, packs that are not newer
 * than ns (of a file's clock) are left to the caller; 0: none is. It waits
 * for a merge that is at work. Changed: packs are gone, take new handles.
 */
void ssot_packs_hold(struct ssot *s, int64_t ns);
void ssot_packs_changed(struct ssot *s);

/*
 * The commits that changed a task: {"items","next_cursor"}, the items newest
 * last, at most limit of the newest from the commit cursor (NULL: main) on
 * back: {commit, at, by, operation, subject, seq, log_id, correlation_id,
 * sha, changes, documents}, sha being the document's blob id there, seq and
 * log_id those of the journal that the commit names (0, null: none). changes
 * are as changes.h has them (more_changes: how many are not listed; null: one
 * of the two is no document), documents what came to the folder of its
 * attempts: [{"document":"attempts/1-ack","from","to"}], blob ids.
 * After 10,000 commits, or 2 MiB, it stops and says where to go on, with as
 * many items as it has by then. Of lines that were merged it follows the one
 * whose document stayed, as git log does. Opens its own handle; any thread.
 * ERR_not_found: no such task; ERR_invalid_request: no such cursor.
 */
json_t *ssot_history(const char *path, const char *task_id,
		     const char *cursor, size_t limit, struct err *err);
/*
 * The task as it was in a commit that tip (40 hex digits) builds on, or the
 * version of it there that has this blob id; rev is either, or a beginning of
 * it that no other object has.
 * sha gets the blob id. New; any thread. ERR_not_found: the task never was
 * so, or by a blob not in the newest 200,000 commits; ERR_ambiguous_id.
 */
json_t *ssot_revision(const char *path, const char *task_id, const char *tip,
		      const char *rev, char sha[41], struct err *err);
