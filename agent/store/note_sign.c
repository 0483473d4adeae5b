/* Who signs notes: a private key under a name. See note.h. */
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>

#include "agent/store/note.h"
#include "agent/store/note_inner.h"
#include "common/base64.h"
#include "common/err.h"
#include "common/mem.h"

struct note_signer {
	EVP_PKEY *pkey;
	struct note_key key;
};

static EVP_PKEY *read_pem(const char *path)
{
	BIO *in = BIO_new_file(path, "r");
	EVP_PKEY *pkey = in ? PEM_read_bio_PrivateKey(in, NULL, NULL, NULL) :
			      NULL;

	BIO_free(in);
	return pkey;
}

static int restore(struct err *err, const char *path)
{
	return err_hint(err, "Restore %s from a copy of this home; a new key "
			"is another agent's to who verifies.", path);
}

static int open_pair(struct note_signer *s, const char *pem,
		     const char *vkey, struct err *err)
{
	size_t len = 32;
	uint8_t raw[32];

	if (note_key_read(&s->key, vkey, err)) {
		struct err why = *err;

		err_set(err, ERR_io, "%s: %s", vkey, why.detail);
		return restore(err, vkey);
	}
	s->pkey = read_pem(pem);
	if (!s->pkey || EVP_PKEY_get_id(s->pkey) != EVP_PKEY_ED25519 ||
	    EVP_PKEY_get_raw_public_key(s->pkey, raw, &len) != 1) {
		err_set(err, ERR_io, "%s holds no Ed25519 key", pem);
		return restore(err, pem);
	}
	if (!memcmp(raw, s->key.raw, 32))
		return 0;
	err_set(err, ERR_io, "%s and %s are not of one pair", pem, vkey);
	return restore(err, pem);
}

int note_signer_open(struct note_signer **out, const char *pem,
		     const char *vkey, struct err *err)
{
	struct note_signer *s = xcalloc(1, sizeof(*s));
	struct err own = {0};

	if (!open_pair(s, pem, vkey, &own)) {
		*out = s;
		return 0;
	}
	note_signer_close(s);
	if (err)
		*err = own;
	else
		err_fini(&own);
	return -1;
}

void note_signer_close(struct note_signer *s)
{
	if (!s)
		return;
	EVP_PKEY_free(s->pkey);
	free(s);
}

const struct note_key *note_signer_key(const struct note_signer *s)
{
	return &s->key;
}

/* "— name base64(id, head, signature of text)" */
static int add_line(const struct note_signer *s, const struct note_key *key,
		    const uint8_t *head, size_t head_len, const void *text,
		    size_t len, struct buf *out, struct err *err)
{
	uint8_t raw[4 + 8 + ED25519_LEN];
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	size_t n = ED25519_LEN;
	int ok;

	for (int i = 0; i < 4; i++)
		raw[i] = (uint8_t)(key->id >> (24 - 8 * i));
	memcpy(raw + 4, head, head_len);
	ok = ctx && EVP_DigestSignInit(ctx, NULL, NULL, NULL, s->pkey) == 1 &&
	     EVP_DigestSign(ctx, raw + 4 + head_len, &n, text, len) == 1;
	EVP_MD_CTX_free(ctx);
	if (!ok)
		return err_set(err, ERR_internal, "the note cannot be signed");
	buf_addf(out, "\xe2\x80\x94 %s ", key->name);
	base64_add(out, raw, 4 + head_len + n);
	buf_adds(out, "\n");
	return 0;
}

static int check_text(const char *text, size_t len, struct err *err)
{
	return note_text_valid(text, len) ? 0 : err_set(err,
			ERR_invalid_request, "the text of a note is lines of "
			"UTF-8 without control characters");
}

int note_sign(struct note_signer *s, const char *text, size_t len,
	      struct buf *out, struct err *err)
{
	struct buf line = {0};
	int rc = check_text(text, len, err);

	if (!rc)
		rc = add_line(s, &s->key, (const uint8_t *)"", 0, text, len,
			      &line, err);
	if (!rc) {
		buf_add(out, text, len);
		buf_adds(out, "\n");
		buf_add(out, line.data, line.len);
	}
	buf_fini(&line);
	return rc;
}

int note_cosign(struct note_signer *s, const char *text, size_t len,
		uint64_t time, struct buf *out, struct err *err)
{
	struct note_key key;
	struct buf said = {0};
	uint8_t head[8];
	int rc;

	if (check_text(text, len, err))
		return -1;
	/* The name has been good for the signer's own key. */
	note_key_make(&key, s->key.name, NOTE_COSIGNATURE, s->key.raw, NULL);
	for (int i = 0; i < 8; i++)
		head[i] = (uint8_t)(time >> (56 - 8 * i));
	note_cosigned(&said, time);
	buf_add(&said, text, len);
	rc = add_line(s, &key, head, sizeof(head), said.data, said.len, out,
		      err);
	buf_fini(&said);
	return rc;
}
