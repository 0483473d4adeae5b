/*
 * The read model: SQLite beside the journal, following it. Holds the current
 * document of everything that has one, and where each record lies, so that
 * answers are spliced from the journal's own bytes. It may be deleted: it is
 * rebuilt from the journal.
 */
#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/store/record.h"

#define DOC_ID_MAX 160		/* an attempt's is longer than its task's */

struct err;
struct buf;
struct index;			/* the one that writes; one thread */
struct reader;			/* one per reading thread */

/* Where the index stands in the journal: after this record. */
struct index_cursor { uint64_t seq, off; uint8_t leaf[SHA256_RAW]; };

/*
 * Open or create; a file that is damaged or of another version is set aside
 * and made anew (*rebuilt). 0 or -1.
 */
int index_open(struct index **out, const char *path, bool *rebuilt,
	       struct err *err);
void index_close(struct index *x);
struct index_cursor index_cursor(struct index *x);
/* Empty it, when it does not belong to this journal. */
int index_reset(struct index *x, struct err *err);
/*
 * Apply records in order, in one transaction, whole or not at all; skips
 * those already in, refuses a gap (ERR_internal).
 */
int index_apply(struct index *x, struct record *const *records, size_t n,
		struct err *err);
/*
 * The same in steps, for many: take some, take more, commit all. What is
 * taken costs less the more it is, and nobody sees it before the commit. A
 * failure, or another apply, forgets what was not committed.
 */
int index_take(struct index *x, struct record *const *records, size_t n,
	       struct err *err);
int index_commit(struct index *x, struct err *err);

int reader_open(struct reader **out, const char *path, struct err *err);
void reader_close(struct reader *r);
/*
 * One that was made anew while another is at work, complete and closed, lies
 * beside it under this name, until who opens it next takes it over.
 */
#define INDEX_ANEW ".new"
/* Put the file anew in the place of path. Nobody may have either open. */
int index_replace(const char *path, const char *anew, struct err *err);
/* Remove an index and what SQLite keeps beside it, if they are there. */
void index_remove(const char *path);

/* Where the index stands, as committed. */
int reader_cursor(struct reader *r, struct index_cursor *at, struct err *err);

/* The document, or NULL (no such, or *err set). New reference. */
json_t *reader_doc(struct reader *r, const char *kind, const char *id,
		   struct err *err);
/*
 * The same as the bytes of its JSON, on one line, in out, which is emptied
 * first; and its git blob id if it is a task's, else "". 1, 0 or -1.
 */
int reader_text(struct reader *r, const char *kind, const char *id,
		struct buf *out, char sha[41], struct err *err);
/* Does it know of a document with this very id? */
bool reader_has(struct reader *r, const char *kind, const char *id);
/*
 * The full id of kind that text is, or a unique prefix or suffix of at least
 * 4 characters of. 0; -1 with ERR_not_found or ERR_ambiguous_id.
 */
int reader_resolve(struct reader *r, const char *kind, const char *text,
		   char id[129], struct err *err);

struct doc_filter {		/* NULL or 0: any */
	const char *kind;
	const char *state;	/* several, comma separated */
	const char *task_id, *run_id, *correlation_id, *ref;
	const char *words;	/* in the title, case-insensitive substring */
	const char *after_id;	/* exclusive; the cursor */
	size_t limit;
};
/*
 * Documents by id, ascending. New array, or NULL and *err. A list without a
 * kind reads all documents; with one it costs what it answers.
 */
json_t *reader_docs(struct reader *r, const struct doc_filter *f,
		    struct err *err);

struct record_filter {		/* NULL or 0: any */
	const char *types;	/* comma separated; NULL: all but request;
				   "*": all */
	const char *task_id, *correlation_id, *run_id, *actor;
	const char *words;	/* see reader_scan; never in a request */
	int status;
	int64_t since_us, until_us;
	uint64_t after_seq;	/* exclusive */
	size_t limit;		/* of reader_records */
};
struct record_place { uint64_t seq, off; size_t len; };
/*
 * Places of matching records, by seq ascending, *n of them; out has room for
 * limit. Both times are inclusive. words are not looked at. -1 on error.
 */
int reader_records(struct reader *r, const struct record_filter *f,
		   struct record_place *out, size_t *n, struct err *err);
/*
 * The same one by one, as long as each returns 0; what else it returns is
 * returned. Of words the index knows only about where they are: each gets
 * every record that may have them, and decides by words_hold.
 */
typedef int record_each(const struct record_place *p, void *data,
			struct err *err);
int reader_scan(struct reader *r, const struct record_filter *f,
		record_each *each, void *data, struct err *err);
/*
 * Do the texts that people read in data hold each of the words? Words are
 * letters and digits, without case; one of three or more finds what starts
 * with it.
 */
bool record_holds(const json_t *data, const char *words);
bool words_any(const char *text);	/* Is there a word in it? */
/* The first record at or after that time; 0 if there is none. */
uint64_t reader_seq_at(struct reader *r, int64_t ts_us);
