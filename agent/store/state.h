/*
 * The writer's view of every document: what the newest record said of it,
 * durable or not, over the read model that follows. One thread.
 */
#pragma once
#include <jansson.h>
#include <stdint.h>

struct err;
struct reader;
struct state;

/* The reader is borrowed and used by this thread only. */
struct state *state_new(struct reader *r);
void state_free(struct state *s);

/* Borrowed until the next put of it; never to be changed. NULL: none. */
json_t *state_doc(struct state *s, const char *kind, const char *id);
/* The git blob id of a document, worked out; returns its bytes in git. */
size_t state_blob(struct state *s, const json_t *doc, char sha[41]);
/* The git blob id of a document; of one that is kept worked out once. */
void state_sha(struct state *s, const char *kind, const json_t *doc,
	       char sha[41]);
/* Who has worked it out already spares state_sha the work. */
void state_set_sha(struct state *s, const char *kind, const json_t *doc,
		   const char sha[41]);
/* The document as of record seq; takes a reference of its own. */
void state_put(struct state *s, const char *kind, json_t *doc, uint64_t seq);
/* Record seq has done away with it: there is none any more. */
void state_drop(struct state *s, const char *kind, const char *id,
		uint64_t seq);
/* What is put from the mark on, undo takes back; one mark at a time. */
void state_mark(struct state *s);
void state_undo(struct state *s);
/*
 * All documents of a kind in one of the states (comma separated). New array
 * of references.
 */
json_t *state_list(struct state *s, const char *kind, const char *states);
/*
 * Each document of a kind that names this task, as it is now, once. It is
 * borrowed, and nothing may be put meanwhile. -1: not all could be read.
 */
typedef void state_each(const char *kind, const json_t *doc, void *data);
int state_of_task(struct state *s, const char *kind, const char *task_id,
		  state_each *each, void *data, struct err *err);
/* The read model has everything up to seq: forget what it can tell. */
void state_settle(struct state *s, uint64_t seq);
