/* The commands below `audit`, and what they share. admin_audit.c: a table. */
#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct err;
struct globals;
struct home;
struct journal_line;
struct journal_report;
struct note_key;
struct record;
struct audit_ssot;
struct audit_tree;

/* What follows each command. */
#define AUDIT_VERIFY "[DIR] [--since FILE] [--key VKEY|FILE] [--with-ssot] " \
		     "[--json]"
#define AUDIT_CHECKPOINT "[DIR]"
#define AUDIT_EXPORT "[DIR] [--since T] [--until T] [--task ID] " \
		     "[--format jsonl|csv]"
#define AUDIT_COMPRESS "[DIR] [--keep N]"

int cmd_audit_verify(const struct globals *g, int argc, char **argv);
int cmd_audit_checkpoint(const struct globals *g, int argc, char **argv);
int cmd_audit_export(const struct globals *g, int argc, char **argv);
int cmd_audit_compress(const struct globals *g, int argc, char **argv);
int cmd_audit_reindex(const struct globals *g, int argc, char **argv);

/*
 * Where the journal is: dir (NULL: the home that g names), which is a home or
 * a folder with the journal's files in it, like a copy; of others nothing is
 * asked but to be readable. *h gets the paths, and h->audit the folder with
 * the files. Non-zero: said why not.
 */
int audit_where(const struct globals *g, const char *dir, struct home *h);

/* How far it is, on a terminal; zeroed memory shows nothing. */
struct audit_progress {
	bool show;			/* somebody watches */
	int64_t shown_us;
};
void audit_progress(struct audit_progress *p, const char *what, uint64_t n);
void audit_progress_end(struct audit_progress *p);

/*
 * admin_audit_ssot.c. Read the repository, before the journal, if it is to be
 * compared; -1: *err. key (NULL: none is known) is the journal's; it and
 * progress stay the caller's.
 */
int audit_ssot_open(struct audit_ssot **out, const struct home *home,
		    const struct note_key *key,
		    struct audit_progress *progress, struct err *err);
int audit_ssot_record(struct audit_ssot *s, struct record *r, struct err *err);
/* After the last record. *ok: nothing is wrong. -1: it cannot be read. */
int audit_ssot_end(struct audit_ssot *s, const struct home *home, bool *ok,
		   struct err *err);
void audit_ssot_say(const struct audit_ssot *s);	/* lines for people */
json_t *audit_ssot_json(const struct audit_ssot *s);	/* new reference */
void audit_ssot_close(struct audit_ssot *s);		/* NULL is fine */

/*
 * admin_audit_tree.c. The tree over the lines, and what signed checkpoints
 * say of it: the one beside the journal, those on the record, and one that
 * was kept elsewhere (since, a file; NULL: none). key is a vkey or a file
 * with one; NULL: what is found beside the journal. Opened before the journal
 * is read, which only grows. -1: *err, there is no such file or key.
 */
int audit_tree_open(struct audit_tree **out, const struct home *home,
		    const char *since, const char *key, struct err *err);
/* The key that counts, borrowed; NULL: there is none. */
const struct note_key *audit_tree_key(const struct audit_tree *t);
void audit_tree_add(struct audit_tree *t, const struct journal_line *l);
/* After the last line. False: something is wrong. */
bool audit_tree_end(struct audit_tree *t, const struct journal_report *r);
void audit_tree_say(const struct audit_tree *t);
void audit_tree_json(const struct audit_tree *t, json_t *into);
void audit_tree_close(struct audit_tree *t);		/* NULL is fine */
