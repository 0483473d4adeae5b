/* See tls.h. */
#include "agent/net/tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/store/settings.h"
#include "common/err.h"
#include "common/mem.h"

#define CHAIN_MAX 4		/* of a client's certificate */

struct tls_server {
	SSL_CTX *ctx;
};

struct tls {
	SSL *ssl;
	bool wants_write;
};

static bool is_set(const char *text)
{
	return text && *text;
}

static const char *reason(void)
{
	const char *text = ERR_reason_error_string(ERR_peek_last_error());

	return text ? text : "no more is known";
}

static int refuse(struct err *err, const char *what, const char *file,
		  const char *hint)
{
	err_set(err, ERR_bad_config, "%s: %s: %s", what, file, reason());
	return err_hint(err, "%s", hint);
}

/* Nobody is asked for a passphrase: an agent starts by itself. */
static int no_passphrase(char *out, int size, int writing, void *data)
{
	(void)out, (void)size, (void)writing, (void)data;
	return -1;
}

static int check_private(const char *file, struct err *err)
{
	struct stat st;

	if (stat(file, &st)) {
		err_sys(err, ERR_bad_config, "tls.key-file: %s", file);
		return err_hint(err, "Set tls.key-file to the private key of "
				"the certificate, PEM.");
	}
	if (!(st.st_mode & 077))
		return 0;
	err_set(err, ERR_bad_config, "tls.key-file: others can read %s", file);
	return err_hint(err, "chmod 600 %s", file);
}

static int load_pair(SSL_CTX *ctx, const struct settings *s, struct err *err)
{
	if (SSL_CTX_use_certificate_chain_file(ctx, s->tls_certificate) != 1)
		return refuse(err, "tls.certificate-file", s->tls_certificate,
			      "Set it to the certificate and what signed it, "
			      "PEM, the server's first.");
	if (check_private(s->tls_key, err))
		return -1;
	SSL_CTX_set_default_passwd_cb(ctx, no_passphrase);
	if (SSL_CTX_use_PrivateKey_file(ctx, s->tls_key, SSL_FILETYPE_PEM) !=
	    1 || SSL_CTX_check_private_key(ctx) != 1)
		return refuse(err, "tls.key-file", s->tls_key,
			      "It has to be the certificate's private key, "
			      "PEM, without a passphrase.");
	return 0;
}

/* Who is shown a list of issuers knows which certificate is wanted. */
static int ask_clients(SSL_CTX *ctx, const struct settings *s,
		       struct err *err)
{
	int mode = SSL_VERIFY_PEER | (s->tls_client == TLS_CLIENT_REQUIRED ?
				      SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0);
	STACK_OF(X509_NAME) *issuers;

	if (s->tls_client == TLS_CLIENT_NONE)
		return 0;
	if (!is_set(s->tls_client_ca)) {
		err_set(err, ERR_bad_config, "tls.client-certificate: there is "
			"no tls.client-ca-file");
		return err_hint(err, "Set tls.client-ca-file to who signs the "
				"clients' certificates, PEM.");
	}
	issuers = SSL_load_client_CA_file(s->tls_client_ca);
	if (!issuers ||
	    SSL_CTX_load_verify_locations(ctx, s->tls_client_ca, NULL) != 1) {
		sk_X509_NAME_pop_free(issuers, X509_NAME_free);
		return refuse(err, "tls.client-ca-file", s->tls_client_ca,
			      "Set it to who signs the clients' "
			      "certificates, PEM.");
	}
	SSL_CTX_set_client_CA_list(ctx, issuers);
	SSL_CTX_set_verify(ctx, mode, NULL);
	SSL_CTX_set_verify_depth(ctx, CHAIN_MAX);
	return 0;
}

/* Whoever speaks HTTP/2 only is told so by TLS itself. */
static int choose_protocol(SSL *ssl, const unsigned char **out,
			   unsigned char *len, const unsigned char *in,
			   unsigned int in_len, void *data)
{
	static const unsigned char ours[] = "\x08http/1.1";

	(void)ssl, (void)data;
	return SSL_select_next_proto((unsigned char **)out, len, ours,
				     sizeof(ours) - 1, in, in_len) ==
	       OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK :
	       SSL_TLSEXT_ERR_ALERT_FATAL;
}

static void set_manners(SSL_CTX *ctx)
{
	SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION |
			    SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET |
			    SSL_OP_IGNORE_UNEXPECTED_EOF |
			    SSL_OP_CIPHER_SERVER_PREFERENCE);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_num_tickets(ctx, 0);
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE |
			 SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
			 SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_alpn_select_cb(ctx, choose_protocol, NULL);
}

int tls_open(struct tls_server **out, const struct settings *s,
	     struct err *err)
{
	struct tls_server *t;

