/*
 * Signatures that others have published, made again: GitHub, "Validating
 * webhook deliveries"; the specification of Standard Webhooks, "Signature
 * scheme", and its libraries' tests; RFC 4231, case 1 to 7 of HMAC-SHA-256.
 * Stripe publishes none: that one its library for Node has made.
 */
#include <string.h>

#include "common/err.h"
#include "common/sha256.h"
#include "common/webhook.h"
#include "tests/unit/unit.h"

START_TEST(what_a_sender_has_published_is_made_again)
{
	static const struct {
		enum webhook_scheme scheme;
		const char *secret, *id;
		int64_t seconds;
		const char *body, *signature;
	} cases[] = {
		{WEBHOOK_GITHUB, "It's a Secret to Everybody", "x", 0,
		 "Hello, World!",
		 "sha256=757107ea0eb2509fc211221cce984b8a"
		 "37570b6d7586c22c46f4379c8b043e17"},
		{WEBHOOK_STANDARD, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
		 "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330,
		 "{\"test\": 2432232314}",
		 "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="},
		{WEBHOOK_STRIPE, "whsec_0123456789abcdef0123456789abcdef", NULL,
		 1700000000,
		 "{\"id\":\"evt_test_webhook\",\"object\":\"event\"}",
		 "t=1700000000,v1=ea1b557447ef6bf575717179d9a0859e"
		 "f53581151870041a9f4f6b37d5293baa"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct webhook_delivery d = {
			.id = cases[i].id, .seconds = cases[i].seconds,
			.body = cases[i].body, .len = strlen(cases[i].body)};
		const char *name = webhook_header(cases[i].scheme,
						  WEBHOOK_SIGNATURE);
		struct webhook_headers h;
		struct webhook_key key;
		const char *found = "";

		ck_assert(!webhook_key(cases[i].scheme, cases[i].secret,
				       strlen(cases[i].secret), &key, NULL));
		webhook_sign(cases[i].scheme, &key, 1, &d, &h);
		for (size_t k = 0; k < h.n; k++)
			if (!strcmp(h.list[k].name, name))
				found = h.list[k].value;
		ck_assert_str_eq(found, cases[i].signature);
		webhook_headers_fini(&h);
	}
}
END_TEST

static void fill(struct webhook_key *key, int byte, size_t len)
{
	memset(key->bytes, byte, len);
	key->len = len;
}

/* In pieces of each length: streaming is no other sum. */
static void sums_to(const struct webhook_key *key, const char *data,
		    const char *hex)
{
	const size_t len = strlen(data);
	uint8_t raw[WEBHOOK_MAC];
	char got[2 * WEBHOOK_MAC + 1];

	for (size_t piece = 1; piece <= len; piece++) {
		struct webhook_mac *m = webhook_mac_new(key);

		for (size_t at = 0; at < len; at += piece)
			webhook_mac_add(m, data + at, len - at < piece ?
					len - at : piece);
		webhook_mac_end(m, raw);
		hex_of(raw, WEBHOOK_MAC, got);
		ck_assert_str_eq(got, hex);
	}
}

START_TEST(a_mac_in_pieces_is_that_of_rfc_4231)
{
	char of_50[51];
	struct webhook_key key;

	fill(&key, 0x0b, 20);
	sums_to(&key, "Hi There", "b0344c61d8db38535ca8afceaf0bf12b"
		"881dc200c9833da726e9376c2e32cff7");
	memcpy(key.bytes, "Jefe", 4);
	key.len = 4;
	sums_to(&key, "what do ya want for nothing?",
		"5bdcc146bf60754e6a042426089575c7"
		"5a003f089d2739839dec58b964ec3843");
	fill(&key, 0xaa, 20);
	memset(of_50, 0xdd, 50);
	of_50[50] = 0;
	sums_to(&key, of_50, "773ea91e36800e46854db8ebd09181a7"
		"2959098b3ef8c122d9635514ced565fe");
	for (uint8_t i = 0; i < 25; i++)
		key.bytes[i] = (uint8_t)(i + 1);
	key.len = 25;
	memset(of_50, 0xcd, 50);
	sums_to(&key, of_50, "82558a389a443c0ea4cc819899f2083a"
		"85f0faa3e578f8077a2e3ff46729665b");
	fill(&key, 0xaa, 131);
	sums_to(&key, "Test Using Larger Than Block-Size Key - Hash Key First",
		"60e431591ee0b67f0d8a26aacbf5b77f"
		"8e0bc6213728c5140546040f0ee37f54");
	sums_to(&key, "This is a test using a larger than block-size key and "
		"a larger than block-size data. The key needs to be hashed "
		"before being used by the HMAC algorithm.",
		"9b09ffa71b942fcb27635fbcd5b0e944"
		"bfdc63644f0713938a7f51535c3a35e2");
}
END_TEST

TESTS("webhook vectors", what_a_sender_has_published_is_made_again,
      a_mac_in_pieces_is_that_of_rfc_4231)
