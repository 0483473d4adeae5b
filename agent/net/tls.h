/*
 * TLS 1.2 and 1.3 at the server's side (OpenSSL), on sockets that do not
 * block. No resumption: each connection shows its certificate anew. HTTP/1.1
 * is all that is spoken inside.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/sha256.h"

struct err;
struct settings;
struct tls;			/* a connection */
struct tls_server;		/* certificate, key, whom to trust */

/*
 * *out is NULL where [tls] is not set. ERR_bad_config or ERR_io with what to
 * do: a key that others can read, one that does not belong to the certificate.
 */
int tls_open(struct tls_server **out, const struct settings *s,
	     struct err *err);
void tls_close(struct tls_server *t);
/* Is the certificate for this name or address? */
bool tls_names(const struct tls_server *t, const char *host, size_t len);

struct tls *tls_new(const struct tls_server *t, int fd);
void tls_free(struct tls *t);		/* fd is the caller's */
/* 1: done. 0: wait for the socket. -1: no, and why, in words. */
int tls_shake(struct tls *t, char *why, size_t size);
uint64_t tls_received(const struct tls *t);	/* bytes, as they came */
/* SHA-256 of the client's certificate, verified; empty: it showed none. */
void tls_fingerprint(const struct tls *t, char hex[SHA256_HEX]);
/* Has it expired since it was shown? */
bool tls_outlived(const struct tls *t);
/* As recv(2) and send(2): 0 at the end, -1 and errno, EAGAIN among them. */
ssize_t tls_read(struct tls *t, void *to, size_t len);
ssize_t tls_write(struct tls *t, const void *data, size_t len);
bool tls_wants_write(const struct tls *t);	/* before it goes on */
void tls_end(struct tls *t);		/* says goodbye; NULL: nothing */
