/* See note.h; who signs is in note_sign.c. */
#include "agent/store/note.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/store/note_inner.h"
#include "common/base64.h"
#include "common/err.h"
#include "common/fs.h"
#include "common/mem.h"
#include "common/sha256.h"
#include "common/utf8.h"

#define KEY_FILE_MAX 65536
#define DASH "\xe2\x80\x94 "		/* U+2014 and a space */

/* Unicode's White_Space, but for what is below U+0021. */
static bool is_space(uint32_t point)
{
	static const struct { uint32_t from, to; } spaces[] = {
		{0, 0x20}, {0x7f, 0xa0}, {0x1680, 0x1680}, {0x2000, 0x200a},
		{0x2028, 0x2029}, {0x202f, 0x202f}, {0x205f, 0x205f},
		{0x3000, 0x3000},
	};

	for (size_t i = 0; i < ARRAY_LEN(spaces); i++)
		if (point >= spaces[i].from && point <= spaces[i].to)
			return true;
	return false;
}

bool note_name_valid(const char *name, size_t len)
{
	uint32_t point;

	if (!len || len > NOTE_NAME_MAX || !utf8_valid(name, len))
		return false;
	for (size_t i = 0; i < len;) {
		i += utf8_decode(name + i, len - i, &point);
		if (point == '+' || is_space(point))
			return false;
	}
	return true;
}

int note_key_make(struct note_key *out, const char *name,
		  enum note_type type, const uint8_t raw[32],
		  struct err *err)
{
	const size_t len = strlen(name);
	uint8_t typed[NOTE_NAME_MAX + 2 + 32], hash[SHA256_RAW];

	if (!note_name_valid(name, len))
		return err_set(err, ERR_invalid_request, "no key can have "
			       "this name");
	memcpy(typed, name, len);
	typed[len] = '\n';
	typed[len + 1] = (uint8_t)type;
	memcpy(typed + len + 2, raw, 32);
	sha256_raw(typed, len + 2 + 32, hash);
	*out = (struct note_key){.type = type, .id = big_endian(hash)};
	memcpy(out->name, name, len + 1);
	memcpy(out->raw, raw, 32);
	return 0;
}

void note_key_text(const struct note_key *key, char out[NOTE_VKEY_MAX])
{
	uint8_t typed[33] = {(uint8_t)key->type};
	char base64[BASE64_LEN(33) + 1];

	memcpy(typed + 1, key->raw, 32);
	base64_text(typed, sizeof(typed), base64);
	snprintf(out, NOTE_VKEY_MAX, "%s+%08x+%s", key->name, key->id,
		 base64);
}

static int no_vkey(struct err *err, const char *why)
{
	return err_set(err, ERR_invalid_request, "this is no verifier key "
		       "(name+id+key): %s", why);
}

int note_key_parse(struct note_key *out, const char *vkey, size_t len,
		   struct err *err)
{
	char name[NOTE_NAME_MAX + 1], again[NOTE_VKEY_MAX];
	const char *plus = memchr(vkey, '+', len);
	uint8_t typed[33];

	len -= len && vkey[len - 1] == '\n';
	if (!plus || (size_t)(plus - vkey) > NOTE_NAME_MAX)
		return no_vkey(err, "it has no name");
	if (len - (size_t)(plus - vkey) != 1 + 8 + 1 + BASE64_LEN(33) ||
	    base64_raw(plus + 10, BASE64_LEN(33), typed, 33) != 33)
		return no_vkey(err, "its key is not 33 bytes in base64");
	if (typed[0] != NOTE_ED25519 && typed[0] != NOTE_COSIGNATURE)
		return no_vkey(err, "its type is neither Ed25519 nor a "
			       "cosignature");
	memcpy(name, vkey, (size_t)(plus - vkey));
	name[plus - vkey] = 0;
	if (note_key_make(out, name, typed[0], typed + 1, NULL))
		return no_vkey(err, "its name is none");
	note_key_text(out, again);
	if (strlen(again) != len || memcmp(again, vkey, len))
		return no_vkey(err, "its id is another key's");
	return 0;
}

int note_key_read(struct note_key *out, const char *path, struct err *err)
{
	size_t len;
	char *text = fs_read(path, KEY_FILE_MAX, &len, err), *at = text;
	int rc;

	if (!text)
		return -1;
	while (*at == '#' || *at == '\n')
		at += strcspn(at, "\n") + (at[strcspn(at, "\n")] == '\n');
	rc = note_key_parse(out, at, strcspn(at, "\n"), err);
	free(text);
	return rc;
}

static int malformed(struct err *err, const char *why)
{
	return err_set(err, ERR_invalid_request, "this is no signed note: %s",
		       why);
}

bool note_text_valid(const char *text, size_t len)
{
	if (!len || text[len - 1] != '\n' || !utf8_valid(text, len))
		return false;
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)text[i] < 0x20 && text[i] != '\n')
			return false;
	return true;
}

