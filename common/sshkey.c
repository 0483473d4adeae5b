/* See sshkey.h. A type is a row of the table; three families verify. */
#include "common/sshkey.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <string.h>

#include "common/base64.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/mem.h"
#include "common/sha256.h"
#include "common/sshwire.h"

#define RSA_LEAST 2048
#define RSA_MOST 16384
#define TOUCHED 0x01		/* PROTOCOL.u2f: user presence */
#define ED25519_KEY 32
#define ED25519_SIG 64

enum family { FAMILY_ED, FAMILY_EC, FAMILY_RSA };

struct kind {
	const char *type;
	enum family family;
	bool token;		/* a security key: flags and counter follow */
	const char *curve, *group, *digest;	/* SSH's and OpenSSL's names */
	size_t point;		/* bytes of an uncompressed one */
};

static const struct kind kinds[] = {
	{"ssh-ed25519", FAMILY_ED, false, NULL, NULL, NULL, 0},
	{"ecdsa-sha2-nistp256", FAMILY_EC, false, "nistp256", "prime256v1",
	 "SHA256", 65},
	{"ecdsa-sha2-nistp384", FAMILY_EC, false, "nistp384", "secp384r1",
	 "SHA384", 97},
	{"ecdsa-sha2-nistp521", FAMILY_EC, false, "nistp521", "secp521r1",
	 "SHA512", 133},
	{"ssh-rsa", FAMILY_RSA, false, NULL, NULL, NULL, 0},
	{"sk-ssh-ed25519@openssh.com", FAMILY_ED, true, NULL, NULL, NULL, 0},
	{"sk-ecdsa-sha2-nistp256@openssh.com", FAMILY_EC, true, "nistp256",
	 "prime256v1", "SHA256", 65},
};

struct sshkey {
	const struct kind *kind;
	EVP_PKEY *key;
	uint8_t *blob;
	size_t len;
	uint8_t application[SHA256_RAW];	/* its hash; security keys */
};

static int bad(struct err *err, const char *why)
{
	return err_set(err, ERR_invalid_request, "%s", why);
}

static const struct kind *kind_of(const char *type, size_t len)
{
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (strlen(kinds[i].type) == len &&
		    !memcmp(kinds[i].type, type, len))
			return &kinds[i];
	return NULL;
}

bool sshkey_type_known(const char *type, size_t len)
{
	return kind_of(type, len);
}

/* A key of this OpenSSL type from what was put into the builder. */
static EVP_PKEY *key_from(const char *type, OSSL_PARAM_BLD *build)
{
	OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(build);
	EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
	EVP_PKEY *key = NULL;

	if (!params || !c || EVP_PKEY_fromdata_init(c) <= 0 ||
	    EVP_PKEY_fromdata(c, &key, EVP_PKEY_PUBLIC_KEY, params) <= 0)
		key = NULL;
	EVP_PKEY_CTX_free(c);
	OSSL_PARAM_free(params);
	return key;
}

static EVP_PKEY *read_ed25519(struct wire *w)
{
	struct wire raw;

	if (!wire_string(w, &raw) || raw.left != ED25519_KEY)
		return NULL;
	return EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, raw.at,
					   raw.left);
}

/* OpenSSL refuses a point that is not on the curve. */
static EVP_PKEY *read_ecdsa(const struct kind *kind, struct wire *w)
{
	OSSL_PARAM_BLD *build;
	struct wire curve, point;
	EVP_PKEY *key = NULL;

	if (!wire_string(w, &curve) || !wire_is(&curve, kind->curve) ||
	    !wire_string(w, &point) || point.left != kind->point ||
	    point.at[0] != 4)
		return NULL;
	build = mem_have(OSSL_PARAM_BLD_new());
	if (OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME,
					    kind->group, 0) &&
	    OSSL_PARAM_BLD_push_octet_string(build, OSSL_PKEY_PARAM_PUB_KEY,
					     point.at, point.left))
		key = key_from("EC", build);
	OSSL_PARAM_BLD_free(build);
	return key;
}

