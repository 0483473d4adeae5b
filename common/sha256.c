/* See sha256.h; OpenSSL's EVP, fetched once. */
#include "common/sha256.h"

#include <errno.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/err.h"
#include "common/mem.h"

/* An algorithm, and a context a thread for it, freed at the thread's end. */
struct algorithm { EVP_MD *md; pthread_key_t key; };

static struct algorithm sha_256, sha_1;

static void free_ctx(void *ctx)
{
	EVP_MD_CTX_free(ctx);
}

static void fetch(void)
{
	sha_256.md = EVP_MD_fetch(NULL, "SHA256", NULL);
	sha_1.md = EVP_MD_fetch(NULL, "SHA1", NULL);
	if (!sha_256.md || !sha_1.md ||
	    pthread_key_create(&sha_256.key, free_ctx) ||
	    pthread_key_create(&sha_1.key, free_ctx))
		abort();
}

static void ready(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, fetch);
}

struct sha256 *sha256_new(void)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	ready();
	if (!ctx || !EVP_DigestInit_ex2(ctx, sha_256.md, NULL))
		abort();
	return (struct sha256 *)ctx;
}

void sha256_add(struct sha256 *h, const void *data, size_t len)
{
	if (!EVP_DigestUpdate((EVP_MD_CTX *)h, data, len))
		abort();
}

void sha256_end(struct sha256 *h, uint8_t raw[SHA256_RAW])
{
	if (!EVP_DigestFinal_ex((EVP_MD_CTX *)h, raw, NULL))
		abort();
	EVP_MD_CTX_free((EVP_MD_CTX *)h);
}

/* Making one, or for the other algorithm, costs more than a short hash. */
static EVP_MD_CTX *own_ctx(const struct algorithm *a)
{
	EVP_MD_CTX *ctx = pthread_getspecific(a->key);

	if (!ctx && (!(ctx = EVP_MD_CTX_new()) ||
		     pthread_setspecific(a->key, ctx)))
		abort();
	return ctx;
}

static void digest(const struct algorithm *a, const void *head, size_t head_len,
		   const void *data, size_t len, uint8_t *raw)
{
	EVP_MD_CTX *ctx = own_ctx(a);

	if (!EVP_DigestInit_ex2(ctx, a->md, NULL) ||
	    !EVP_DigestUpdate(ctx, head, head_len) ||
	    !EVP_DigestUpdate(ctx, data, len) ||
	    !EVP_DigestFinal_ex(ctx, raw, NULL))
		abort();
}

void sha256_raw(const void *data, size_t len, uint8_t raw[SHA256_RAW])
{
	ready();
	digest(&sha_256, "", 0, data, len, raw);
}

void sha256_leaf(const void *data, size_t len, uint8_t raw[SHA256_RAW])
{
	ready();
	digest(&sha_256, "", 1, data, len, raw);
}

void sha256_hex(const void *data, size_t len, char hex[SHA256_HEX])
{
	uint8_t raw[SHA256_RAW];

	sha256_raw(data, len, raw);
	hex_of(raw, sizeof(raw), hex);
}

int sha256_fd(int fd, char hex[SHA256_HEX], uint64_t *size, struct err *err)
{
	const size_t chunk = 1 << 18;
	struct sha256 *h = sha256_new();
	uint8_t raw[SHA256_RAW];
	char *buf = xmalloc(chunk);
	off_t at = 0;
	ssize_t n;

	do {
		n = pread(fd, buf, chunk, at);
		if (n > 0) {
			sha256_add(h, buf, (size_t)n);
			at += n;
		}
	} while (n > 0 || (n < 0 && errno == EINTR));
	free(buf);
	sha256_end(h, raw);
	hex_of(raw, sizeof(raw), hex);
	if (size)
		*size = (uint64_t)at;
	return n < 0 ? err_sys(err, ERR_io, "reading a file to hash it") : 0;
}

void git_blob_hex(const void *data, size_t len, char hex[41])
{
	char head[32];
	uint8_t raw[20];
	int n = snprintf(head, sizeof(head), "blob %zu", len);

	ready();
	digest(&sha_1, head, (size_t)n + 1, data, len, raw);
	hex_of(raw, sizeof(raw), hex);
}

void hex_of(const uint8_t *raw, size_t len, char *hex)
{
	static const char digit[] = "0123456789abcdef";

	for (size_t i = 0; i < len; i++) {
		hex[2 * i] = digit[raw[i] >> 4];
		hex[2 * i + 1] = digit[raw[i] & 15];
	}
	hex[2 * len] = 0;
}

bool is_hex(const char *text, size_t digits)
{
	return text && strlen(text) == digits &&
	       strspn(text, "0123456789abcdef") == digits;
}
