/*
 * Where our line ended, beside the repository's refs: whoever may push can
 * write our trailers into a commit, but not this. Only trailers are asked
 * where it is missing or does not fit.
 */
#pragma once
#include "agent/store/ssot_survey.h"

/*
 * Note, before main is moved, that it goes from old (or is there already) to
 * next. Not made durable: a loss costs what was said above.
 */
void ssot_memo_write(const char *path, const char *log_id,
		     const struct ssot_point *old,
		     const struct ssot_point *next);
/*
 * The point of the two that the history of tip has, the newer first. false:
 * none, or the note is of another journal.
 */
bool ssot_memo_read(git_repository *repo, const char *path,
		    const char *log_id, const git_oid *tip,
		    struct ssot_point *out);
/* Both points as they were noted (their trees are not); how many there are. */
size_t ssot_memo_points(const char *path, const char *log_id,
			struct ssot_point out[2]);
/* Was the repository written for other journals only? "": for any at all. */
bool ssot_memo_other(const char *path, const char *log_id);
