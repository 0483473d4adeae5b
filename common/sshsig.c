/* See sshsig.h. */
#include "common/sshsig.h"

#include <openssl/evp.h>
#include <string.h>

#include "common/base64.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/mem.h"
#include "common/sshkey.h"
#include "common/sshwire.h"

#define BEGIN "-----BEGIN SSH SIGNATURE-----\n"
#define END "-----END SSH SIGNATURE-----"
#define MAGIC "SSHSIG"
#define VERSION 1
#define LINE_MAX_ 76

struct sshsig {
	uint8_t *blob;
	struct sshkey *key;
	struct wire name_space, hash, signature;	/* of the blob */
};

static int bad(struct err *err, const char *why)
{
	return err_set(err, ERR_invalid_request, "%s", why);
}

/* The digits between the two lines, without line feeds. False: no armor. */
static bool unwrap(const char *text, size_t len, struct buf *digits)
{
	const size_t begin = strlen(BEGIN), end = strlen(END);
	const char *at = text + begin, *stop = text + len;

	if (len < begin + end || memcmp(text, BEGIN, begin))
		return false;
	if (stop[-1] == '\n')
		stop--;
	stop -= end;
	if (stop <= at || memcmp(stop, END, end) || stop[-1] != '\n')
		return false;
	while (at < stop) {
		const char *lf = memchr(at, '\n', (size_t)(stop - at));
		size_t n = (size_t)(lf - at);	/* the last byte is one */

		if (!n || n > LINE_MAX_)
			return false;
		buf_add(digits, at, n);
		at = lf + 1;
	}
	return true;
}

static int read_blob(struct sshsig *s, size_t len, struct err *err)
{
	struct wire w = {s->blob, len}, key, reserved;
	uint32_t version;

	if (len < strlen(MAGIC) || memcmp(s->blob, MAGIC, strlen(MAGIC)))
		return bad(err, "it is no SSH signature");
	w = (struct wire){w.at + strlen(MAGIC), w.left - strlen(MAGIC)};
	if (!wire_u32(&w, &version))
		return bad(err, "the signature is cut short");
	if (version != VERSION)
		return bad(err, "the signature is of another version");
	if (!wire_string(&w, &key) || !wire_string(&w, &s->name_space) ||
	    !wire_string(&w, &reserved) || !wire_string(&w, &s->hash) ||
	    !wire_string(&w, &s->signature))
		return bad(err, "the signature is cut short");
	if (w.left || reserved.left)
		return bad(err, "something that has no meaning is in the "
				"signature");
	if (!wire_is(&s->hash, "sha512") && !wire_is(&s->hash, "sha256"))
		return bad(err, "the text was hashed with neither sha512 nor "
				"sha256");
	return sshkey_read(&s->key, key.at, key.left, err);
}

int sshsig_read(struct sshsig **out, const char *armored, size_t len,
		struct err *err)
{
	struct sshsig *s = xcalloc(1, sizeof(*s));
	struct buf digits = {0};
	ssize_t n = -1;
	int rc;

	if (len <= SSHSIG_ARMORED_MAX && unwrap(armored, len, &digits)) {
		s->blob = xmalloc(digits.len);
		n = base64_raw(digits.data, digits.len, s->blob, digits.len);
		s->blob = xrealloc(s->blob, n > 0 ? (size_t)n : 1);
	}
	rc = n < 0 ? bad(err, "it is not the text that `ssh-keygen -Y sign` "
			      "writes, from its BEGIN line to its END line") :
		     read_blob(s, (size_t)n, err);
	buf_fini(&digits);
	if (rc)
		sshsig_free(s);
	else
		*out = s;
	return rc;
}

void sshsig_free(struct sshsig *s)
{
	if (!s)
		return;
	sshkey_free(s->key);
	free(s->blob);
	free(s);
}

const struct sshkey *sshsig_key(const struct sshsig *s)
{
	return s->key;
}

static void add_string(struct buf *b, const void *data, size_t len)
{
	const uint8_t n[4] = {(uint8_t)(len >> 24), (uint8_t)(len >> 16),
			      (uint8_t)(len >> 8), (uint8_t)len};

	buf_add(b, n, sizeof(n));
	buf_add(b, data, len);
}

int sshsig_verify(const struct sshsig *s, const char *name_space,
		  const void *text, size_t len, struct err *err)
{
	const bool wide = wire_is(&s->hash, "sha512");
	uint8_t hash[EVP_MAX_MD_SIZE];
	struct buf b = {0};
	size_t n = 0;
	int rc;

	if (!wire_is(&s->name_space, name_space))
		return err_set(err, ERR_invalid_request, "it was signed for "
			       "another purpose: the namespace is %s",
			       name_space);
	if (!EVP_Q_digest(NULL, wide ? "SHA512" : "SHA256", NULL, text, len,
			  hash, &n))
		return bad(err, "the text cannot be hashed");
	buf_add(&b, MAGIC, strlen(MAGIC));
	add_string(&b, s->name_space.at, s->name_space.left);
	add_string(&b, "", 0);
	add_string(&b, s->hash.at, s->hash.left);
	add_string(&b, hash, n);
	rc = sshkey_verify(s->key, s->signature.at, s->signature.left, b.data,
			   b.len, err);
	buf_fini(&b);
	return rc;
}
