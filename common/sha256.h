/* SHA-256 as raw bytes and as the 64 lower-case hex digits of the API. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct sha256;			/* a running hash */

#define SHA256_RAW 32
#define SHA256_HEX 65		/* with NUL */

struct sha256 *sha256_new(void);
void sha256_add(struct sha256 *h, const void *data, size_t len);
void sha256_end(struct sha256 *h, uint8_t raw[SHA256_RAW]);	/* and frees */

void sha256_raw(const void *data, size_t len, uint8_t raw[SHA256_RAW]);
void sha256_hex(const void *data, size_t len, char hex[SHA256_HEX]);
/* RFC 6962 leaf: SHA-256(0x00 || data). */
void sha256_leaf(const void *data, size_t len, uint8_t raw[SHA256_RAW]);

/* Hash an open file from its start; *size gets its bytes. 0, or -1 and io. */
int sha256_fd(int fd, char hex[SHA256_HEX], uint64_t *size, struct err *err);

/* 40 hex digits of the git blob id of these bytes (SHA-1 of "blob N\0..."). */
void git_blob_hex(const void *data, size_t len, char hex[41]);

void hex_of(const uint8_t *raw, size_t len, char *hex);	/* 2*len + NUL */
bool is_hex(const char *text, size_t digits);		/* exactly, lower */
