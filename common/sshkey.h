/*
 * Public keys as SSH writes them (RFC 4253, 5656, 8709; OpenSSH's
 * PROTOCOL.u2f), and signatures by them: ed25519, ECDSA on the three NIST
 * curves, RSA of at least 2048 bits with SHA-2, and both kinds of security
 * keys. Verified with OpenSSL. Anything else is refused by name.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

struct err;
struct sshkey;

#define SSHKEY_BLOB_MAX 4200		/* RSA of 16384 bits has 2,065 */
#define SSHKEY_PRINT 51			/* "SHA256:" + 43 digits + NUL */

/* A key's blob, all of it. ERR_invalid_request says what is wrong with it. */
int sshkey_read(struct sshkey **out, const void *blob, size_t len,
		struct err *err);
/*
 * As a line of a .pub file has it: type, base64 (comment apart). As
 * sshkey_read; the type has to be the blob's own.
 */
int sshkey_read_text(struct sshkey **out, const char *type,
		     const char *base64, size_t len, struct err *err);
void sshkey_free(struct sshkey *k);

bool sshkey_type_known(const char *type, size_t len);
const char *sshkey_type(const struct sshkey *k);
bool sshkey_same(const struct sshkey *a, const struct sshkey *b);
/* The fingerprint as ssh-keygen -l prints it: "SHA256:...". */
void sshkey_print(const struct sshkey *k, char out[SSHKEY_PRINT]);

/*
 * Is sig (a signature's blob, algorithm first) one of these bytes by this key?
 * A security key must have been touched. ERR_invalid_request says why not.
 */
int sshkey_verify(const struct sshkey *k, const void *sig, size_t sig_len,
		  const void *text, size_t len, struct err *err);
