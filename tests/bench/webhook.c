/*
 * What it costs to verify a webhook's signature while its body comes in, in
 * pieces as a socket gives them, beside OpenSSL's HMAC of the same bytes in
 * one call. "signature" is that alone, as a wrong one has no more done to it;
 * "accepted" is that and the digest of the body, by which it is known again;
 * "rotating" is with two secrets. Rounds take turns; the best counts, as
 * nothing but the processor has a part in it.
 */
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/ops/signature.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/mem.h"
#include "common/sha256.h"

enum { TIMES = 1000, ROUNDS = 51, PIECE = 4096, BODY_MAX = 1 << 20 };

struct load {
	struct webhook_key keys[2];
	struct signature_shown good, bad;
	char body[BODY_MAX];
	size_t len;
};

static void verify(const struct load *l, size_t keys,
		   const struct signature_shown *shown, int expect)
{
	struct signature *s = signature_begin(WEBHOOK_GITHUB, l->keys, keys,
					      shown);

	for (size_t at = 0; at < l->len; at += PIECE)
		signature_add(s, l->body + at, l->len - at < PIECE ?
			      l->len - at : PIECE);
	if (signature_end(s, l->body, l->len, 0, 0, NULL) != expect)
		abort();
	signature_free(s);
}

static void openssl(const struct load *l)
{
	unsigned char raw[WEBHOOK_MAC];

	if (!HMAC(EVP_sha256(), l->keys[0].bytes, (int)l->keys[0].len,
		  (const unsigned char *)l->body, l->len, raw, NULL))
		abort();
	__asm__ volatile("" : : "r"(raw) : "memory");
}

static void refused(const struct load *l)
{
	verify(l, 1, &l->bad, -1);
}

static void accepted(const struct load *l)
{
	verify(l, 1, &l->good, 0);
}

static void rotating(const struct load *l)
{
	verify(l, 2, &l->good, 0);
}

static void digest(const struct load *l)
{
	char hex[SHA256_HEX];

	sha256_hex(l->body, l->len, hex);
	__asm__ volatile("" : : "r"(hex) : "memory");
}

static const struct {
	const char *name;
	void (*run)(const struct load *l);
} kinds[] = {
	{"openssl_hmac", openssl}, {"signature", refused},
	{"accepted", accepted}, {"rotating", rotating},
	{"sha256", digest},
};

static void measure(struct load *l, size_t len)
{
	double us, best[ARRAY_LEN(kinds)] = {0};
	const struct webhook_delivery d = {.id = "e1", .event = "push",
					   .body = l->body, .len = len};
	const int times = (int)(TIMES * 1024 / (len + 512)) + 1;
	struct webhook_headers h;

	l->len = len;
	webhook_sign(WEBHOOK_GITHUB, l->keys, 1, &d, &h);
	for (size_t i = 0; i < h.n; i++)
		if (!strcmp(h.list[i].name, webhook_header(WEBHOOK_GITHUB,
							   WEBHOOK_SIGNATURE)))
			l->good.part[WEBHOOK_SIGNATURE] = h.list[i].value;
	for (int r = 0; r < ROUNDS; r++)
		for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
			int64_t began = clock_mono_us();

			for (int i = 0; i < times; i++)
				kinds[k].run(l);
			us = (double)(clock_mono_us() - began) / times;
			if (!r || us < best[k])
				best[k] = us;
		}
	for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
		printf("webhook_%s_%zuk %.3f us\n", kinds[k].name, len >> 10,
		       best[k]);
		if (k && k < ARRAY_LEN(kinds) - 1)
			printf("webhook_%s_%zuk_to_openssl %.3f ratio\n",
			       kinds[k].name, len >> 10,
			       best[k] / best[0]);
	}
	webhook_headers_fini(&h);
}

int main(void)
{
	static const char *const secrets[] = {"a secret of this bench alone",
					      "and the next one, as long"};
	static struct load l;

	for (size_t i = 0; i < ARRAY_LEN(secrets); i++)
		if (webhook_key(WEBHOOK_GITHUB, secrets[i],
				strlen(secrets[i]), &l.keys[i], NULL))
			abort();
	for (size_t i = 0; i < sizeof(l.body); i++)
		l.body[i] = (char)(' ' + i * 7 % 90);
	l.bad.part[WEBHOOK_SIGNATURE] =
		"sha256=00000000000000000000000000000000"
		"00000000000000000000000000000000";
	measure(&l, 1 << 10);
	measure(&l, 10 << 10);
	measure(&l, BODY_MAX);
	return 0;
}
