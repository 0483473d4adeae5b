/*
 * Notes and checkpoints where OpenSSL fails, or somebody tries what the key
 * file, a name or a signature could be if it were not what we write.
 */
#include "tests/unit/unit.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/store/checkpoint.h"
#include "agent/store/note.h"
#include "common/base64.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/fs.h"

static const char *failing;	/* the function of OpenSSL that does */

static bool fails(const char *name)
{
	return failing && !strcmp(failing, name);
}

#define WRAP(type, name, params, args, bad)				\
	type __real_##name params;					\
	type __wrap_##name params;					\
	type __wrap_##name params					\
	{								\
		return fails(#name) ? bad : __real_##name args;		\
	}

WRAP(EVP_MD_CTX *, EVP_MD_CTX_new, (void), (), NULL)
WRAP(EVP_PKEY *, EVP_PKEY_new_raw_public_key,
     (int type, ENGINE *e, const unsigned char *key, size_t len),
     (type, e, key, len), NULL)
WRAP(int, EVP_PKEY_get_raw_public_key,
     (const EVP_PKEY *key, unsigned char *out, size_t *len),
     (key, out, len), 0)
WRAP(int, EVP_DigestSignInit,
     (EVP_MD_CTX *c, EVP_PKEY_CTX **k, const EVP_MD *t, ENGINE *e,
      EVP_PKEY *key), (c, k, t, e, key), 0)
WRAP(int, EVP_DigestSign,
     (EVP_MD_CTX *c, unsigned char *out, size_t *n, const unsigned char *of,
      size_t len), (c, out, n, of, len), 0)
WRAP(int, EVP_DigestVerifyInit,
     (EVP_MD_CTX *c, EVP_PKEY_CTX **k, const EVP_MD *t, ENGINE *e,
      EVP_PKEY *key), (c, k, t, e, key), 0)

static const char text[] = "text\n";
static char dir[] = "/tmp/kircerta-note-XXXXXX", pem[64], vkey[64];

/* A key of this kind in files like those of a home; of vkey if there is. */
static void write_pair(const char *name, const char *kind)
{
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, kind);
	char line[NOTE_VKEY_MAX];
	struct note_key k;
	uint8_t raw[32] = {0};
	size_t len = 32;
	FILE *out;

	if (!*pem) {
		ck_assert_ptr_nonnull(mkdtemp(dir));
		snprintf(pem, sizeof(pem), "%s/key", dir);
		snprintf(vkey, sizeof(vkey), "%s/vkey", dir);
	}
	out = fopen(pem, "w");
	PEM_write_PrivateKey(out, key, NULL, NULL, 0, NULL, NULL);
	fclose(out);
	ck_assert(EVP_PKEY_get_raw_public_key(key, raw, &len));
	ck_assert(!note_key_make(&k, name, NOTE_ED25519, raw, NULL));
	note_key_text(&k, line);
	ck_assert(!fs_replace(vkey, line, strlen(line), 0600, NULL));
	EVP_PKEY_free(key);
}

static struct note_signer *signer(const char *name)
{
	struct note_signer *s;

	write_pair(name, "ED25519");
	ck_assert(!note_signer_open(&s, pem, vkey, NULL));
	return s;
}

static bool opens(const struct buf *note, const struct note_key *key)
{
	struct note n;

	return !note_parse(&n, note->data, note->len, NULL) &&
	       !note_verify(&n, key, 1, NULL, NULL);
}

START_TEST(where_openssl_fails_nothing_is_signed_or_taken)
{
	static const char *const signing[] = {
		"EVP_MD_CTX_new", "EVP_DigestSignInit", "EVP_DigestSign",
	}, *const verifying[] = {
		"EVP_MD_CTX_new", "EVP_DigestVerifyInit",
		"EVP_PKEY_new_raw_public_key",
	};
	struct note_signer *s = signer("k");
	struct buf note = {0}, none = {0};
	struct err err = {0};
	uint8_t root[32] = {0};

	ck_assert(!note_sign(s, text, 5, &note, NULL));
	for (size_t i = 0; i < ARRAY_LEN(signing); i++) {
		failing = signing[i];
		ck_assert(note_sign(s, text, 5, &none, &err) == -1);
		ck_assert_int_eq(err.code, ERR_internal);
		ck_assert(note_cosign(s, text, 5, 1, &none, &err) == -1);
		ck_assert(checkpoint_sign(s, 1, root, &none, &err) == -1);
		ck_assert_uint_eq(none.len, 0);
	}
	for (size_t i = 0; i < ARRAY_LEN(verifying); i++) {
		failing = verifying[i];
		ck_assert(!opens(&note, note_signer_key(s)));
		failing = NULL;
		ck_assert(opens(&note, note_signer_key(s)));
	}
	note_signer_close(s);
	failing = "EVP_PKEY_get_raw_public_key";
	ck_assert(note_signer_open(&s, pem, vkey, &err) == -1);
	failing = NULL;
	buf_fini(&note);
	fs_remove_tree(dir);
}
END_TEST

