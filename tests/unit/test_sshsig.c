/*
 * SSH signatures: those of the real ssh-keygen hold, by every type of key that
 * it makes, and it takes ours to be what they are; nothing else holds.
 */
#include "common/sshsig.h"

#include "common/err.h"
#include "common/sshkey.h"
#include "tests/unit/sshkeys.h"

#define TEXT "{\"decision\":\"approve\",\"v\":1}"

static const struct {
	const char *name, *how, *type, *sign;
} kinds[] = {
	{"ed", "ed25519", "ssh-ed25519", ""},
	{"ec256", "ecdsa -b 256", "ecdsa-sha2-nistp256", ""},
	{"ec384", "ecdsa -b 384", "ecdsa-sha2-nistp384", ""},
	{"ec521", "ecdsa -b 521", "ecdsa-sha2-nistp521", ""},
	{"rsa", "rsa -b 2048", "ssh-rsa", ""},
	{"ed", NULL, "ssh-ed25519", "-O hashalg=sha256"},
	{"rsa", NULL, "ssh-rsa", "-O hashalg=sha256"},
};

/* In memory of exactly this size, so that a byte too far is noticed. */
static bool holds_as(const char *text, size_t len, const char *space,
		     const char *words)
{
	char *exact = xmalloc(len ? len : 1);
	struct sshsig *s = NULL;
	struct err err = {0};
	bool ok;

	memcpy(exact, text, len);
	ok = !sshsig_read(&s, exact, len, &err) &&
	     !sshsig_verify(s, space, words, strlen(words), &err);
	free(exact);
	ck_assert_int_eq(ok, !err.code);
	if (!ok) {
		ck_assert_int_eq(err.code, ERR_invalid_request);
		ck_assert(*err.detail);
	}
	sshsig_free(s);
	err_fini(&err);
	return ok;
}

static bool holds(const char *text, size_t len)
{
	return holds_as(text, len, SPACE, TEXT);
}

static bool blob_holds(const char *blob, size_t n)
{
	size_t len;
	char *text = armor(blob, n, &len);
	bool ok = holds(text, len);

	free(text);
	return ok;
}

static void nothing_else_holds(const char *text, size_t len)
{
	size_t n;
	char *blob = unarmor(text, &n);

	ck_assert(blob_holds(blob, n));
	for (size_t bit = 0; bit < n * 8; bit++) {
		blob[bit / 8] ^= (char)(1 << bit % 8);
		ck_assert_msg(!blob_holds(blob, n), "bit %zu", bit);
		blob[bit / 8] ^= (char)(1 << bit % 8);
	}
	for (size_t cut = 0; cut < n; cut++)
		ck_assert_msg(!blob_holds(blob, cut), "cut at %zu", cut);
	for (size_t cut = 0; cut < len - 1; cut++)
		ck_assert_msg(!holds(text, cut), "cut at %zu", cut);
	ck_assert(holds(text, len - 1));	/* without the last LF */
	free(blob);
	ck_assert(!holds_as(text, len, SPACE, TEXT " "));
	ck_assert(!holds_as(text, len, SPACE, "{}"));
	ck_assert(!holds_as(text, len, SPACE, ""));
	ck_assert(!holds_as(text, len, "approval@kircert", TEXT));
	ck_assert(!holds_as(text, len, "approval@kircerta2", TEXT));
	ck_assert(!holds_as(text, len, "file", TEXT));
	ck_assert(!holds_as(text, len, "", TEXT));
}

START_TEST(signatures_of_ssh_keygen_hold_and_no_bit_of_them_may_differ)
{
	keys_open();
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		char print[SSHKEY_PRINT], *text, *listed;
		struct sshsig *s;
		size_t len;

		if (kinds[i].how)
			key_make(kinds[i].name, kinds[i].how);
		text = key_sign(kinds[i].name, SPACE, kinds[i].sign, TEXT,
				&len);
		ck_assert(!sshsig_read(&s, text, len, NULL));
		ck_assert_str_eq(sshkey_type(sshsig_key(s)), kinds[i].type);
		sshkey_print(sshsig_key(s), print);
		ck_assert(!sh("ssh-keygen -l -f %s.pub | cut -d' ' -f2 >print",
			      kinds[i].name));
		listed = get_file("print", NULL);
		listed[strcspn(listed, "\n")] = 0;
		ck_assert_str_eq(print, listed);
		sshsig_free(s);
		nothing_else_holds(text, len);
		free(listed);
		free(text);
		text = key_sign(kinds[i].name, "file", "", TEXT, &len);
		ck_assert(!holds(text, len));
		ck_assert(holds_as(text, len, "file", TEXT));
		free(text);
	}
	keys_close();
}
END_TEST

