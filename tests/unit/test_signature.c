/* Webhooks' signatures: the published vectors, and all that is none. */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

#include "agent/ops/signature.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/sha256.h"

#define MINUTE 60000000LL
#define TOLERANCE (5 * MINUTE)
#define LEFT_TO_CHANCE 8	/* characters: not guessed in a test's time */

struct vector {
	enum webhook_scheme scheme;
	const char *secret, *id, *time, *signature, *body;
	int64_t now;		/* seconds */
};

static const struct vector vectors[] = {
	/* GitHub, "Testing the webhook payload validation" */
	{WEBHOOK_GITHUB, "It's a Secret to Everybody", NULL, NULL,
	 "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b0"
	 "43e17", "Hello, World!", 0},
	/* Standard Webhooks, the reference libraries' own test */
	{WEBHOOK_STANDARD, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
	 "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330",
	 "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
	 "{\"test\": 2432232314}", 1614265330},
	{WEBHOOK_STANDARD, "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
	 "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330",
	 "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
	 "{\"test\": 2432232314}", 1614265330},
	/* Stripe, as "Verify webhook signatures manually" has it made */
	{WEBHOOK_STRIPE, "whsec_test_secret", NULL, NULL,
	 "t=1492774577,v1=799c4ba7bb339f3c8601adfd112f0e477c930a26"
	 "8be1243d341abb8286501c2f",
	 "{\"id\":\"evt_1\"}", 1492774577},
	{WEBHOOK_HMAC_SHA256, "0123456789abcdefg", "evt-1", "1492774577",
	 "sha256=8897d9d7e16ab393ef5d71f408c8d8e147b250a2"
	 "934361ce23cfa88645093d85",
	 "{\"id\":\"evt_1\"}", 1492774577},
};

static struct signature_shown shown_of(const struct vector *v)
{
	return (struct signature_shown){.part = {
		[WEBHOOK_ID] = v->id, [WEBHOOK_TIME] = v->time,
		[WEBHOOK_SIGNATURE] = v->signature,
		[WEBHOOK_EVENT] = v->scheme == WEBHOOK_GITHUB ? "push" :
							       NULL}};
}

static void key_of(enum webhook_scheme scheme, const char *secret,
		   struct webhook_key *key)
{
	ck_assert_int_eq(webhook_key(scheme, secret, strlen(secret), key,
				     NULL), 0);
}

/* The body in two pieces. NULL: it is good; else why not. */
static const char *judge(const struct vector *v, size_t cut,
			 enum err_code *code)
{
	const struct signature_shown shown = shown_of(v);
	const size_t len = strlen(v->body);
	struct webhook_key key;
	struct signature *s;
	struct err err = {0};
	const char *why;
	int rc;

	key_of(v->scheme, v->secret, &key);
	s = signature_begin(v->scheme, &key, 1, &shown);
	signature_add(s, v->body, cut);
	signature_add(s, v->body + cut, len - cut);
	rc = signature_end(s, v->body, len, v->now * 1000000, TOLERANCE, &err);
	why = signature_why(s);
	ck_assert_int_eq(rc, why ? -1 : 0);
	if (code)
		*code = err.code;
	err_fini(&err);
	signature_free(s);
	return why;
}

START_TEST(the_published_vectors_are_good_however_they_are_cut)
{
	for (size_t i = 0; i < ARRAY_LEN(vectors); i++)
		for (size_t cut = 0; cut <= strlen(vectors[i].body); cut++)
			ck_assert_msg(!judge(&vectors[i], cut, NULL),
				      "%zu at %zu", i, cut);
}
END_TEST

/* With one byte of text another one, it is bad: at each place. */
static void spoil_each(const struct vector *v, const char **text)
{
	const char *whole = *text;
	char *copy = xstrdup(whole);
	enum err_code code;

	*text = copy;
	for (size_t i = 0; whole[i]; i++) {
		copy[i] ^= 1;
		ck_assert_msg(judge(v, 0, &code) != NULL, "%s", copy);
		ck_assert_int_eq(code, ERR_bad_signature);
		copy[i] = whole[i];
	}
	copy[strlen(whole) - 1] = 0;		/* and the last one less */
	ck_assert_msg(judge(v, 0, NULL) != NULL, "%s", copy);
	*text = whole;
	free(copy);
}

