/*
 * Checkpoints (C2SP tlog-checkpoint): how many records a journal has and the
 * root of their tree, as the text of a signed note whose key has the name of
 * the journal, its origin.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "agent/store/note.h"
#include "common/sha256.h"

struct checkpoint {
	char origin[NOTE_NAME_MAX + 1];
	uint64_t size;
	uint8_t root[SHA256_RAW];
};

/* Add the text, three lines. */
void checkpoint_text(const struct checkpoint *c, struct buf *out);
/* Lines behind the third are not looked at. ERR_invalid_request. */
int checkpoint_parse(struct checkpoint *out, const char *text, size_t len,
		     struct err *err);
/*
 * A whole note: signed by key, whose name must be the origin; who else
 * signed is nobody's concern here. ERR_invalid_request.
 */
int checkpoint_open(struct checkpoint *out, const char *note, size_t len,
		    const struct note_key *key, struct err *err);
/*
 * Add a proof that stands alone (C2SP tlog-proof): the record's index, the
 * hashes of its inclusion (see merkle.h), and the note of the checkpoint.
 */
void checkpoint_proof(uint64_t index, const uint8_t (*hashes)[SHA256_RAW],
		      size_t n, const char *note, size_t len,
		      struct buf *out);
/* Add the whole note, signed. The origin is the key's name. */
int checkpoint_sign(struct note_signer *s, uint64_t size,
		    const uint8_t root[SHA256_RAW], struct buf *out,
		    struct err *err);
