/*
 * Keys and signatures as ssh-keygen makes them, in a folder of the test's
 * own; and those of security keys, which need hardware, made with OpenSSL
 * as PROTOCOL.u2f has them.
 */
#pragma once
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base64.h"
#include "common/buf.h"
#include "common/fs.h"
#include "common/sha256.h"
#include "tests/unit/unit.h"

#define SPACE "approval@kircerta"
#define SK_ED "sk-ssh-ed25519@openssh.com"
#define SK_EC "sk-ecdsa-sha2-nistp256@openssh.com"

static char keys_dir[64];

static inline void keys_open(void)
{
	strcpy(keys_dir, "/tmp/kircerta-keys-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(keys_dir));
}

static inline void keys_close(void)
{
	ck_assert(!fs_remove_tree(keys_dir));
}

static inline int sh(const char *fmt, ...)
	__attribute__((format(printf, 1, 2)));
static inline int sh(const char *fmt, ...)
{
	char *line, *whole;
	va_list ap;
	int rc;

	va_start(ap, fmt);
	line = xvasprintf(fmt, ap);
	va_end(ap);
	whole = xasprintf("cd %s && exec 2>>log && %s", keys_dir, line);
	rc = system(whole);
	free(line);
	free(whole);
	return rc;
}

static inline void put_file(const char *name, const void *data, size_t len)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", keys_dir, name);
	ck_assert(!fs_replace(path, data, len, 0600, NULL));
}

static inline char *get_file(const char *name, size_t *len)
{
	char path[128], *text;

	snprintf(path, sizeof(path), "%s/%s", keys_dir, name);
	text = fs_read(path, 1 << 20, len, NULL);
	ck_assert_ptr_nonnull(text);
	return text;
}

/* A key pair NAME, NAME.pub. */
static inline void key_make(const char *name, const char *how)
{
	ck_assert(!sh("ssh-keygen -q -t %s -N '' -C %s -f %s >>log", how, name,
		      name));
}

/* The armored signature of text by that key; owned. */
static inline char *key_sign(const char *name, const char *space,
			     const char *how, const char *text, size_t *len)
{
	put_file("text", text, strlen(text));
	ck_assert(!sh("ssh-keygen -q -Y sign -f %s -n %s %s <text >sig", name,
		      space, how));
	return get_file("sig", len);
}

static inline void put_string(struct buf *b, const void *data, size_t len)
{
	const uint8_t n[4] = {(uint8_t)(len >> 24), (uint8_t)(len >> 16),
			      (uint8_t)(len >> 8), (uint8_t)len};

	buf_add(b, n, 4);
	buf_add(b, data, len);
}

static inline void put_text(struct buf *b, const char *text)
{
	put_string(b, text, strlen(text));
}

static inline void put_number(struct buf *b, const BIGNUM *n)
{
	uint8_t raw[2100] = {0};
	int len = BN_bn2bin(n, raw + 1);
	bool sign = raw[1] & 0x80;

	put_string(b, raw + !sign, (size_t)len + sign);
}

static inline char *armor(const void *blob, size_t len, size_t *out_len)
{
	struct buf b = {0}, lines = {0};

	base64_add(&b, blob, len);
	buf_adds(&lines, "-----BEGIN SSH SIGNATURE-----\n");
	for (size_t i = 0; i < b.len; i += 70) {
		buf_add(&lines, b.data + i, b.len - i < 70 ? b.len - i : 70);
		buf_adds(&lines, "\n");
	}
	buf_adds(&lines, "-----END SSH SIGNATURE-----\n");
	buf_fini(&b);
	return buf_take(&lines, out_len);
}

/* The bytes between the armor's lines; owned. */
static inline char *unarmor(const char *text, size_t *len)
{
	const char *at = strchr(text, '\n') + 1;
	struct buf b = {0};
	char *raw;
	ssize_t n;

	for (; *at != '-'; at = strchr(at, '\n') + 1)
		buf_add(&b, at, strcspn(at, "\n"));
	raw = xmalloc(b.len);
	n = base64_raw(b.data, b.len, raw, b.len);
	ck_assert_int_gt(n, 0);
	*len = (size_t)n;
	buf_fini(&b);
	return raw;
}