	*out = NULL;
	if (!is_set(s->tls_certificate) && !is_set(s->tls_key))
		return 0;
	if (!is_set(s->tls_certificate) || !is_set(s->tls_key)) {
		err_set(err, ERR_bad_config, "[tls] has no %s", is_set(
			s->tls_key) ? "certificate-file" : "key-file");
		return err_hint(err, "TLS needs both: certificate-file and "
				"key-file.");
	}
	ERR_clear_error();
	t = xcalloc(1, sizeof(*t));
	t->ctx = SSL_CTX_new(TLS_server_method());
	if (t->ctx)
		set_manners(t->ctx);
	if (t->ctx && !load_pair(t->ctx, s, err) &&
	    !ask_clients(t->ctx, s, err)) {
		*out = t;
		return 0;
	}
	if (!t->ctx)
		err_set(err, ERR_internal, "OpenSSL: %s", reason());
	tls_close(t);
	return -1;
}

void tls_close(struct tls_server *t)
{
	if (t)
		SSL_CTX_free(t->ctx);
	free(t);
}

bool tls_names(const struct tls_server *t, const char *host, size_t len)
{
	X509 *own = SSL_CTX_get0_certificate(t->ctx);
	char *name = xstrndup(host, len);
	bool is = len && (X509_check_host(own, name, len,
			X509_CHECK_FLAG_NEVER_CHECK_SUBJECT, NULL) == 1 ||
			X509_check_ip_asc(own, name, 0) == 1);

	free(name);
	return is;
}

struct tls *tls_new(const struct tls_server *t, int fd)
{
	struct tls *c = xcalloc(1, sizeof(*c));

	c->ssl = SSL_new(t->ctx);
	if (!c->ssl || SSL_set_fd(c->ssl, fd) != 1)
		abort();	/* out of memory */
	SSL_set_accept_state(c->ssl);
	return c;
}

void tls_free(struct tls *t)
{
	if (t)
		SSL_free(t->ssl);
	free(t);
}

/* What OpenSSL made of it, as errno; 0: the other side has ended. */
static int error_of(struct tls *t, int rc)
{
	const int error = SSL_get_error(t->ssl, rc);

	t->wants_write = error == SSL_ERROR_WANT_WRITE;
	if (t->wants_write || error == SSL_ERROR_WANT_READ)
		return EAGAIN;
	return error == SSL_ERROR_ZERO_RETURN ? 0 : EPROTO;
}

static void say_why(struct tls *t, char *why, size_t size)
{
	const unsigned long code = ERR_peek_last_error();
	const long verified = SSL_get_verify_result(t->ssl);

	if (ERR_GET_REASON(code) == SSL_R_HTTP_REQUEST)
		snprintf(why, size, "TLS is spoken here, not HTTP in clear: "
			 "use https://");
	else if (ERR_GET_REASON(code) == SSL_R_CERTIFICATE_VERIFY_FAILED &&
		 verified != X509_V_OK)
		snprintf(why, size, "the client's certificate: %s",
			 X509_verify_cert_error_string(verified));
	else
		snprintf(why, size, "the TLS handshake failed: %.100s", code ?
			 reason() : "the connection ended");
}

int tls_shake(struct tls *t, char *why, size_t size)
{
	int rc;

	ERR_clear_error();
	rc = SSL_accept(t->ssl);
	if (rc == 1) {
		t->wants_write = false;
		return 1;
	}
	if (error_of(t, rc) == EAGAIN)
		return 0;
	say_why(t, why, size);
	return -1;
}

uint64_t tls_received(const struct tls *t)
{
	return BIO_number_read(SSL_get_rbio(t->ssl));
}

void tls_fingerprint(const struct tls *t, char hex[SHA256_HEX])
{
	X509 *cert = SSL_get0_peer_certificate(t->ssl);
	unsigned char raw[EVP_MAX_MD_SIZE];
	unsigned int len = 0;

	*hex = '\0';
	if (cert && SSL_get_verify_result(t->ssl) == X509_V_OK &&
	    X509_digest(cert, EVP_sha256(), raw, &len) == 1 &&
	    len == SHA256_RAW)
		hex_of(raw, len, hex);
}

bool tls_outlived(const struct tls *t)
{
	X509 *cert = SSL_get0_peer_certificate(t->ssl);

	return cert && X509_cmp_current_time(X509_get0_notAfter(cert)) < 0;
}

ssize_t tls_read(struct tls *t, void *to, size_t len)
{
	size_t n = 0;
	int rc;

	ERR_clear_error();
	rc = SSL_read_ex(t->ssl, to, len, &n);
	if (rc == 1) {
		t->wants_write = false;
		return (ssize_t)n;
	}
	errno = error_of(t, rc);
	return errno ? -1 : 0;
}

ssize_t tls_write(struct tls *t, const void *data, size_t len)
{
	size_t n = 0;
	int rc;

	ERR_clear_error();
	rc = SSL_write_ex(t->ssl, data, len, &n);
	if (rc == 1) {
		t->wants_write = false;
		return (ssize_t)n;
	}
	errno = error_of(t, rc);
	if (!errno)
		errno = EPIPE;
	return -1;
}

bool tls_wants_write(const struct tls *t)
{
	return t->wants_write;
}

void tls_end(struct tls *t)
{
	if (!t)
		return;
	ERR_clear_error();
	SSL_shutdown(t->ssl);
}
