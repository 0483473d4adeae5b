/*
 * Signed notes (C2SP signed-note): a text, an empty line, and a line for
 * each signature. Ed25519 and, from witnesses, cosignatures (C2SP
 * tlog-cosignature). A key is known by a line "name+id+key", the vkey.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NOTE_MAX 65536			/* bytes that are looked at */
#define NOTE_NAME_MAX 255		/* bytes of a key's name */
#define NOTE_SIGNATURES_MAX 100
#define NOTE_VKEY_MAX (NOTE_NAME_MAX + 1 + 8 + 1 + 44 + 1)	/* with NUL */

struct buf;
struct err;

enum note_type { NOTE_ED25519 = 1, NOTE_COSIGNATURE = 4 };

struct note_key {			/* who may have signed */
	char name[NOTE_NAME_MAX + 1];
	enum note_type type;
	uint32_t id;
	uint8_t raw[32];		/* the Ed25519 public key */
};

/* Of 1..NOTE_NAME_MAX bytes UTF-8, without white space and '+'. */
bool note_name_valid(const char *name, size_t len);
/* id is computed. ERR_invalid_request: no such name. */
int note_key_make(struct note_key *out, const char *name,
		  enum note_type type, const uint8_t raw[32],
		  struct err *err);
/*
 * A vkey, an LF behind it or not; the id in it must be the key's.
 * ERR_invalid_request if it is none.
 */
int note_key_parse(struct note_key *out, const char *vkey, size_t len,
		   struct err *err);
/* The one in a file; lines that are empty or begin with # are skipped. */
int note_key_read(struct note_key *out, const char *path, struct err *err);
void note_key_text(const struct note_key *key, char out[NOTE_VKEY_MAX]);

/* All borrowed from the note; not NUL-terminated. */
struct note_signature {
	const char *line;		/* without its LF */
	size_t line_len;
	const char *name;
	size_t name_len;
	uint32_t id;
	const char *base64;		/* of id and signature */
	size_t base64_len;
};
struct note {
	const char *text;		/* up to and with its last LF */
	size_t text_len;
	struct note_signature signatures[NOTE_SIGNATURES_MAX];
	size_t n;			/* at least 1 */
};
/* Take it apart; vouches for its form only. ERR_invalid_request. */
int note_parse(struct note *out, const char *bytes, size_t len,
	       struct err *err);
/*
 * Who signed? Keys that are not in keys are passed over. A signature of one
 * that is and is not good refuses the whole note, and so does a note that
 * none of keys has signed: ERR_invalid_request. signed_by (NULL or n_keys of
 * them) says which have.
 */
int note_verify(const struct note *n, const struct note_key *keys,
		size_t n_keys, bool *signed_by, struct err *err);
/* When a cosignature says that it was made, in seconds; 0: it is none. */
uint64_t note_cosigned_at(const struct note_signature *s);

struct note_signer;
/*
 * The private key in a PEM file, under the name that the vkey file gives it;
 * the two must be of one pair. ERR_io says what to do.
 */
int note_signer_open(struct note_signer **out, const char *pem,
		     const char *vkey, struct err *err);
void note_signer_close(struct note_signer *s);
const struct note_key *note_signer_key(const struct note_signer *s);
/*
 * Add the whole note to out: text, an empty line, the signature. The text
 * ends in LF. ERR_invalid_request if it is none that could be in a note.
 */
int note_sign(struct note_signer *s, const char *text, size_t len,
	      struct buf *out, struct err *err);
/*
 * Add to out the line with which a witness whose signer this is would vouch
 * for the text at that time (seconds): type NOTE_COSIGNATURE.
 */
int note_cosign(struct note_signer *s, const char *text, size_t len,
		uint64_t time, struct buf *out, struct err *err);
