/* See webhook.h. HMAC is OpenSSL's, fetched once. */
#include "common/webhook.h"

#include <inttypes.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base64.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/mem.h"
#include "common/sha256.h"

#define WHSEC "whsec_"
#define STANDARD_LEAST 24
#define STANDARD_MAX 64

static const struct {
	const char *name;
	const char *header[WEBHOOK_PARTS], *alias[WEBHOOK_PARTS];
	const char *order;	/* of what is signed before the body */
} schemes[] = {
	[WEBHOOK_GITHUB] = {
		.name = "github",
		.header = {[WEBHOOK_SIGNATURE] = "X-Hub-Signature-256",
			   [WEBHOOK_ID] = "X-GitHub-Delivery",
			   [WEBHOOK_EVENT] = "X-GitHub-Event"},
		.order = ""},
	[WEBHOOK_STANDARD] = {
		.name = "standard",
		.header = {[WEBHOOK_SIGNATURE] = "webhook-signature",
			   [WEBHOOK_ID] = "webhook-id",
			   [WEBHOOK_TIME] = "webhook-timestamp"},
		.alias = {[WEBHOOK_SIGNATURE] = "svix-signature",
			  [WEBHOOK_ID] = "svix-id",
			  [WEBHOOK_TIME] = "svix-timestamp"},
		.order = "it"},
	[WEBHOOK_STRIPE] = {
		.name = "stripe",
		.header = {[WEBHOOK_SIGNATURE] = "Stripe-Signature"},
		.order = "t"},
	[WEBHOOK_HMAC_SHA256] = {
		.name = "hmac-sha256",
		.header = {[WEBHOOK_SIGNATURE] = "X-Signature-256",
			   [WEBHOOK_ID] = "X-Event-Id",
			   [WEBHOOK_TIME] = "X-Event-Timestamp"},
		.order = "ti"},
};

const char *webhook_scheme_name(enum webhook_scheme scheme)
{
	return schemes[scheme].name;
}

const char *webhook_header(enum webhook_scheme scheme, enum webhook_part part)
{
	return schemes[scheme].header[part];
}

const char *webhook_header_alias(enum webhook_scheme scheme,
				 enum webhook_part part)
{
	return schemes[scheme].alias[part];
}

static int standard_key(const char *text, size_t len, struct webhook_key *key,
			struct err *err)
{
	const size_t mark = strlen(WHSEC);
	ssize_t n;

	if (len >= mark && !memcmp(text, WHSEC, mark)) {
		text += mark;
		len -= mark;
	}
	n = base64_raw(text, len, key->bytes, STANDARD_MAX);
	if (n >= STANDARD_LEAST) {
		key->len = (size_t)n;
		return 0;
	}
	webhook_key_wipe(key);
	return err_set(err, ERR_bad_config, "a secret of this scheme is "
		       WHSEC " and the base64 of %d to %d bytes",
		       STANDARD_LEAST, STANDARD_MAX);
}

int webhook_key(enum webhook_scheme scheme, const char *text, size_t len,
		struct webhook_key *key, struct err *err)
{
	memset(key, 0, sizeof(*key));
	if (scheme == WEBHOOK_STANDARD)
		return standard_key(text, len, key, err);
	if (len < WEBHOOK_KEY_LEAST || len > WEBHOOK_KEY_MAX)
		return err_set(err, ERR_bad_config,
			       "a secret has %d to %d bytes, this has %zu",
			       WEBHOOK_KEY_LEAST, WEBHOOK_KEY_MAX, len);
	memcpy(key->bytes, text, len);
	key->len = len;
	return 0;
}

void webhook_key_wipe(struct webhook_key *key)
{
	mem_wipe(key, sizeof(*key));
}

bool webhook_id_valid(const char *id)
{
	size_t n = 0;

	for (; id[n]; n++)
		if (n == WEBHOOK_ID_MAX || id[n] <= ' ' || id[n] > '~' ||
		    id[n] == '.')
			return false;
	return n > 0;
}

int64_t webhook_time(const char *text)
{
	size_t n = strspn(text, "0123456789");

	return n && n <= WEBHOOK_TIME_MAX && !text[n] ?
		strtoll(text, NULL, 10) : -1;
}

static EVP_MAC *hmac;

static void fetch(void)
{
	hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	if (!hmac)
		abort();
}

