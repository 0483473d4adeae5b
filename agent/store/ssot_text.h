/* What the task repository says of a record: where and in which words. */
#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/store/record.h"

struct buf;

#define SSOT_PATH 512

extern const char ssot_readme[];	/* README.md of the repository */

/*
 * The path of a document of this kind; false if it does not belong there or
 * lacks what its path is made of.
 */
bool ssot_path(const struct record *r, const char *kind, const json_t *doc,
	       char path[SSOT_PATH]);
/* The path of a task; false if that is no id. */
bool ssot_task_path(const char *task_id, char path[SSOT_PATH]);

/*
 * A commit object: tree and parent (NULL: none) in hex, author, dates and
 * message all from the record.
 */
void ssot_commit_text(struct buf *out, const struct record *r,
		      const char *tree, const char *parent);

/*
 * Value of a trailer in the last paragraph of a message, cut to size; false
 * if it is not there.
 */
bool ssot_trailer(const char *message, const char *key, char *out,
		  size_t size);
/* Seq and leaf hash of Audit-Head; false if it is not there. */
bool ssot_audit_head(const char *message, uint64_t *seq,
		     char leaf[SHA256_HEX]);