START_TEST(with_any_byte_changed_it_is_not_good)
{
	for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
		struct vector v = vectors[i];

		spoil_each(&v, &v.body);
		spoil_each(&v, &v.signature);
		if (v.id)
			spoil_each(&v, &v.id);
		if (v.time)
			spoil_each(&v, &v.time);
		if (v.scheme != WEBHOOK_STANDARD)
			spoil_each(&v, &v.secret);
	}
}
END_TEST

START_TEST(what_cannot_be_good_is_told_for_the_record)
{
	static const char stripe[] = "v1=0123456789012345678901234567890123"
				     "456789012345678901234567890123";
	static const char b64[] = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOL"
				  "J1OE=";
	static const char hex[] = "sha256=757107ea0eb2509fc211221cce984b8a375"
				  "70b6d7586c22c46f4379c8b043e17";
	char twice[200], bare[200], long_id[300];
	const struct { int like; const char *id, *time, *shown, *why; } cases[] = {
		{0, NULL, NULL, NULL, "missing"},
		{0, NULL, NULL, "", "malformed"},
		{0, NULL, NULL, "sha1=757107ea0eb2509fc211221cce984b8a37570b6d",
			"malformed"},
		{0, NULL, NULL, hex + 7, "malformed"},
		{0, NULL, NULL, "sha256=757107EA0EB2509FC211221CCE984B8A37570"
			"B6D7586C22C46F4379C8B043E17", "malformed"},
		{0, "a.b", NULL, hex, "malformed"},
		{1, NULL, "1614265330", b64, "missing"},
		{1, "m", NULL, b64, "missing"},
		{1, "m", "1614265330", NULL, "missing"},
		{1, "m", "", b64, "malformed"},
		{1, "m", "1614265330 ", b64, "malformed"},
		{1, "m", "-1614265330", b64, "malformed"},
		{1, "m", "+1614265330", b64, "malformed"},
		{1, "m", "0x60379f72", b64, "malformed"},
		{1, "m", "1614265330.5", b64, "malformed"},
		{1, "m", "1614265330161426", b64, "malformed"},
		{1, "m.1614265330", "1614265330", b64, "malformed"},
		{1, "", "1614265330", b64, "malformed"},
		{1, "m m", "1614265330", b64, "malformed"},
		{1, "m\x7f", "1614265330", b64, "malformed"},
		{1, "\xc3\xa9", "1614265330", b64, "malformed"},
		{1, long_id, "1614265330", b64, "malformed"},
		{1, "m", "1614265330", b64 + 1, "malformed"},
		{1, "m", "1614265330", "v1a,g0hM9SsE", "malformed"},
		{1, "m", "1614265330", b64, "mismatch"},
		{3, NULL, NULL, "t=1492774577", "malformed"},
		{3, NULL, NULL, stripe, "missing"},
		{3, NULL, NULL, bare, "malformed"},
		{3, NULL, NULL, twice, "malformed"},
		{4, NULL, "1492774577", hex, "missing"},
		{4, "e", NULL, hex, "missing"},
		{4, "e", "1492774577", hex, "mismatch"},
	};

	snprintf(twice, sizeof(twice), "t=1492774577,t=1492774577,%s", stripe);
	snprintf(bare, sizeof(bare), "t=,%s", stripe);
	memset(long_id, 'm', sizeof(long_id));
	long_id[WEBHOOK_ID_MAX + 1] = 0;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct vector v = vectors[cases[i].like];
		enum err_code code;
		const char *why;

		v.id = cases[i].id;
		v.time = cases[i].time;
		v.signature = cases[i].shown;
		why = judge(&v, 0, &code);
		ck_assert_msg(why && !strcmp(why, cases[i].why), "%zu: %s", i,
			      why ? why : "good");
		ck_assert_int_eq(code, ERR_bad_signature);
	}
}
END_TEST

START_TEST(who_does_not_know_the_secret_learns_nothing_of_the_time)
{
	struct vector v = vectors[1];
	enum err_code code;

	for (int side = -1; side <= 1; side += 2) {
		v.now = vectors[1].now + side * 300;
		ck_assert_ptr_null(judge(&v, 0, NULL));
		v.now += side;
		ck_assert_str_eq(judge(&v, 0, &code), "stale");
		ck_assert_int_eq(code, ERR_stale_event);
		v.body = "{}";
		ck_assert_str_eq(judge(&v, 0, &code), "mismatch");
		ck_assert_int_eq(code, ERR_bad_signature);
		v.body = vectors[1].body;
	}
	v.now = INT64_MAX / 1000000;
	ck_assert_str_eq(judge(&v, 0, &code), "stale");
	v.time = "999999999999999";
	v.now = 0;
	ck_assert_str_eq(judge(&v, 0, &code), "mismatch");
}
END_TEST