static EVP_PKEY *read_rsa(struct wire *w)
{
	OSSL_PARAM_BLD *build;
	struct wire e, n;
	BIGNUM *be, *bn;
	EVP_PKEY *key = NULL;
	int bits;

	if (!wire_positive(w, &e) || !wire_positive(w, &n) || e.left > 8 ||
	    n.left > RSA_MOST / 8)
		return NULL;
	be = mem_have(BN_bin2bn(e.at, (int)e.left, NULL));
	bn = mem_have(BN_bin2bn(n.at, (int)n.left, NULL));
	bits = BN_num_bits(bn);
	build = mem_have(OSSL_PARAM_BLD_new());
	if (bits >= RSA_LEAST && BN_is_odd(bn) && BN_is_odd(be) &&
	    !BN_is_one(be) &&
	    OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, bn) &&
	    OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, be))
		key = key_from("RSA", build);
	OSSL_PARAM_BLD_free(build);
	BN_free(be);
	BN_free(bn);
	return key;
}

static int read_key(struct sshkey *k, struct wire *w, struct err *err)
{
	struct wire type, application;

	if (!wire_string(w, &type))
		return bad(err, "the key is cut short");
	k->kind = kind_of((const char *)type.at, type.left);
	if (!k->kind)
		return bad(err, "this type of key is not taken: use ed25519, "
				"ecdsa, rsa or a security key, and no "
				"certificate");
	k->key = k->kind->family == FAMILY_ED ? read_ed25519(w) :
		 k->kind->family == FAMILY_EC ? read_ecdsa(k->kind, w) :
					    read_rsa(w);
	if (!k->key)
		return bad(err, k->kind->family == FAMILY_RSA ? "the RSA key is "
			   "damaged, or not of 2048 to 16384 bits" :
			   "the key is damaged");
	if (k->kind->token) {
		if (!wire_string(w, &application) || !application.left)
			return bad(err, "the security key names no "
					"application");
		sha256_raw(application.at, application.left, k->application);
	}
	return w->left ? bad(err, "something follows the key") : 0;
}

int sshkey_read(struct sshkey **out, const void *blob, size_t len,
		struct err *err)
{
	struct sshkey *k = xcalloc(1, sizeof(*k));
	struct wire w;

	if (len > SSHKEY_BLOB_MAX) {
		sshkey_free(k);
		return bad(err, "the key is too large");
	}
	k->blob = xmalloc(len ? len : 1);
	k->len = len;
	if (len)
		memcpy(k->blob, blob, len);
	w = (struct wire){k->blob, len};
	if (read_key(k, &w, err)) {
		sshkey_free(k);
		return -1;
	}
	*out = k;
	return 0;
}

int sshkey_read_text(struct sshkey **out, const char *type,
		     const char *base64, size_t len, struct err *err)
{
	uint8_t *raw = xmalloc(SSHKEY_BLOB_MAX);
	ssize_t n = base64_raw(base64, len, raw, SSHKEY_BLOB_MAX);
	int rc = n < 0 ? bad(err, "the key is no base64, or too large") :
			 sshkey_read(out, raw, (size_t)n, err);

	free(raw);
	if (!rc && strcmp((*out)->kind->type, type)) {
		sshkey_free(*out);
		*out = NULL;
		return bad(err, "the key is of another type than it says");
	}
	return rc;
}

void sshkey_free(struct sshkey *k)
{
	if (!k)
		return;
	EVP_PKEY_free(k->key);
	free(k->blob);
	free(k);
}

const char *sshkey_type(const struct sshkey *k)
{
	return k->kind->type;
}

bool sshkey_same(const struct sshkey *a, const struct sshkey *b)
{
	return a->len == b->len && !memcmp(a->blob, b->blob, a->len);
}

void sshkey_print(const struct sshkey *k, char out[SSHKEY_PRINT])
{
	char digits[BASE64_LEN(SHA256_RAW) + 1];
	uint8_t raw[SHA256_RAW];

	sha256_raw(k->blob, k->len, raw);
	base64_text(raw, sizeof(raw), digits);
	memcpy(out, "SHA256:", 7);
	memcpy(out + 7, digits, 43);		/* without its one "=" */
	out[50] = 0;
}