START_TEST(no_bit_of_the_armor_may_differ)
{
	size_t len;
	char *text;

	keys_open();
	key_make("ed", "ed25519");
	text = key_sign("ed", SPACE, "", TEXT, &len);
	for (size_t bit = 0; bit < len * 8; bit++) {
		text[bit / 8] ^= (char)(1 << bit % 8);
		ck_assert_msg(!holds(text, len), "bit %zu", bit);
		text[bit / 8] ^= (char)(1 << bit % 8);
	}
	ck_assert(holds(text, len));
	free(text);
	keys_close();
}
END_TEST

START_TEST(security_keys_sign_when_touched)
{
	for (int ec = 0; ec < 2; ec++) {
		struct token_key k = token_make(ec);
		char *text;
		struct buf line = {0};
		size_t len;

		keys_open();
		text = token_sign(&k, TEXT, 1, &len);
		nothing_else_holds(text, len);
		/* and the real ssh-keygen says the same of it */
		put_file("text", TEXT, strlen(TEXT));
		put_file("sig", text, len);
		buf_addf(&line, "ana %s ", ec ? SK_EC : SK_ED);
		base64_add(&line, k.blob.data, k.blob.len);
		buf_adds(&line, "\n");
		put_file("signers", line.data, line.len);
		ck_assert(!sh("ssh-keygen -Y verify -f signers -I ana -n "
			      SPACE " -s sig <text >>log"));
		free(text);
		text = token_sign(&k, TEXT, 5, &len);	/* and verified */
		ck_assert(holds(text, len));
		free(text);
		for (uint8_t flags = 0; flags < 8; flags += 2) {
			text = token_sign(&k, TEXT, flags, &len);
			ck_assert(!holds(text, len));
			free(text);
		}
		buf_fini(&line);
		token_free(&k);
		keys_close();
	}
}
END_TEST

/* An SSHSIG blob with each part as given. */
static bool made_holds(const char *key_blob, size_t key_len, const char *space,
		       const char *reserved, const char *hash,
		       const char *sig, size_t sig_len, const char *more)
{
	struct buf b = {0};
	bool ok;

	buf_add(&b, "SSHSIG\0\0\0\1", 10);
	put_string(&b, key_blob, key_len);
	put_text(&b, space);
	put_text(&b, reserved);
	put_text(&b, hash);
	put_string(&b, sig, sig_len);
	buf_adds(&b, more);
	ok = blob_holds(b.data, b.len);
	buf_fini(&b);
	return ok;
}

static void parts(const char *blob, struct buf *key, struct buf *sig)
{
	const uint8_t *at = (const uint8_t *)blob + 10;

	for (int i = 0; i < 5; i++) {
		size_t n = (size_t)at[0] << 24 | (size_t)at[1] << 16 |
			   (size_t)at[2] << 8 | at[3];

		if (!i)
			buf_add(key, at + 4, n);
		if (i == 4)
			buf_add(sig, at + 4, n);
		at += 4 + n;
	}
}

START_TEST(what_has_no_meaning_is_refused)
{
	static const struct {
		const char *space, *reserved, *hash, *more;
		bool ok;
	} cases[] = {
		{SPACE, "", "sha512", "", true},
		{SPACE, "", "sha512", "x", false},
		{SPACE, "x", "sha512", "", false},
		{SPACE, "", "sha256", "", false},
		{SPACE, "", "sha1", "", false},
		{SPACE, "", "SHA512", "", false},
		{SPACE, "", "", "", false},
		{"", "", "sha512", "", false},
		{SPACE "\n", "", "sha512", "", false},
	};
	struct buf key = {0}, sig = {0};
	char *text, *blob;
	size_t len, n;

	keys_open();
	key_make("ed", "ed25519");
	text = key_sign("ed", SPACE, "", TEXT, &len);
	blob = unarmor(text, &n);
	parts(blob, &key, &sig);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		ck_assert_msg(made_holds(key.data, key.len, cases[i].space,
					 cases[i].reserved, cases[i].hash,
					 sig.data, sig.len, cases[i].more) ==
			      cases[i].ok, "case %zu", i);
	buf_adds(&sig, "x");
	ck_assert(!made_holds(key.data, key.len, SPACE, "", "sha512", sig.data,
			      sig.len, ""));
	sig.len--;
	buf_adds(&key, "x");
	ck_assert(!made_holds(key.data, key.len, SPACE, "", "sha512", sig.data,
			      sig.len, ""));
	buf_fini(&key);
	buf_fini(&sig);
	free(text);
	free(blob);
	keys_close();
}
END_TEST