/* What webhook_sign() makes of it for these secrets, judged by others. */
static int sign_and_judge(enum webhook_scheme scheme,
			  const struct webhook_key *sign, size_t n_sign,
			  const struct webhook_key *judge_by, size_t n)
{
	const struct webhook_delivery d = {
		.id = "evt-1", .seconds = 1700000000, .event = "push",
		.body = "{\"id\":1}", .len = 8};
	struct signature_shown shown = {{NULL}};
	struct webhook_headers h;
	struct signature *s;
	int key;

	webhook_sign(scheme, sign, n_sign, &d, &h);
	for (size_t i = 0; i < h.n; i++)
		for (int part = 0; part < WEBHOOK_PARTS; part++) {
			const char *name = webhook_header(scheme, part);

			if (name && !strcmp(name, h.list[i].name))
				shown.part[part] = h.list[i].value;
		}
	s = signature_begin(scheme, judge_by, n, &shown);
	signature_add(s, d.body, d.len);
	key = signature_end(s, d.body, d.len, d.seconds * 1000000, TOLERANCE,
			    NULL) ? -1 : signature_key(s);
	if (key >= 0) {
		char hex[SHA256_HEX];

		sha256_hex(d.body, d.len, hex);
		ck_assert_str_eq(signature_body_sha256(s), hex);
		if (scheme != WEBHOOK_STRIPE)
			ck_assert_str_eq(signature_id(s), "evt-1");
		if (scheme == WEBHOOK_GITHUB)
			ck_assert_str_eq(signature_event(s), "push");
		else
			ck_assert_int_eq(signature_time(s), d.seconds);
	}
	signature_free(s);
	webhook_headers_fini(&h);
	return key;
}

START_TEST(what_is_signed_here_is_good_here_with_either_of_two_secrets)
{
	for (int scheme = 0; scheme < WEBHOOK_SCHEMES; scheme++) {
		static const char *const texts[] = {
			"MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
			"NfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
			"OfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"};
		struct webhook_key k[3], gap[2] = {{0}};
		bool several = scheme == WEBHOOK_STANDARD ||
			       scheme == WEBHOOK_STRIPE;

		for (size_t i = 0; i < 3; i++)
			key_of(scheme, texts[i], &k[i]);
		gap[1] = k[0];
		ck_assert_int_eq(sign_and_judge(scheme, k, 1, k, 1), 0);
		ck_assert_int_eq(sign_and_judge(scheme, k, 1, k, 2), 0);
		ck_assert_int_eq(sign_and_judge(scheme, k + 1, 1, k, 2), 1);
		ck_assert_int_eq(sign_and_judge(scheme, k, 1, gap, 2), 1);
		ck_assert_int_eq(sign_and_judge(scheme, k + 2, 1, k, 2), -1);
		ck_assert_int_eq(sign_and_judge(scheme, k + 1, 2, k, 2), 1);
		ck_assert_int_eq(sign_and_judge(scheme, k + 1, 2, k + 2, 1),
				 several ? 0 : -1);
		ck_assert_int_eq(sign_and_judge(scheme, k, 1, gap, 1), -1);
	}
}
END_TEST

/* n - 1 signatures that are wrong, and the good one at the end. */
static const char *among(const struct vector *like, int n)
{
	const bool stripe = like->scheme == WEBHOOK_STRIPE;
	const char *good = stripe ? strchr(like->signature, ',') + 1 :
				    like->signature;
	struct vector v = *like;
	struct buf b = {0};
	const char *why;

	if (stripe)
		buf_adds(&b, "t=1492774577,v0=aa,");
	for (int i = 0; i < n; i++) {
		buf_adds(&b, good);
		if (i < n - 1) {
			b.data[b.len - 3] ^= 1;
			buf_adds(&b, stripe ? "," : " ");
		}
	}
	v.signature = b.data;
	why = judge(&v, 0, NULL);
	buf_fini(&b);
	return why;
}

START_TEST(one_of_sixteen_signatures_is_enough_and_seventeen_are_too_many)
{
	for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
		if (vectors[i].scheme != WEBHOOK_STANDARD &&
		    vectors[i].scheme != WEBHOOK_STRIPE)
			continue;
		for (int n = 1; n <= WEBHOOK_SIGNATURES_MAX; n++)
			ck_assert_ptr_null(among(&vectors[i], n));
		ck_assert_str_eq(among(&vectors[i], 17),
				 "too_many_signatures");
		ck_assert_str_eq(among(&vectors[i], 500),
				 "too_many_signatures");
	}
}
END_TEST