/* What an SSHSIG by this security key covers. */
static inline void token_covers(const char *text, struct buf *out)
{
	uint8_t hash[64];
	size_t n;

	ck_assert(EVP_Q_digest(NULL, "SHA512", NULL, text, strlen(text), hash,
			       &n));
	buf_adds(out, "SSHSIG");
	put_text(out, SPACE);
	put_text(out, "");
	put_text(out, "sha512");
	put_string(out, hash, n);
}

struct token_key {
	bool ec;
	EVP_PKEY *key;
	struct buf blob;
};

static inline struct token_key token_make(bool ec)
{
	struct token_key k = {.ec = ec, .key = ec ?
		EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256") :
		EVP_PKEY_Q_keygen(NULL, NULL, "ED25519")};
	uint8_t raw[65];
	size_t len = sizeof(raw);

	put_text(&k.blob, ec ? SK_EC : SK_ED);
	if (ec) {
		put_text(&k.blob, "nistp256");
		ck_assert(EVP_PKEY_get_octet_string_param(k.key, "pub", raw,
							  sizeof(raw), &len));
	} else {
		ck_assert(EVP_PKEY_get_raw_public_key(k.key, raw, &len));
	}
	put_string(&k.blob, raw, len);
	put_text(&k.blob, "ssh:");
	return k;
}

static inline void token_free(struct token_key *k)
{
	EVP_PKEY_free(k->key);
	buf_fini(&k->blob);
}

static inline void token_raw(const struct token_key *k, const struct buf *text,
			  struct buf *out)
{
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	uint8_t raw[256];
	size_t len = sizeof(raw);
	const uint8_t *at = raw;
	ECDSA_SIG *two;
	struct buf both = {0};

	ck_assert(EVP_DigestSignInit_ex(c, NULL, k->ec ? "SHA256" : NULL, NULL,
					NULL, k->key, NULL));
	ck_assert(EVP_DigestSign(c, raw, &len, (uint8_t *)text->data,
				 text->len));
	EVP_MD_CTX_free(c);
	if (!k->ec) {
		put_string(out, raw, len);
		return;
	}
	two = d2i_ECDSA_SIG(NULL, &at, (long)len);
	put_number(&both, ECDSA_SIG_get0_r(two));
	put_number(&both, ECDSA_SIG_get0_s(two));
	put_string(out, both.data, both.len);
	buf_fini(&both);
	ECDSA_SIG_free(two);
}

/* An armored signature as that security key would make it. */
static inline char *token_sign(const struct token_key *k, const char *text,
			    uint8_t flags, size_t *len)
{
	struct buf covered = {0}, own = {0}, sig = {0}, blob = {0};
	const uint8_t more[5] = {flags, 0, 0, 1, 7};
	uint8_t raw[SHA256_RAW];
	char *out;

	token_covers(text, &covered);
	sha256_raw("ssh:", 4, raw);
	buf_add(&own, raw, sizeof(raw));
	buf_add(&own, more, sizeof(more));
	sha256_raw(covered.data, covered.len, raw);
	buf_add(&own, raw, sizeof(raw));
	put_text(&sig, k->ec ? SK_EC : SK_ED);
	token_raw(k, &own, &sig);
	buf_add(&sig, more, sizeof(more));
	buf_add(&blob, "SSHSIG\0\0\0\1", 10);
	put_string(&blob, k->blob.data, k->blob.len);
	put_text(&blob, SPACE);
	put_text(&blob, "");
	put_text(&blob, "sha512");
	put_string(&blob, sig.data, sig.len);
	out = armor(blob.data, blob.len, len);
	buf_fini(&covered);
	buf_fini(&own);
	buf_fini(&sig);
	buf_fini(&blob);
	return out;
}
