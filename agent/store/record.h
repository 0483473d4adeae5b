/*
 * A record: one line of the journal, and what the projections need of it
 * without parsing it again. Immutable once committed; shared by reference
 * between the threads that follow the journal.
 */
#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/sha256.h"

struct err;

#define RECORD_LINE_MAX 65535	/* bytes of a line, without its LF */

/* What is to be recorded. Everything borrowed; NULL becomes null. */
struct entry {
	const char *type;
	const char *actor, *scope, *transport, *method, *route;
	int status;			/* 0: null */
	const char *correlation_id, *task_id, *run_id;
	json_t *data;			/* object or NULL; not changed later */
	bool own;			/* the agent's: may take the last room */
};

/*
 * data.put, where there is one, is an object {kind: document}: the documents
 * as they are from this record on. A document has a string member "id".
 */
struct record {
	uint64_t seq;
	uint64_t off;			/* of the line in the journal */
	size_t len;			/* of the line, without LF */
	int64_t ts_us;
	uint8_t leaf[SHA256_RAW];	/* SHA-256(0x00 || line) */
	const char *line;		/* not NUL-terminated by contract */
	const char *type, *actor, *correlation_id, *task_id, *run_id;
	int status;
	json_t *data;			/* never NULL; read only */
};

struct record *record_ref(struct record *r);
void record_unref(struct record *r);	/* NULL is fine */
/*
 * The same without data, which is never looked at through this one: parsed
 * it takes ten times the room of its line, and goes with its last reader.
 */
struct record *record_ref_line(struct record *r);
void record_unref_line(struct record *r);

/*
 * Render an entry as the line with this seq, time and prev (the leaf hash of
 * the line before). Bytes that are not UTF-8 become U+FFFD, in the line and
 * in the texts. NULL and ERR_task_too_large if over RECORD_LINE_MAX.
 */
struct record *record_make(const struct entry *e, uint64_t seq,
			   int64_t ts_us, const uint8_t prev[SHA256_RAW],
			   struct err *err);
/*
 * Parse a line of the journal (without LF); checks its shape, not its place
 * in the chain. Takes nothing that record_make could not have written, but
 * for the order of members in data. prev gets the leaf hash it names. NULL
 * and invalid_json if it is no record.
 */
struct record *record_parse(const char *line, size_t len,
			    uint8_t prev[SHA256_RAW], struct err *err);
