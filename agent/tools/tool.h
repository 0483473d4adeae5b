/*
 * What every tool program has in common. It reads one request (a JSON object)
 * on stdin, tells how it goes in JSON lines on stdout, leaves its files in the
 * folder it was started in, and ends with a result or an error.
 */
#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct err_row;
struct tool;			/* the request, and the time it has */

struct tool_file {		/* a file argument, borrowed from the request */
	const char *path, *name, *sha256, *media_type;
	int64_t size;
};

/*
 * Read the request. SIGTERM, which means cancel, is held back from here on.
 * What is not a request ends the program with ERR_invalid_request.
 */
struct tool *tool_open(void);
void tool_free(struct tool *t);

/* Arguments, borrowed. One that does not fit ends with ERR_invalid_args. */
const char *tool_text(const struct tool *t, const char *name);	/* or NULL */
const char *tool_need(const struct tool *t, const char *name);	/* not empty */
bool tool_bool(const struct tool *t, const char *name, bool fallback);
/* Within min..max; a fallback outside of them makes the argument required. */
int64_t tool_int(const struct tool *t, const char *name, int64_t min,
		 int64_t max, int64_t fallback);
/* Which of the words, as in "png jpeg"; 0 where the argument is absent. */
int tool_choice(const struct tool *t, const char *name, const char *words);
const json_t *tool_list(const struct tool *t, const char *name); /* or NULL */
void tool_file(const struct tool *t, const char *name, struct tool_file *out);
/* The same where the file is not at hand: path is NULL. */
void tool_file_told(const struct tool *t, const char *name,
		    struct tool_file *out);

/* The agent's configuration for this tool; an empty value is the fallback. */
const char *tool_config(const struct tool *t, const char *key,
			const char *fallback);
/* "run_id", "task_id", "criterion_ref", "correlation_id", "marker", or NULL. */
const char *tool_id(const struct tool *t, const char *which);

/*
 * Asked what came of the run, and to change nothing; since_s seconds ago its
 * outcome became unknown.
 */
bool tool_reconciles(const struct tool *t, int64_t *since_s);
/*
 * Keep a text for when that is asked: it is on the disk when this returns. It
 * may be secret: it is neither evidence nor recorded. Ends with ERR_io.
 */
void tool_keep(const char *text);
/* Was it looked for? Then text is it, or NULL: nothing was kept. */
bool tool_kept(const struct tool *t, const char **text);

/* Cancel and deadline. The descriptor is readable once it is cancelled. */
bool tool_cancelled(const struct tool *t);
int tool_cancel_fd(const struct tool *t);
int64_t tool_left_ms(const struct tool *t);	/* 0 once it is over */
bool tool_wait(const struct tool *t, int64_t ms); /* false: was cancelled */
/* From here on cancel and deadline end the program, wherever it blocks. */
void tool_end_on_cancel(const struct tool *t);

/* The lines on stdout. They end the program when nobody reads them. */
void tool_progress(double part, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void tool_artifact(const char *name, const char *media_type);
/* Takes the reference; returns the exit status 0. */
int tool_result(json_t *result);
/* The row gives code, hint and retryable; the text is the detail. */
_Noreturn void tool_fail(const struct err_row *why, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/*
 * The text of a file that holds a secret, without the line end; the caller
 * wipes and frees it. Ends with *why where the file is missing, is not a
 * regular file, or is open to anybody but its owner.
 */
char *tool_secret(const char *path, const struct err_row *why);