/* What OpenSSL calls a signature, made of the two numbers. NULL: not two. */
static uint8_t *ecdsa_der(const struct wire *sig, size_t *len)
{
	struct wire w = *sig, r, s;
	uint8_t *der = NULL, *out = NULL;
	ECDSA_SIG *both;
	int n;

	if (!wire_positive(&w, &r) || !wire_positive(&w, &s) || w.left)
		return NULL;
	both = mem_have(ECDSA_SIG_new());
	ECDSA_SIG_set0(both, mem_have(BN_bin2bn(r.at, (int)r.left, NULL)),
		       mem_have(BN_bin2bn(s.at, (int)s.left, NULL)));
	n = i2d_ECDSA_SIG(both, &der);
	ECDSA_SIG_free(both);
	if (n <= 0)
		return NULL;
	out = xmalloc((size_t)n);
	memcpy(out, der, (size_t)n);
	OPENSSL_free(der);
	*len = (size_t)n;
	return out;
}

static bool holds(EVP_PKEY *key, const char *digest, const uint8_t *sig,
		  size_t sig_len, const void *text, size_t len)
{
	EVP_MD_CTX *c = mem_have(EVP_MD_CTX_new());
	bool ok;

	ok = EVP_DigestVerifyInit_ex(c, NULL, digest, NULL, NULL, key,
				     NULL) == 1 &&
	     EVP_DigestVerify(c, sig, sig_len, text, len) == 1;
	EVP_MD_CTX_free(c);
	return ok;
}

/* The digest that goes with the algorithm named in the signature, or NULL. */
static bool algorithm(const struct kind *kind, const struct wire *name,
		      const char **digest)
{
	*digest = kind->digest;
	if (kind->family != FAMILY_RSA)
		return wire_is(name, kind->type);
	*digest = wire_is(name, "rsa-sha2-512") ? "SHA512" :
		  wire_is(name, "rsa-sha2-256") ? "SHA256" : NULL;
	return *digest;
}

static bool verify(const struct sshkey *k, const struct wire *raw,
		   const char *digest, const void *text, size_t len)
{
	uint8_t *der;
	size_t n;
	bool ok;

	if (k->kind->family == FAMILY_ED)
		return raw->left == ED25519_SIG &&
		       holds(k->key, NULL, raw->at, raw->left, text, len);
	if (k->kind->family == FAMILY_RSA)
		return raw->left == (size_t)EVP_PKEY_get_size(k->key) &&
		       holds(k->key, digest, raw->at, raw->left, text, len);
	der = ecdsa_der(raw, &n);
	ok = der && holds(k->key, digest, der, n, text, len);
	free(der);
	return ok;
}

/* What a security key signs in place of the text, PROTOCOL.u2f. */
static void token_text(const struct sshkey *k, uint8_t flags, uint32_t counter,
		       const void *text, size_t len, struct buf *out)
{
	const uint8_t more[5] = {flags, (uint8_t)(counter >> 24),
				 (uint8_t)(counter >> 16),
				 (uint8_t)(counter >> 8), (uint8_t)counter};
	uint8_t raw[SHA256_RAW];

	buf_add(out, k->application, sizeof(k->application));
	buf_add(out, more, sizeof(more));
	sha256_raw(text, len, raw);
	buf_add(out, raw, sizeof(raw));
}

int sshkey_verify(const struct sshkey *k, const void *sig, size_t sig_len,
		  const void *text, size_t len, struct err *err)
{
	struct wire w = {sig, sig_len}, name, raw;
	struct buf own = {0};
	const char *digest;
	uint32_t counter;
	uint8_t flags;
	bool ok;

	if (!wire_string(&w, &name) || !wire_string(&w, &raw))
		return bad(err, "the signature is cut short");
	if (!algorithm(k->kind, &name, &digest))
		return bad(err, k->kind->family == FAMILY_RSA ? "RSA signatures are "
			   "taken with rsa-sha2-256 and rsa-sha2-512 only" :
			   "the signature's algorithm is not the key's");
	if (k->kind->token && (!wire_byte(&w, &flags) ||
			       !wire_u32(&w, &counter)))
		return bad(err, "the signature is cut short");
	if (w.left)
		return bad(err, "something follows the signature");
	if (k->kind->token && !(flags & TOUCHED))
		return bad(err, "nobody touched the security key");
	if (k->kind->token) {
		token_text(k, flags, counter, text, len, &own);
		ok = verify(k, &raw, digest, own.data, own.len);
	} else {
		ok = verify(k, &raw, digest, text, len);
	}
	buf_fini(&own);
	return ok ? 0 : bad(err, "it is no signature of this statement by "
				 "this key");
}
