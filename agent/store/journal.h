/*
 * The journal: JSONL, append-only, each line naming the hash of the line
 * before. It is the write-ahead log: what is not here did not happen. One
 * thread appends; any thread may read what is committed. It lies in several
 * files, of which nobody else has to know: offsets count the lines of all of
 * them as if they were one.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/store/record.h"
#include "common/json_span.h"

struct err;
struct journal;
struct line;

struct journal_head {		/* after the last committed record */
	uint64_t seq;		/* 0: empty */
	uint64_t off;		/* bytes */
	uint8_t leaf[SHA256_RAW];	/* zeros if empty */
};

struct journal_repair {		/* what a write cut short has left */
	bool done;
	uint64_t off, len;
	char sha256[SHA256_HEX];	/* of the bytes that were overwritten */
};

struct journal_options {
	uint64_t segment;	/* bytes from which on a new file begins */
	bool alone;		/* for tests: no thread fills beforehand */
};
#define JOURNAL_SEGMENT (64u << 20)

/*
 * Open or create the journal in DIR; o may be NULL. A torn end is overwritten
 * and told in *repair; the caller records log_repaired. The last records are
 * checked, and that no segment is missing; anything else that is wrong is an
 * error and nothing is changed.
 */
int journal_open(struct journal **out, const char *dir,
		 const struct journal_options *o,
		 struct journal_repair *repair, struct err *err);
void journal_close(struct journal *j);

/*
 * Can one more call say all it may have to? Asked before it is begun, as
 * nothing should fail for want of room halfway. -1: sealed or full,
 * ERR_audit_unavailable. The appending thread.
 */
int journal_ready(struct journal *j, struct err *err);
/*
 * Add a record to the batch. Returns it (borrowed until the next commit;
 * record_ref to keep). NULL: too long; or sealed, or the disk is full, and
 * then not the last room is taken but for e->own (ERR_audit_unavailable).
 */
struct record *journal_append(struct journal *j, const struct entry *e,
			      struct err *err);
/*
 * One write and one fdatasync for all that was appended (or for each 512 KiB). On success gives
 * the batch (owned array of references, *n of them; may be NULL when n is
 * 0). The first failure seals the journal for good: -1 now and ever after.
 * Before it succeeds, the live file is checked to be the one on the path,
 * still linked and of the expected size.
 */
int journal_commit(struct journal *j, struct record ***batch, size_t *n,
		   struct err *err);
bool journal_sealed(const struct journal *j);	/* any thread */
/*
 * Full: the disk has no room for more. Nothing was lost; it is tried again,
 * and it ends by itself. Any thread.
 */
bool journal_full(struct journal *j);
struct journal_trouble {
	bool sealed;			/* else full */
	int64_t since_us;		/* wall */
	char why[256];
};
bool journal_trouble(struct journal *j, struct journal_trouble *t);
/*
 * Before stopping: where the disk is full, give up the file that was kept so
 * that the end can be written. Any thread.
 */
void journal_release(struct journal *j);

/* The newest committed record; any thread. */
struct journal_head journal_head(struct journal *j);

/*
 * Does the journal still have this point of its past? 1: yes. 0: no: it is
 * another journal, or an older copy, or was changed since. -1: *err. Any
 * thread; reads one line. What follows the journal asks this before it goes
 * on, because nobody else remembers how far the journal once was.
 */
int journal_has(struct journal *j, const struct journal_head *point,
		struct err *err);

/* Read len committed bytes at off; any thread. */
int journal_read(struct journal *j, uint64_t off, size_t len, char *out,
		 struct err *err);
/*
 * Give every committed record from byte off on, in order, up to the end that
 * was committed when called. each returns non-zero to stop (and is returned).
 * The record is borrowed for the call. Any thread.
 */
typedef int journal_each(struct record *r, void *data, struct err *err);
int journal_replay(struct journal *j, uint64_t off, journal_each *each,
		   void *data, struct err *err);

/*
 * Offline check of a journal folder: every line, every link. It vouches for
 * all records but the last, and not for there having been more: compare head
 * with one that was kept elsewhere.
 */
struct journal_report {
	uint64_t records, bytes;
	uint8_t head[SHA256_RAW];
	bool ok;
	size_t segments;
	uint64_t bad_seq, bad_line, bad_off;	/* where, if not ok; the */
	char bad_file[40];			/* line is one of this file */
	char what[320];				/* and how */
};
/*
 * 0 if it could be read (see report->ok), -1 if not. What an agent is just
 * adding to the end is left out.
 */
int journal_verify(const char *dir, journal_each *each, void *data,
		   struct journal_report *report, struct err *err);
/*
 * The same with each line as it lies there: looked at, hashed and found in
 * its place, but not built, which takes several times as long. All of it is
 * borrowed for the call.
 */
struct journal_line {
	uint64_t seq, off;
	int64_t ts_us;
	struct span text;		/* without its LF */
	const struct line *parts;	/* of text: record_line.h */
	const uint8_t *leaf;
};
typedef int journal_each_line(const struct journal_line *l, void *data,
			      struct err *err);
int journal_scan(const char *dir, journal_each_line *each, void *data,
		 struct journal_report *report, struct err *err);
/*
 * Put a .zst in the place of each sealed segment but the newest keep of them,
 * also beside a running agent. The newest one is the live one and stays. Told
 * of each that was done, by its path and both sizes; stops at the first that
 * cannot be, which stays as it is. Both may be there after a crash; once
 * more, and the .zst is made anew.
 */
typedef void journal_compressed(void *data, const char *path, uint64_t plain,
				uint64_t packed);
int journal_compress(const char *dir, uint64_t keep, journal_compressed *each,
		     void *data, struct err *err);
/* Is an agent at work on it? */
bool journal_in_use(const char *dir);

/* For tests only: called between the write and the sync of every commit. */
void journal_on_sync(struct journal *j, void (*hook)(void *), void *data);
/* And before each step of beginning a new file, and after the last. */
void journal_on_rotate(struct journal *j, void (*step)(void *), void *data);