START_TEST(the_armor_has_one_form)
{
	static const char *const forms[] = {
		"", "\n", "-----BEGIN SSH SIGNATURE-----\n",
		"-----BEGIN SSH SIGNATURE-----\n-----END SSH SIGNATURE-----\n",
		"-----BEGIN SSH SIGNATURE-----\n\n-----END SSH SIGNATURE-----",
		"-----BEGIN SSH SIGNATURE-----\nAAAA\n"
		"-----END SSH SIGNATURE-----\n",
		"-----BEGIN SSH SIGNATURE-----\nU1NIU0lH\n"
		"-----END SSH SIGNATURE-----\n",
		"-----BEGIN SSH SIGNATURE-----",
	};
	char *text, *other;
	size_t len;

	for (size_t i = 0; i < ARRAY_LEN(forms); i++)
		ck_assert_msg(!holds(forms[i], strlen(forms[i])), "%zu", i);
	keys_open();
	key_make("ed", "ed25519");
	text = key_sign("ed", SPACE, "", TEXT, &len);
	ck_assert(holds(text, len));
	for (int i = 0; i < 5; i++) {
		static const char *const before[] = {" ", "\n", "", "", ""};
		static const char *const after[] = {"", "", "\n", " ", "x"};

		other = xasprintf("%s%s%s", before[i], text, after[i]);
		ck_assert(!holds(other, strlen(other)));
		free(other);
	}
	other = xstrdup(text);			/* all in one line */
	for (char *at = strchr(other, '\n') + 1, *lf;
	     (lf = strchr(at, '\n')) && lf[1] != '-' && lf[1]; at = lf)
		memmove(lf, lf + 1, strlen(lf));
	ck_assert(!holds(other, strlen(other)));
	free(other);
	other = xasprintf("%.100s\n\n%s", text, text + 101);
	ck_assert_int_eq(text[100], '\n');
	ck_assert(!holds(other, strlen(other)));
	free(other);
	other = xmalloc(SSHSIG_ARMORED_MAX + 1);
	memset(other, 'A', SSHSIG_ARMORED_MAX + 1);
	memcpy(other, text, 40);
	ck_assert(!holds(other, SSHSIG_ARMORED_MAX + 1));
	free(other);
	free(text);
	keys_close();
}
END_TEST

static const char *why_not(const struct buf *blob)
{
	static char detail[480];
	struct sshkey *k = NULL;
	struct err err = {0};

	*detail = 0;
	if (sshkey_read(&k, blob->data, blob->len, &err))
		snprintf(detail, sizeof(detail), "%s", err.detail);
	sshkey_free(k);
	err_fini(&err);
	return detail;
}

START_TEST(weak_damaged_and_unknown_keys_are_refused)
{
	static const struct { const char *type, *why; } types[] = {
		{"ssh-dss", "not taken"}, {"", "not taken"},
		{"ssh-ed448", "not taken"}, {"ssh-rsa1", "not taken"},
		{"ssh-ed25519-cert-v01@openssh.com", "not taken"},
		{"webauthn-sk-ecdsa-sha2-nistp256@openssh.com", "not taken"},
		{"ssh-ed25519", "damaged"}, {"ecdsa-sha2-nistp256", "damaged"},
		{"ssh-rsa", "damaged"},
	};
	struct buf b = {0};
	uint8_t point[65] = {4, 1, 2, 3};
	BIGNUM *n = BN_new(), *e = BN_new();

	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		buf_reset(&b);
		put_text(&b, types[i].type);
		ck_assert_msg(strstr(why_not(&b), types[i].why) != NULL,
			      "%s: %s", types[i].type, why_not(&b));
	}
	buf_reset(&b);			/* not on the curve */
	put_text(&b, "ecdsa-sha2-nistp256");
	put_text(&b, "nistp256");
	put_string(&b, point, sizeof(point));
	ck_assert(strstr(why_not(&b), "damaged"));
	buf_reset(&b);			/* of another curve */
	put_text(&b, "ecdsa-sha2-nistp256");
	put_text(&b, "nistp384");
	put_string(&b, point, sizeof(point));
	ck_assert(strstr(why_not(&b), "damaged"));
	for (int i = 0; i < 6; i++) {
		static const int bits[] = {1024, 2047, 2048, 16384, 16392,
					   2048};
		static const int exponents[] = {3, 3, 3, 65537, 3, 1};

		BN_zero(n);
		BN_set_bit(n, bits[i] - 1);
		BN_set_bit(n, 0);
		BN_set_word(e, (BN_ULONG)exponents[i]);
		buf_reset(&b);
		put_text(&b, "ssh-rsa");
		put_number(&b, e);
		put_number(&b, n);
		ck_assert_msg(!*why_not(&b) == (i == 2 || i == 3), "%d: %s", i,
			      why_not(&b));
	}
	BN_free(n);
	BN_free(e);
	buf_fini(&b);
}
END_TEST