/* "— name base64" */
static int parse_signature(struct note_signature *s, const char *line,
			   size_t len, struct err *err)
{
	const size_t dash = strlen(DASH);
	const char *space;
	uint8_t *raw;
	ssize_t n;

	if (len < dash || memcmp(line, DASH, dash))
		return malformed(err, "a line below the text is no signature");
	*s = (struct note_signature){line, len, line + dash};
	space = memchr(s->name, ' ', len - dash);
	if (!space || !note_name_valid(s->name, (size_t)(space - s->name)))
		return malformed(err, "a signature has no name");
	s->name_len = (size_t)(space - s->name);
	s->base64 = space + 1;
	s->base64_len = (size_t)(line + len - s->base64);
	raw = xmalloc(s->base64_len + 1);
	n = base64_raw(s->base64, s->base64_len, raw, s->base64_len);
	s->id = n > 4 ? big_endian(raw) : 0;
	free(raw);
	return n > 4 ? 0 : malformed(err, "a signature is not base64 of more "
				     "than 4 bytes");
}

/* The last empty line separates; NULL: there is none. */
static const char *separator(const char *bytes, size_t len)
{
	for (size_t i = len; i-- > 1;)
		if (bytes[i] == '\n' && bytes[i - 1] == '\n')
			return bytes + i;
	return NULL;
}

int note_parse(struct note *out, const char *bytes, size_t len,
	       struct err *err)
{
	const char *at, *lf;

	*out = (struct note){0};
	if (len > NOTE_MAX)
		return malformed(err, "it is too long");
	at = separator(bytes, len);
	if (!at || !note_text_valid(bytes, len))
		return malformed(err, "it is not lines of text with an empty "
				 "one before the signatures");
	out->text = bytes;
	out->text_len = (size_t)(at - bytes);
	for (at++; at < bytes + len; at = lf + 1) {
		lf = memchr(at, '\n', (size_t)(bytes + len - at));
		if (out->n == NOTE_SIGNATURES_MAX)
			return malformed(err, "it has too many signatures");
		if (parse_signature(&out->signatures[out->n++], at,
				    (size_t)(lf - at), err))
			return -1;
	}
	return out->n ? 0 : malformed(err, "nobody signed it");
}

static bool is_by(const struct note_signature *s, const struct note_key *key)
{
	return s->id == key->id && s->name_len == strlen(key->name) &&
	       !memcmp(s->name, key->name, s->name_len);
}

static bool ed25519_good(const uint8_t key[32], const uint8_t *signature,
			 const void *text, size_t len)
{
	EVP_PKEY *pkey = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL,
						     key, 32);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool good;

	good = pkey && ctx &&
	       EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, pkey) == 1 &&
	       EVP_DigestVerify(ctx, signature, ED25519_LEN, text, len) == 1;
	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(pkey);
	return good;
}

/* Before the signature itself: nothing, or eight bytes of time. */
static bool is_good(const struct note *n, const struct note_signature *s,
		    const struct note_key *key)
{
	uint8_t raw[4 + 8 + ED25519_LEN];
	const size_t time = key->type == NOTE_COSIGNATURE ? 8 : 0;
	struct buf said = {0};
	bool good;

	if (base64_raw(s->base64, s->base64_len, raw, sizeof(raw)) !=
	    (ssize_t)(4 + time + ED25519_LEN))
		return false;
	if (time)
		note_cosigned(&said, note_cosigned_at(s));
	buf_add(&said, n->text, n->text_len);
	good = ed25519_good(key->raw, raw + 4 + time, said.data, said.len);
	buf_fini(&said);
	return good;
}

int note_verify(const struct note *n, const struct note_key *keys,
		size_t n_keys, bool *signed_by, struct err *err)
{
	size_t good = 0;

	for (size_t k = 0; k < n_keys; k++) {
		bool signs = false;

		for (size_t i = 0; i < n->n; i++) {
			if (!is_by(&n->signatures[i], &keys[k]))
				continue;
			if (!is_good(n, &n->signatures[i], &keys[k]))
				return err_set(err, ERR_invalid_request,
					"the signature of %s is not good",
					keys[k].name);
			signs = true;
		}
		good += signs;
		if (signed_by)
			signed_by[k] = signs;
	}
	return good ? 0 : err_set(err, ERR_invalid_request, "nobody who is "
				  "known signed the note");
}

uint64_t note_cosigned_at(const struct note_signature *s)
{
	uint8_t raw[4 + 8 + ED25519_LEN];

	if (base64_raw(s->base64, s->base64_len, raw, sizeof(raw)) !=
	    sizeof(raw))
		return 0;
	return (uint64_t)big_endian(raw + 4) << 32 | big_endian(raw + 8);
}
