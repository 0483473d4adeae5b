/*
 * How a webhook is signed, for who verifies and for who sends: which headers
 * there are, what a secret's text means as a key, and the MAC over what comes
 * before the body and the body. Standard Webhooks 1.0.0; GitHub "Validating
 * webhook deliveries"; Stripe "Verify webhook signatures manually". Pure.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct err;

#define WEBHOOK_CHOICES "github|standard|stripe|hmac-sha256"

enum webhook_scheme {
	WEBHOOK_GITHUB,		/* sha256=HEX of the body */
	WEBHOOK_STANDARD,	/* v1,BASE64 of id.time.body */
	WEBHOOK_STRIPE,		/* t=TIME,v1=HEX of time.body */
	WEBHOOK_HMAC_SHA256,	/* sha256=HEX of time.id.body */
	WEBHOOK_SCHEMES
};

/* What a header of a delivery carries. */
enum webhook_part {
	WEBHOOK_SIGNATURE,
	WEBHOOK_ID,		/* of the event; github: not signed */
	WEBHOOK_TIME,		/* seconds since 1970, digits only */
	WEBHOOK_EVENT,		/* its type, not signed */
	WEBHOOK_PARTS
};

const char *webhook_scheme_name(enum webhook_scheme scheme);
/* The header's name as it is sent; NULL: this scheme has none for that. */
const char *webhook_header(enum webhook_scheme scheme, enum webhook_part part);
/* The name that some senders give it instead, or NULL. */
const char *webhook_header_alias(enum webhook_scheme scheme,
				 enum webhook_part part);

#define WEBHOOK_MAC 32			/* bytes of HMAC-SHA-256 */
#define WEBHOOK_KEY_LEAST 16
#define WEBHOOK_KEY_MAX 512
#define WEBHOOK_SIGNATURES_MAX 16	/* that one delivery may show */
#define WEBHOOK_ID_MAX 256
#define WEBHOOK_TIME_MAX 15		/* digits */

struct webhook_key { size_t len; uint8_t bytes[WEBHOOK_KEY_MAX]; };

/*
 * The key that a secret's text is: standard takes whsec_ and the base64 of 24
 * to 64 bytes, or that base64 alone; the others the text itself, as it is.
 * ERR_bad_config says why not, and nothing of the secret.
 */
int webhook_key(enum webhook_scheme scheme, const char *text, size_t len,
		struct webhook_key *key, struct err *err);
void webhook_key_wipe(struct webhook_key *key);

/* An event's id that can be signed: 1..256 of printable ASCII but '.' */
bool webhook_id_valid(const char *id);
/* Digits, 1 to WEBHOOK_TIME_MAX of them: the seconds. -1: it is none. */
int64_t webhook_time(const char *text);

struct webhook_mac;			/* a running HMAC-SHA-256 */
struct webhook_mac *webhook_mac_new(const struct webhook_key *key);
void webhook_mac_add(struct webhook_mac *m, const void *data, size_t len);
void webhook_mac_end(struct webhook_mac *m, uint8_t raw[WEBHOOK_MAC]);
void webhook_mac_free(struct webhook_mac *m);
/* What is signed before the body; id and time as their headers have them. */
void webhook_prefix(enum webhook_scheme scheme, const char *id,
		    const char *time, struct buf *out);

struct webhook_delivery {		/* what is to be sent */
	const char *id;			/* webhook_id_valid(), or NULL */
	int64_t seconds;		/* since 1970 */
	const char *event;		/* its type, or NULL */
	const void *body;
	size_t len;
};
struct webhook_headers {
	size_t n;
	struct { const char *name; char *value; } list[WEBHOOK_PARTS];
};
/*
 * The headers that this delivery goes with, one signature a key (schemes
 * that take one only: of the first). Out is owned: webhook_headers_fini().
 */
void webhook_sign(enum webhook_scheme scheme, const struct webhook_key *keys,
		  size_t n_keys, const struct webhook_delivery *d,
		  struct webhook_headers *out);
void webhook_headers_fini(struct webhook_headers *h);