START_TEST(a_key_that_is_not_there_or_of_another_kind_signs_nothing)
{
	struct note_signer *s;
	struct err err = {0};

	write_pair("k", "X25519");
	ck_assert(note_signer_open(&s, pem, vkey, &err) == -1);
	ck_assert_ptr_nonnull(strstr(err.detail, "no Ed25519 key"));
	ck_assert(!fs_replace(pem, "no key", 6, 0600, NULL));
	ck_assert(note_signer_open(&s, pem, vkey, &err) == -1);
	unlink(pem);
	ck_assert(note_signer_open(&s, pem, vkey, &err) == -1);
	ck_assert_msg(strstr(err.hint, "Restore") != NULL, "%s", err.hint);
	fs_remove_tree(dir);
}
END_TEST

START_TEST(names_that_no_key_can_have)
{
	char longest[NOTE_NAME_MAX + 2], line[400];
	struct note_key key = {0}, again;

	memset(longest, 'k', sizeof(longest));
	longest[NOTE_NAME_MAX + 1] = 0;
	ck_assert(note_key_make(&key, longest, NOTE_ED25519, key.raw, NULL));
	snprintf(line, sizeof(line), "%s+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsV"
		 "kmqq/LDE4izWy10TW", longest);
	ck_assert(note_key_parse(&again, line, strlen(line), NULL));
	longest[NOTE_NAME_MAX] = 0;
	ck_assert(!note_key_make(&key, longest, NOTE_COSIGNATURE, key.raw,
				 NULL));
	note_key_text(&key, line);
	ck_assert(!note_key_parse(&again, line, strlen(line), NULL));
	ck_assert(again.type == NOTE_COSIGNATURE && again.id == key.id);
	ck_assert(note_key_make(&key, "\xff", NOTE_ED25519, key.raw, NULL));
}
END_TEST

START_TEST(an_id_under_another_name_is_another_key)
{
	static const char *const names[] = {"key", "keys", "kez"};
	struct note_signer *s = signer("key");
	struct buf note = {0}, other = {0};
	const char *base64;

	ck_assert(!note_sign(s, text, 5, &note, NULL));
	base64 = strrchr(note.data, ' ');
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		buf_reset(&other);
		buf_addf(&other, "%s\n\xe2\x80\x94 %s%s", text, names[i],
			 base64);
		ck_assert_int_eq(opens(&other, note_signer_key(s)), !i);
	}
	note_signer_close(s);
	buf_fini(&note);
	buf_fini(&other);
	fs_remove_tree(dir);
}
END_TEST

/* What lines signed by the log's own key would have to be. */
START_TEST(what_a_key_signed_is_not_yet_a_checkpoint)
{
#define ROOT "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"
	static const struct { const char *text; bool ok; } cases[] = {
		{"log\n1\n" ROOT, true}, {"log\n1\n" ROOT "more\n", true},
		{"other\n1\n" ROOT, false}, {"log\n1x\n" ROOT, false},
		{"log\n1/\n" ROOT, false}, {"log\n1\n", false},
		{"log\n12345678901234567890\n" ROOT, false},
	};
	struct note_signer *s = signer("log"), *b;
	char longer[NOTE_NAME_MAX + 80];
	struct checkpoint c;
	struct buf note = {0};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		buf_reset(&note);
		ck_assert(!note_sign(s, cases[i].text, strlen(cases[i].text),
				     &note, NULL));
		ck_assert_int_eq(!checkpoint_open(&c, note.data, note.len,
					note_signer_key(s), NULL),
				 cases[i].ok);
	}
	memset(longer, 'l', sizeof(longer));
	strcpy(longer + NOTE_NAME_MAX + 1, "\n1\n" ROOT);
	ck_assert(checkpoint_parse(&c, longer, strlen(longer), NULL));
	ck_assert(!checkpoint_parse(&c, longer + 1, strlen(longer) - 1,
				    NULL));
	ck_assert(checkpoint_open(&c, "no note", 7, note_signer_key(s),
				  NULL));
	b = signer("log");
	buf_reset(&note);
	ck_assert(!note_sign(s, cases[0].text, strlen(cases[0].text), &note,
			     NULL));
	ck_assert(checkpoint_open(&c, note.data, note.len,
				  note_signer_key(b), NULL));
	note_signer_close(s);
	note_signer_close(b);
	buf_fini(&note);
	fs_remove_tree(dir);
}
END_TEST

START_TEST(a_proof_is_its_hashes_line_by_line_and_the_note)
{
	static const uint8_t hashes[2][SHA256_RAW] = {{0}, {1}};
	struct buf none = {0}, two = {0};

	checkpoint_proof(7, NULL, 0, "note\n", 5, &none);
	ck_assert_str_eq(none.data, "c2sp.org/tlog-proof@v1\nindex 7\n\n"
			 "note\n");
	checkpoint_proof(8, hashes, 2, "note\n", 5, &two);
	ck_assert_str_eq(two.data, "c2sp.org/tlog-proof@v1\nindex 8\n"
			 "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"
			 "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n"
			 "note\n");
	buf_fini(&none);
	buf_fini(&two);
}
END_TEST

TESTS("note faults",
      a_proof_is_its_hashes_line_by_line_and_the_note,
      where_openssl_fails_nothing_is_signed_or_taken,
      a_key_that_is_not_there_or_of_another_kind_signs_nothing,
      names_that_no_key_can_have,
      an_id_under_another_name_is_another_key,
      what_a_key_signed_is_not_yet_a_checkpoint)
