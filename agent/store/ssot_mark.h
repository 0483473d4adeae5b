/*
 * The checkpoint of the journal that a commit of ours carries, so that every
 * clone of the repository remembers one: trailer
 * "Audit-Checkpoint: SIZE ROOT SIGNATURE", all that a C2SP checkpoint says
 * but its origin. It follows from the records alone.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "common/sha256.h"

struct record;

#define SSOT_MARK_ROOT 45	/* base64 of a hash, NUL */
#define SSOT_MARK_SIG 93	/* base64 of key id and Ed25519, NUL */
#define SSOT_MARK 192		/* a trailer's value, NUL */

struct ssot_mark {
	uint64_t seq;		/* of the record that has it; 0: none */
	uint64_t size;		/* records under the root */
	char root[SSOT_MARK_ROOT], sig[SSOT_MARK_SIG];
};

/*
 * What a record of type checkpoint says; false, and *m as it was, if it is
 * another record or its note is not one of the journal's own key.
 */
bool ssot_mark_read(struct ssot_mark *m, const struct record *r);
/* The value of the trailer, and back (seq 0); false: it is none. */
void ssot_mark_text(const struct ssot_mark *m, char out[SSOT_MARK]);
bool ssot_mark_parse(struct ssot_mark *m, const char *text);
/* The trailer of a commit's message; false: it has none that is one. */
bool ssot_mark_of(struct ssot_mark *m, const char *message);