START_TEST(one_that_was_spoiled_is_not_good)
{
	const struct vector *v = &vectors[0];
	const struct signature_shown shown = shown_of(v);
	struct webhook_key key;
	struct signature *s;

	key_of(v->scheme, v->secret, &key);
	s = signature_begin(v->scheme, &key, 1, &shown);
	signature_add(s, v->body, 3);
	signature_spoil(s);
	signature_add(s, v->body + 3, strlen(v->body) - 3);
	ck_assert_int_eq(signature_end(s, v->body, strlen(v->body), 0,
				       TOLERANCE, NULL), -1);
	ck_assert_str_eq(signature_why(s), "malformed");
	signature_free(s);
	signature_free(NULL);
}
END_TEST

START_TEST(a_secret_is_long_enough_and_of_its_scheme)
{
	static const struct { int scheme; const char *text; int rc; } cases[] = {
		{WEBHOOK_GITHUB, "0123456789abcde", -1},
		{WEBHOOK_GITHUB, "0123456789abcdef", 0},
		{WEBHOOK_STRIPE, "whsec_0123456789", 0},
		{WEBHOOK_STANDARD, "whsec_", -1},
		{WEBHOOK_STANDARD, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS", -1},
		{WEBHOOK_STANDARD, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa==", -1},
		{WEBHOOK_STANDARD, "whsec_not base64 not base64 not base64", -1},
		{WEBHOOK_STANDARD, "WHSEC_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", -1},
	};
	char much[WEBHOOK_KEY_MAX + 2];
	struct webhook_key key;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err err = {0};

		ck_assert_int_eq(webhook_key(cases[i].scheme, cases[i].text,
					     strlen(cases[i].text), &key,
					     &err), cases[i].rc);
		ck_assert(!cases[i].rc == !strstr(err.detail, "secret of") ||
			  strstr(err.detail, "this has"));
		ck_assert_ptr_null(strstr(err.detail, "MfKQ"));
		err_fini(&err);
	}
	memset(much, 'x', sizeof(much));
	ck_assert_int_eq(webhook_key(WEBHOOK_GITHUB, much, WEBHOOK_KEY_MAX,
				     &key, NULL), 0);
	ck_assert_int_eq(webhook_key(WEBHOOK_GITHUB, much, WEBHOOK_KEY_MAX + 1,
				     &key, NULL), -1);
}
END_TEST

static uint32_t next_random(uint32_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 17;
	*seed ^= *seed << 5;
	return *seed;
}

/* Bytes of any kind, and often those that mean something. */
static void random_text(uint32_t *seed, char *out, size_t max)
{
	static const char sense[] = "v1=,t= sha256v1,0123456789abcdefABC=+/.";
	size_t n = next_random(seed) % max;

	for (size_t i = 0; i < n; i++) {
		uint32_t r = next_random(seed);

		out[i] = r & 0x300 ? sense[(r >> 10) % (sizeof(sense) - 1)] :
				     (char)(r & 0xff ? r & 0xff : 1);
	}
	out[n] = 0;
}

START_TEST(no_bytes_make_it_stumble_or_are_good)
{
	uint32_t seed = 20261122;
	char text[3][700];

	for (int i = 0; i < 40000; i++) {
		struct vector v = vectors[i % ARRAY_LEN(vectors)];

		for (int j = 0; j < 3; j++)
			random_text(&seed, text[j], j ? 40 : 700);
		if (next_random(&seed) & 1)
			memcpy(text[0], v.signature,
			       next_random(&seed) %
			       (strlen(v.signature) - LEFT_TO_CHANCE));
		v.signature = text[0];
		v.id = i & 4 ? text[1] : v.id;
		v.time = i & 8 ? text[2] : v.time;
		ck_assert_ptr_nonnull(judge(&v, 0, NULL));
	}
}
END_TEST

TESTS("signature", the_published_vectors_are_good_however_they_are_cut,
      with_any_byte_changed_it_is_not_good,
      what_cannot_be_good_is_told_for_the_record,
      who_does_not_know_the_secret_learns_nothing_of_the_time,
      what_is_signed_here_is_good_here_with_either_of_two_secrets,
      one_of_sixteen_signatures_is_enough_and_seventeen_are_too_many,
      one_that_was_spoiled_is_not_good,
      a_secret_is_long_enough_and_of_its_scheme,
      no_bytes_make_it_stumble_or_are_good)
