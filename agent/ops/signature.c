/*
 * See signature.h. Nothing is told apart before the end: a delivery that
 * shows no signature at all is read and refused as one that shows a wrong one.
 */
#include "agent/ops/signature.h"

#include <openssl/crypto.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/base64.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/mem.h"
#include "common/sha256.h"

#define KEYS_MAX 2
#define SECOND 1000000LL
#define FAR_S (400 * 86400LL)	/* beyond any tolerance */

struct signature {
	enum webhook_scheme scheme;
	struct webhook_mac *macs[KEYS_MAX];	/* NULL: no such key */
	uint8_t shown[WEBHOOK_SIGNATURES_MAX][WEBHOOK_MAC];
	size_t n_shown;
	char *id, *time_text, *event;
	int64_t time;
	const char *why;
	int key;
	char body_sha256[SHA256_HEX];
};

static const char malformed[] = "malformed";

static void wrong(struct signature *s, const char *why)
{
	if (!s->why)
		s->why = why;
}

static int digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' :
	       c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool hex_raw(const char *text, size_t len, uint8_t *raw)
{
	if (len != 2 * WEBHOOK_MAC)
		return false;
	for (size_t i = 0; i < WEBHOOK_MAC; i++) {
		int high = digit(text[2 * i]), low = digit(text[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		raw[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

/* One signature; what is none of this kind may be another version's. */
static void take(struct signature *s, const char *mark, bool base64,
		 const char *text, size_t len)
{
	const size_t n = strlen(mark);
	uint8_t raw[WEBHOOK_MAC];

	if (len < n || memcmp(text, mark, n))
		return;
	text += n;
	len -= n;
	if (base64 ? base64_raw(text, len, raw, sizeof(raw)) != sizeof(raw) :
		     !hex_raw(text, len, raw))
		return;
	if (s->n_shown == WEBHOOK_SIGNATURES_MAX)
		wrong(s, "too_many_signatures");
	else
		memcpy(s->shown[s->n_shown++], raw, sizeof(raw));
}

static void parse_plain(struct signature *s, const char *text)
{
	take(s, "sha256=", false, text, strlen(text));
}

static void parse_standard(struct signature *s, const char *text)
{
	while (*text) {
		size_t len = strcspn(text, " ");

		take(s, "v1,", true, text, len);
		text += len + (text[len] == ' ');
	}
}

static void parse_stripe(struct signature *s, const char *text)
{
	while (*text) {
		size_t len = strcspn(text, ",");

		if (strncmp(text, "t=", 2))
			take(s, "v1=", false, text, len);
		else if (s->time_text)
			wrong(s, malformed);
		else
			s->time_text = xstrndup(text + 2, len - 2);
		text += len + (text[len] == ',');
	}
}

static void (*const parse[WEBHOOK_SCHEMES])(struct signature *s,
					    const char *text) = {
	[WEBHOOK_GITHUB] = parse_plain,
	[WEBHOOK_STANDARD] = parse_standard,
	[WEBHOOK_STRIPE] = parse_stripe,
	[WEBHOOK_HMAC_SHA256] = parse_plain,
};

/* Has all that its scheme signs been shown, and can it be signed? */
static void check_shown(struct signature *s,
			const struct signature_shown *shown)
{
	const bool id = webhook_header(s->scheme, WEBHOOK_ID);
	const bool timed = s->scheme != WEBHOOK_GITHUB;

	if (!shown->part[WEBHOOK_SIGNATURE] || (timed && !s->time_text) ||
	    (id && s->scheme != WEBHOOK_GITHUB && !s->id))
		wrong(s, "missing");
	if (!s->n_shown || (s->id && !webhook_id_valid(s->id)))
		wrong(s, malformed);
	if (s->time_text) {
		s->time = webhook_time(s->time_text);
		if (s->time < 0) {
			wrong(s, malformed);
			s->time = 0;
		}
	}
}

static void begin_macs(struct signature *s, const struct webhook_key *keys,
		       size_t n)
{
	struct buf prefix = {0};

	webhook_prefix(s->scheme, s->id, s->time_text, &prefix);
	for (size_t i = 0; i < n && i < KEYS_MAX; i++) {
		if (!keys[i].len)
			continue;
		s->macs[i] = webhook_mac_new(&keys[i]);
		webhook_mac_add(s->macs[i], prefix.data, prefix.len);
	}
	buf_fini(&prefix);
}

struct signature *signature_begin(enum webhook_scheme scheme,
				  const struct webhook_key *keys, size_t n,
				  const struct signature_shown *shown)
{
	struct signature *s = xcalloc(1, sizeof(*s));

	s->scheme = scheme;
	s->id = xstrdup(shown->part[WEBHOOK_ID]);
	s->time_text = xstrdup(shown->part[WEBHOOK_TIME]);
	s->event = xstrdup(shown->part[WEBHOOK_EVENT]);
	if (shown->part[WEBHOOK_SIGNATURE])
		parse[scheme](s, shown->part[WEBHOOK_SIGNATURE]);
	check_shown(s, shown);
	if (!s->why)
		begin_macs(s, keys, n);
	return s;
}

static void stop_macs(struct signature *s)
{
	for (size_t i = 0; i < KEYS_MAX; i++) {
		webhook_mac_free(s->macs[i]);
		s->macs[i] = NULL;
	}
}

void signature_free(struct signature *s)
{
	if (!s)
		return;
	stop_macs(s);
	free(s->id);
	free(s->time_text);
	free(s->event);
	free(s);
}

void signature_spoil(struct signature *s)
{
	s->why = malformed;
	stop_macs(s);
}

void signature_add(struct signature *s, const void *data, size_t len)
{
	for (size_t i = 0; i < KEYS_MAX; i++)
		if (s->macs[i])
			webhook_mac_add(s->macs[i], data, len);
}

/* Each key against each signature, all of them whatever comes of it. */
static void compare(struct signature *s)
{
	uint8_t raw[WEBHOOK_MAC];

	s->key = -1;
	for (size_t i = 0; i < KEYS_MAX; i++) {
		bool fits = false;

		if (!s->macs[i])
			continue;
		webhook_mac_end(s->macs[i], raw);
		s->macs[i] = NULL;
		for (size_t j = 0; j < s->n_shown; j++)
			fits |= !CRYPTO_memcmp(raw, s->shown[j], sizeof(raw));
		if (fits && s->key < 0)
			s->key = (int)i;
	}
	mem_wipe(raw, sizeof(raw));
	if (s->key < 0)
		wrong(s, "mismatch");
}

static bool is_far(const struct signature *s, int64_t now_us,
		   int64_t tolerance_us)
{
	if (!s->time_text)
		return false;
	if (llabs(now_us / SECOND - s->time) > FAR_S)
		return true;
	return llabs(now_us - s->time * SECOND) > tolerance_us;
}

int signature_end(struct signature *s, const void *body, size_t len,
		  int64_t now_us, int64_t tolerance_us, struct err *err)
{
	compare(s);
	if (s->why)
		return err_set(err, ERR_bad_signature,
			       "the signature is not good");
	sha256_hex(body, len, s->body_sha256);
	if (!is_far(s, now_us, tolerance_us))
		return 0;
	wrong(s, "stale");
	return err_set(err, ERR_stale_event, "it was signed %lld s %s now",
		       llabs(now_us / SECOND - s->time),
		       s->time > now_us / SECOND ? "after" : "before");
}

const char *signature_why(const struct signature *s)
{
	return s->why;
}

const char *signature_id(const struct signature *s)
{
	return s->id;
}

const char *signature_event(const struct signature *s)
{
	return s->event;
}

int64_t signature_time(const struct signature *s)
{
	return s->time;
}

const char *signature_body_sha256(const struct signature *s)
{
	return s->body_sha256;
}

int signature_key(const struct signature *s)
{
	return s->key;
}