/* An RSA key of the test's own, so that it can sign in any way. */
static bool rsa_holds(EVP_PKEY *key, const char *digest, const char *name)
{
	struct buf blob = {0}, covered = {0}, sig = {0};
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	BIGNUM *n = NULL, *e = NULL;
	uint8_t raw[256];
	size_t len = sizeof(raw);
	bool ok;

	EVP_PKEY_get_bn_param(key, "n", &n);
	EVP_PKEY_get_bn_param(key, "e", &e);
	put_text(&blob, "ssh-rsa");
	put_number(&blob, e);
	put_number(&blob, n);
	token_covers(TEXT, &covered);
	ck_assert(EVP_DigestSignInit_ex(c, NULL, digest, NULL, NULL, key,
					NULL));
	ck_assert(EVP_DigestSign(c, raw, &len, (uint8_t *)covered.data,
				 covered.len));
	put_text(&sig, name);
	put_string(&sig, raw, len);
	ok = made_holds(blob.data, blob.len, SPACE, "", "sha512", sig.data,
			sig.len, "");
	EVP_MD_CTX_free(c);
	BN_free(n);
	BN_free(e);
	buf_fini(&blob);
	buf_fini(&covered);
	buf_fini(&sig);
	return ok;
}

START_TEST(rsa_is_taken_with_the_digest_that_it_names_and_never_sha1)
{
	static const struct { const char *digest, *name; bool ok; } ways[] = {
		{"SHA512", "rsa-sha2-512", true},
		{"SHA256", "rsa-sha2-256", true},
		{"SHA256", "rsa-sha2-512", false},
		{"SHA512", "rsa-sha2-256", false},
		{"SHA1", "ssh-rsa", false},
		{"SHA256", "ssh-rsa", false},
		{"SHA512", "ssh-rsa", false},
		{"SHA1", "rsa-sha2-256", false},
		{"SHA256", "", false},
	};
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048);

	for (size_t i = 0; i < ARRAY_LEN(ways); i++)
		ck_assert_msg(rsa_holds(key, ways[i].digest, ways[i].name) ==
			      ways[i].ok, "%zu", i);
	EVP_PKEY_free(key);
}
END_TEST

/* r and s of an ECDSA signature are all there is in it. */
START_TEST(nothing_follows_the_numbers_of_a_signature)
{
	struct buf key = {0}, sig = {0}, other = {0};
	const size_t head = 4 + strlen("ecdsa-sha2-nistp256");
	char *text, *blob;
	size_t len, n;

	keys_open();
	key_make("ec", "ecdsa -b 256");
	text = key_sign("ec", SPACE, "", TEXT, &len);
	blob = unarmor(text, &n);
	parts(blob, &key, &sig);
	for (int more = 0; more < 2; more++) {
		struct buf two = {0};

		buf_reset(&other);
		buf_add(&other, sig.data, head);
		buf_add(&two, sig.data + head + 4, sig.len - head - 4);
		buf_add(&two, "\0\0\0\1\1", more ? 5 : 0);
		put_string(&other, two.data, two.len);
		ck_assert(made_holds(key.data, key.len, SPACE, "", "sha512",
				     other.data, other.len, "") == !more);
		buf_fini(&two);
	}
	buf_fini(&key);
	buf_fini(&sig);
	buf_fini(&other);
	free(text);
	free(blob);
	keys_close();
}
END_TEST

/* A number has one form: no sign, and no zero that is not needed. */
START_TEST(numbers_have_one_form)
{
	static const struct { const char *e; size_t len; bool ok; } forms[] = {
		{"\3", 1, true}, {"\0\3", 2, false}, {"\0", 1, false},
		{"", 0, false}, {"\x83", 1, false}, {"\0\x83", 2, true},
		{"\0\0\x83", 3, false},
	};
	uint8_t n[257] = {0, 0xc0, [256] = 1};
	struct buf b = {0};

	for (size_t i = 0; i < ARRAY_LEN(forms); i++)
		for (int zero = 0; zero < 2; zero++) {
			buf_reset(&b);
			put_text(&b, "ssh-rsa");
			put_string(&b, forms[i].e, forms[i].len);
			put_string(&b, n + !zero, 256 + (size_t)zero);
			ck_assert_msg(!*why_not(&b) == (forms[i].ok && zero),
				      "%zu %d: %s", i, zero, why_not(&b));
		}
	buf_fini(&b);
}
END_TEST

TESTS("sshsig", signatures_of_ssh_keygen_hold_and_no_bit_of_them_may_differ,
      no_bit_of_the_armor_may_differ, security_keys_sign_when_touched,
      what_has_no_meaning_is_refused, the_armor_has_one_form,
      weak_damaged_and_unknown_keys_are_refused,
      rsa_is_taken_with_the_digest_that_it_names_and_never_sha1,
      nothing_follows_the_numbers_of_a_signature, numbers_have_one_form)
