/*
 * Signs the journal: every so many records, or so much time after the last,
 * and at the stop. A thread of its own keeps the tree (store/tree.h); the
 * newest checkpoint is a file, HOME/audit/checkpoint, durable before anybody
 * sees it, and a record, `checkpoint`, of what was signed. What is signed is
 * never inconsistent with what the file says: that is compared at the start,
 * and again before each.
 */
#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct checkpoints;
struct core;
struct err;

/*
 * Once the index has what the journal has. Refuses a journal that is not the
 * one that was signed: ERR_io, with what to do. Sets the agent's tree.
 */
int checkpoints_open(struct checkpoints **out, struct core *k,
		     struct err *err);
void checkpoints_follow(struct checkpoints *c);	/* from now on */
/* Put what was signed at the last stop on the record. Before the writer. */
void checkpoints_begin(struct checkpoints *c);
/* No more; and, if the journal was written, sign its end. NULL is fine. */
void checkpoints_stop(struct checkpoints *c, int64_t timeout_us);
void checkpoints_close(struct checkpoints *c);

/* A durable batch, as follower_feed. */
struct record;
void checkpoints_feed(struct checkpoints *c, struct record *const *records,
		      size_t n);
/* The newest note; see struct agent for these two. Any thread. */
int checkpoints_note(struct checkpoints *c, uint64_t covers, struct buf *note,
		     struct err *err);
int checkpoints_wait(struct checkpoints *c, uint64_t size, struct err *err);
/*
 * Add signature lines of others, who were verified, to the newest note if
 * text is still its text. 1: it is not any more. Any thread.
 */
int checkpoints_cosign(struct checkpoints *c, const char *text, size_t len,
		       const char *lines, size_t lines_len, struct err *err);
/* {"seq","lag","checkpoint"} and what follower_json and a failure add. */
json_t *checkpoints_json(struct checkpoints *c);
