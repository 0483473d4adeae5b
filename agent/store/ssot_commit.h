/* What a commit of ours says, and reading it back. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/sha256.h"

struct buf;
struct record;

#define SSOT_HEX 41		/* an object id, with NUL */
#define SSOT_LOG 17		/* 16 hex digits that name a journal, NUL */

/* Texts may be NULL, and may hold anything: they are made fit. */
struct ssot_words {
	const char *tree, *parent[2];	/* hex; parents as many as there are */
	int64_t ts_us;
	const char *actor, *operation, *subject, *correlation_id, *task_id;
	const char *log_id;
	uint64_t seq;
	const char *leaf;		/* hex */
	const char *checkpoint;		/* see ssot_mark.h */
};

/*
 * What the commit of a record says, tree and parents apart. Texts are those
 * of the record; leaf gets the digits that w->leaf points to.
 */
void ssot_record_words(struct ssot_words *w, const struct record *r,
		       const char *log_id, char leaf[SHA256_HEX]);
/* A commit object, all of it from these words. */
void ssot_commit_text(struct buf *out, const struct ssot_words *w);

/*
 * Value of a trailer in the last paragraph of a message, cut to size; false
 * if it is not there.
 */
bool ssot_trailer(const char *message, const char *key, char *out,
		  size_t size);
/* Seq and leaf hash of Audit-Head, whosever; false if it is not there. */
bool ssot_audit_head(const char *message, uint64_t *seq,
		     char leaf[SHA256_HEX]);
/*
 * Is this the message of a commit of the journal log_id? Seq and leaf hash
 * are those of its Audit-Head. A message without Audit-Log was written
 * before there was one: it is ours as well. log_id "" is no journal.
 */
bool ssot_commit_ours(const char *message, const char *log_id, uint64_t *seq,
	       char leaf[SHA256_HEX]);