struct webhook_mac *webhook_mac_new(const struct webhook_key *key)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	char digest[] = "SHA256";
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST,
						 digest, 0),
		OSSL_PARAM_construct_end()};
	EVP_MAC_CTX *ctx;

	pthread_once(&once, fetch);
	ctx = EVP_MAC_CTX_new(hmac);
	if (!ctx || !EVP_MAC_init(ctx, key->bytes, key->len, params))
		abort();
	return (struct webhook_mac *)ctx;
}

void webhook_mac_add(struct webhook_mac *m, const void *data, size_t len)
{
	if (len && !EVP_MAC_update((EVP_MAC_CTX *)m, data, len))
		abort();
}

void webhook_mac_end(struct webhook_mac *m, uint8_t raw[WEBHOOK_MAC])
{
	size_t len;

	if (!EVP_MAC_final((EVP_MAC_CTX *)m, raw, &len, WEBHOOK_MAC) ||
	    len != WEBHOOK_MAC)
		abort();
	webhook_mac_free(m);
}

void webhook_mac_free(struct webhook_mac *m)
{
	EVP_MAC_CTX_free((EVP_MAC_CTX *)m);
}

void webhook_prefix(enum webhook_scheme scheme, const char *id,
		    const char *time, struct buf *out)
{
	for (const char *at = schemes[scheme].order; *at; at++) {
		buf_adds(out, *at == 'i' ? id : time);
		buf_adds(out, ".");
	}
}

/* One signature, as its header has it. */
static void add_signature(enum webhook_scheme scheme, const uint8_t *raw,
			  struct buf *out)
{
	char hex[2 * WEBHOOK_MAC + 1];

	if (scheme == WEBHOOK_STANDARD) {
		buf_adds(out, out->len ? " v1," : "v1,");
		base64_add(out, raw, WEBHOOK_MAC);
		return;
	}
	hex_of(raw, WEBHOOK_MAC, hex);
	buf_addf(out, scheme == WEBHOOK_STRIPE ? ",v1=%s" : "sha256=%s", hex);
}

static void add_header(struct webhook_headers *h, enum webhook_scheme scheme,
		       enum webhook_part part, char *value)
{
	h->list[h->n].name = webhook_header(scheme, part);
	h->list[h->n++].value = value;
}

static char *signatures(enum webhook_scheme scheme,
			const struct webhook_key *keys, size_t n_keys,
			const struct webhook_delivery *d, const char *time)
{
	const bool several = scheme == WEBHOOK_STANDARD ||
			     scheme == WEBHOOK_STRIPE;
	struct buf prefix = {0}, out = {0};
	uint8_t raw[WEBHOOK_MAC];

	webhook_prefix(scheme, d->id ? d->id : "", time, &prefix);
	if (scheme == WEBHOOK_STRIPE)
		buf_addf(&out, "t=%s", time);
	for (size_t i = 0; i < n_keys && (several || !i); i++) {
		struct webhook_mac *m = webhook_mac_new(&keys[i]);

		webhook_mac_add(m, prefix.data, prefix.len);
		webhook_mac_add(m, d->body, d->len);
		webhook_mac_end(m, raw);
		add_signature(scheme, raw, &out);
	}
	buf_fini(&prefix);
	return buf_take(&out, NULL);
}

void webhook_sign(enum webhook_scheme scheme, const struct webhook_key *keys,
		  size_t n_keys, const struct webhook_delivery *d,
		  struct webhook_headers *out)
{
	char time[24];

	memset(out, 0, sizeof(*out));
	snprintf(time, sizeof(time), "%" PRId64, d->seconds);
	if (d->id && webhook_header(scheme, WEBHOOK_ID))
		add_header(out, scheme, WEBHOOK_ID, xstrdup(d->id));
	if (webhook_header(scheme, WEBHOOK_TIME))
		add_header(out, scheme, WEBHOOK_TIME, xstrdup(time));
	if (d->event && webhook_header(scheme, WEBHOOK_EVENT))
		add_header(out, scheme, WEBHOOK_EVENT, xstrdup(d->event));
	add_header(out, scheme, WEBHOOK_SIGNATURE,
		   signatures(scheme, keys, n_keys, d, time));
}

void webhook_headers_fini(struct webhook_headers *h)
{
	for (size_t i = 0; i < h->n; i++)
		free(h->list[i].value);
	memset(h, 0, sizeof(*h));
}
