/* Signed notes and checkpoints: what is taken, and that nothing else is. */
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

/* The note that golang.org/x/mod/sumdb/note is documented with. */
#define PETER "PeterNeumann+c74f20a3+" \
	"ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
#define WORDS "If you think cryptography is the answer to your problem,\n" \
	"then you don't know what your problem is.\n"
#define SIGNED "\xe2\x80\x94 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFup" \
	"LLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"

/* A signer with a key of its own, from files like those of a home. */
static struct note_signer *signer(const char *name, const char *other)
{
	char dir[] = "/tmp/kircerta-note-XXXXXX", pem[64], vkey[64];
	char line[NOTE_VKEY_MAX];
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	struct note_signer *s = NULL;
	struct err err = {0};
	struct note_key k;
	uint8_t raw[32];
	size_t len = 32;
	FILE *out;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(pem, sizeof(pem), "%s/key", dir);
	snprintf(vkey, sizeof(vkey), "%s/vkey", dir);
	out = fopen(pem, "w");
	PEM_write_PrivateKey(out, key, NULL, NULL, 0, NULL, NULL);
	fclose(out);
	ck_assert(EVP_PKEY_get_raw_public_key(key, raw, &len));
	ck_assert(!note_key_make(&k, name, NOTE_ED25519, raw, NULL));
	note_key_text(&k, line);
	ck_assert(!fs_replace(vkey, other ? other : line,
			      strlen(other ? other : line), 0600, NULL));
	EVP_PKEY_free(key);
	if (note_signer_open(&s, pem, vkey, &err)) {
		ck_assert_int_eq(err.code, ERR_io);
		ck_assert(other && strstr(err.hint, "Restore"));
	}
	fs_remove_tree(dir);
	return s;
}

static struct note_key key_of(const char *vkey)
{
	struct note_key k;
	struct err err = {0};

	ck_assert_msg(!note_key_parse(&k, vkey, strlen(vkey), &err), "%s: %s",
		      vkey, err.detail);
	return k;
}

static bool opens(const char *bytes, size_t len, const struct note_key *keys,
		  size_t n_keys, bool *by)
{
	struct note n;
	struct err err = {0};

	if (!note_parse(&n, bytes, len, &err) &&
	    !note_verify(&n, keys, n_keys, by, &err))
		return true;
	ck_assert_int_eq(err.code, ERR_invalid_request);
	return false;
}

START_TEST(a_note_that_others_signed_is_taken)
{
	static const char note[] = WORDS "\n" SIGNED;
	struct note_key k = key_of(PETER);
	char text[NOTE_VKEY_MAX];
	struct note n;
	bool by;

	ck_assert_str_eq(k.name, "PeterNeumann");
	ck_assert_uint_eq(k.id, 0xc74f20a3);
	note_key_text(&k, text);
	ck_assert_str_eq(text, PETER);
	ck_assert(opens(note, strlen(note), &k, 1, &by) && by);
	ck_assert(!note_parse(&n, note, strlen(note), NULL));
	ck_assert_uint_eq(n.text_len, strlen(WORDS));
	ck_assert_uint_eq(n.n, 1);
	ck_assert_uint_eq(note_cosigned_at(&n.signatures[0]), 0);
}
END_TEST

/*
 * But for the name and id of who signed: such a note is nobody's, as its
 * signer is not known, and refused for that.
 */
START_TEST(no_bit_of_a_note_can_be_changed)
{
	char note[] = WORDS "\n" SIGNED;
	struct note_key k = key_of(PETER);
	int flipped = 0;

	for (size_t bit = 0; bit < 8 * strlen(WORDS "\n" SIGNED); bit++) {
		note[bit / 8] ^= (char)(1 << bit % 8);
		ck_assert_msg(!opens(note, sizeof(note) - 1, &k, 1, NULL),
			      "bit %zu", bit);
		note[bit / 8] ^= (char)(1 << bit % 8);
		flipped++;
	}
	for (size_t len = 0; len < sizeof(note) - 1; len++)
		ck_assert_msg(!opens(note, len, &k, 1, NULL), "%zu bytes",
			      len);
	printf("%d bits flipped, %zu cuts\n", flipped, sizeof(note) - 1);
}
END_TEST

START_TEST(what_is_no_note_is_refused)
{
#define DASH "\xe2\x80\x94 "
	static const struct { const char *note; bool ok; } cases[] = {
		{"a\n\n" DASH "k AAAAAAA=\n", true},
		{"\n\n" DASH "k AAAAAAA=\n", true},
		{"a\n\nb\n\n" DASH "k AAAAAAA=\n", true},
		{"a\n\n" DASH "\xc3\xa9 AAAAAAA=\n", true},
		{"", false}, {"\n", false}, {"\n\n", false}, {"a\n", false},
		{"a\n\n", false}, {"a\n\n\n", false},
		{"a\n" DASH "k AAAAAAA=\n", false},
		{"a\n\n" DASH "k AAAAAAA=", false},
		{"a\n\n" DASH "k AAAAAAA=\nb\n", false},
		{"a\n\n- k AAAAAAA=\n", false},
		{"a\n\n" DASH "k\n", false}, {"a\n\n" DASH "k \n", false},
		{"a\n\n" DASH " AAAAAAA=\n", false},
		{"a\n\n" DASH "k AAAAAA==\n", false},	/* four bytes */
		{"a\n\n" DASH "k AAAAAAA\n", false},
		{"a\n\n" DASH "k AAAAAAB=\n", false},	/* not its only form */
		{"a\n\n" DASH "k AAAA AAA=\n", false},
		{"a\n\n" DASH "k+k AAAAAAA=\n", false},
		{"a\n\n" DASH "k\xc2\xa0k AAAAAAA=\n", false},
		{"a\n\n" DASH "k\xe3\x80\x80 AAAAAAA=\n", false},
		{"a\t\n\n" DASH "k AAAAAAA=\n", false},
		{"a\r\n\n" DASH "k AAAAAAA=\n", false},
		{"\xff\n\n" DASH "k AAAAAAA=\n", false},
		{"a\n\n" DASH "\xff AAAAAAA=\n", false},
	};
	struct note n;
	char big[NOTE_MAX + 2];

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		ck_assert_msg(!note_parse(&n, cases[i].note,
					  strlen(cases[i].note), NULL) ==
			      cases[i].ok, "%s", cases[i].note);
	ck_assert(note_parse(&n, "a\0b\n\n" DASH "k AAAAAAA=\n", 20, NULL));
	memset(big, 'a', sizeof(big));
	memcpy(big + sizeof(big) - 19, "\n\n" DASH "k AAAAAAA=\n", 17);
	ck_assert(note_parse(&n, big, sizeof(big) - 2, NULL) == 0);
	ck_assert(note_parse(&n, big, sizeof(big), NULL));
}
END_TEST

START_TEST(signatures_of_many_are_taken_and_unknown_ones_passed_over)
{
	struct note_signer *s[17];
	struct note_key keys[17];
	struct buf note = {0};
	bool by[17];
	char name[8];

	buf_adds(&note, "text\n\n");
	for (int i = 0; i < 17; i++) {
		struct buf one = {0};

		snprintf(name, sizeof(name), "k%d", i);
		s[i] = signer(name, NULL);
		keys[i] = *note_signer_key(s[i]);
		ck_assert(!note_sign(s[i], "text\n", 5, &one, NULL));
		if (i < 16)
			buf_adds(&note, one.data + 6);
		buf_fini(&one);
	}
	ck_assert(opens(note.data, note.len, keys, 17, by));
	for (int i = 0; i < 17; i++)
		ck_assert(by[i] == (i < 16));
	ck_assert(opens(note.data, note.len, keys + 15, 2, by));
	ck_assert(by[0] && !by[1]);
	ck_assert(!opens(note.data, note.len, keys + 16, 1, by));
	ck_assert(!opens(note.data, note.len, keys, 0, by));
	/* One that is known and wrong spoils it, for who knows it. */
	note.data[note.len - 5] = note.data[note.len - 5] == 'A' ? 'B' : 'A';
	ck_assert(!opens(note.data, note.len, keys, 17, by));
	ck_assert(opens(note.data, note.len, keys, 15, by));
	for (int i = 0; i < 17; i++)
		note_signer_close(s[i]);
	buf_fini(&note);
}
END_TEST

START_TEST(a_hundred_signatures_are_enough)
{
	struct note_signer *s = signer("k", NULL);
	struct buf one = {0}, note = {0};
	struct note n;

	ck_assert(!note_sign(s, "text\n", 5, &one, NULL));
	buf_adds(&note, "text\n\n");
	for (int i = 0; i < 101; i++) {
		ck_assert(!note_parse(&n, note.data, note.len, NULL) ==
			  (i > 0));
		buf_adds(&note, one.data + 6);
	}
	ck_assert(note_parse(&n, note.data, note.len, NULL));
	note_signer_close(s);
	buf_fini(&one);
	buf_fini(&note);
}
END_TEST

START_TEST(a_key_is_taken_only_as_it_is_written)
{
	static const struct { const char *vkey; bool ok; } cases[] = {
		{PETER, true}, {PETER "\n", true}, {PETER "\n\n", false},
		{"", false}, {"+", false}, {"+c74f20a3+" "ARpc", false},
		{"PeterNeumann", false}, {"PeterNeumann+c74f20a3", false},
		{PETER "=", false}, {PETER " ", false},
		{"PeterNeumann+C74F20A3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/"
		 "LDE4izWy10TW", false},
		{"PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/"
		 "LDE4izWy10TW", false},
		{"PeterNeumanN+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/"
		 "LDE4izWy10TW", false},
		{"PeterNeumann+c74f20a3+ABpc2QcUPDhMQegwxbzhKqiBfsVkmqq/"
		 "LDE4izWy10TW", false},
		{"Peter Neumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/"
		 "LDE4izWy10TW", false},
	};
	char bad[] = PETER, with_nul[] = "Pe\0erNeumann" PETER;
	struct note_key k;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		ck_assert_msg(!note_key_parse(&k, cases[i].vkey,
					      strlen(cases[i].vkey), NULL) ==
			      cases[i].ok, "%s", cases[i].vkey);
	for (size_t bit = 0; bit < 8 * strlen(PETER); bit++) {
		bad[bit / 8] ^= (char)(1 << bit % 8);
		ck_assert_msg(note_key_parse(&k, bad, strlen(PETER), NULL),
			      "bit %zu", bit);
		bad[bit / 8] ^= (char)(1 << bit % 8);
	}
	ck_assert(note_key_parse(&k, with_nul, sizeof(with_nul) - 1, NULL));
	ck_assert(note_key_make(&k, "", NOTE_ED25519, k.raw, NULL));
	ck_assert(note_key_make(&k, "a b", NOTE_ED25519, k.raw, NULL));
}
END_TEST

START_TEST(a_key_file_may_have_words_above_the_key)
{
	static const struct { const char *text; bool ok; } cases[] = {
		{PETER, true}, {PETER "\n", true},
		{"# of Peter\n\n# and his\n" PETER "\n", true},
		{"", false}, {"#", false}, {"# of Peter\n", false},
		{"x\n" PETER "\n", false},
	};
	char path[] = "/tmp/kircerta-vkey-XXXXXX";
	struct note_key k;

	close(mkstemp(path));
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		ck_assert(!fs_replace(path, cases[i].text,
				      strlen(cases[i].text), 0600, NULL));
		ck_assert_msg(!note_key_read(&k, path, NULL) == cases[i].ok,
			      "%s", cases[i].text);
	}
	unlink(path);
	ck_assert(note_key_read(&k, path, NULL));
}
END_TEST

START_TEST(a_witness_vouches_with_the_time)
{
	struct note_signer *s = signer("witness.example/w", NULL);
	struct note_key key;
	struct buf note = {0};
	struct note n;
	bool by;

	ck_assert(!note_key_make(&key, "witness.example/w", NOTE_COSIGNATURE,
				 note_signer_key(s)->raw, NULL));
	buf_adds(&note, "text\n\n");
	ck_assert(!note_cosign(s, "text\n", 5, 1700000000, &note, NULL));
	ck_assert(opens(note.data, note.len, &key, 1, &by) && by);
	ck_assert(!note_parse(&n, note.data, note.len, NULL));
	ck_assert_uint_eq(n.signatures[0].id, key.id);
	ck_assert_uint_eq(note_cosigned_at(&n.signatures[0]), 1700000000);
	/* It is not the same as having signed the text. */
	ck_assert(!opens(note.data, note.len, note_signer_key(s), 1, &by));
	for (size_t bit = 0; bit < 8 * note.len; bit++) {
		note.data[bit / 8] ^= (char)(1 << bit % 8);
		ck_assert_msg(!opens(note.data, note.len, &key, 1, &by),
			      "bit %zu", bit);
		note.data[bit / 8] ^= (char)(1 << bit % 8);
	}
	ck_assert(note_cosign(s, "te\txt\n", 6, 1, &note, NULL));
	note_signer_close(s);
	buf_fini(&note);
}
END_TEST

START_TEST(a_signature_under_a_known_name_but_too_short_is_bad)
{
	struct note_signer *s = signer("k", NULL);
	const struct note_key *key = note_signer_key(s);
	uint8_t raw[68] = {key->id >> 24 & 255, key->id >> 16 & 255,
			   key->id >> 8 & 255, key->id & 255};
	struct buf note = {0};

	for (size_t len = 5; len <= sizeof(raw); len++) {
		buf_reset(&note);
		ck_assert(!note_sign(s, "text\n", 5, &note, NULL));
		ck_assert(opens(note.data, note.len, key, 1, NULL));
		buf_adds(&note, "\xe2\x80\x94 k ");
		base64_add(&note, raw, len);
		buf_adds(&note, "\n");
		ck_assert(!opens(note.data, note.len, key, 1, NULL));
	}
	note_signer_close(s);
	buf_fini(&note);
}
END_TEST

START_TEST(a_key_without_its_other_half_signs_nothing)
{
	struct note_signer *s;
	struct buf note = {0};

	ck_assert_ptr_null(signer("k", PETER));
	ck_assert_ptr_null(signer("k", "nonsense"));
	ck_assert(note_signer_open(&s, "/nonexistent", "/nonexistent", NULL));
	s = signer("k", NULL);
	ck_assert(note_sign(s, "no end", 6, &note, NULL));
	ck_assert(note_sign(s, "", 0, &note, NULL));
	ck_assert(note_sign(s, "\xff\n", 2, &note, NULL));
	ck_assert(note_sign(s, "a\0b\n", 4, &note, NULL));
	ck_assert_uint_eq(note.len, 0);
	note_signer_close(s);
	note_signer_close(NULL);
	buf_fini(&note);
}
END_TEST

START_TEST(a_checkpoint_is_three_lines_and_nothing_else_is_one)
{
#define ROOT "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
	static const struct { const char *text; bool ok; } cases[] = {
		{"o\n0\n" ROOT "\n", true}, {"o\n10\n" ROOT "\n", true},
		{"o\n9223372036854775807\n" ROOT "\n", true},
		{"o\n1\n" ROOT "\nextension\n", true},
		{"o\n9223372036854775808\n" ROOT "\n", false},
		{"o\n18446744073709551617\n" ROOT "\n", false},
		{"o\n01\n" ROOT "\n", false}, {"o\n00\n" ROOT "\n", false},
		{"o\n-1\n" ROOT "\n", false}, {"o\n+1\n" ROOT "\n", false},
		{"o\n1 \n" ROOT "\n", false}, {"o\n\n" ROOT "\n", false},
		{"o\n0x1\n" ROOT "\n", false}, {"\n1\n" ROOT "\n", false},
		{"o\n1\n" ROOT, false}, {"o\n1\n", false}, {"o\n", false},
		{"o", false}, {"", false},
		{"o\n1\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuF==\n",
		 false},
		{"o\n1\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFV=\n",
		 false},
		{"o\n1\n" ROOT " \n", false}, {"o\n1\n" ROOT "AAAA\n", false},
	};
	struct checkpoint c;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err err = {0};
		int rc = checkpoint_parse(&c, cases[i].text,
					  strlen(cases[i].text), &err);

		ck_assert_msg(!rc == cases[i].ok, "%s", cases[i].text);
		ck_assert(!rc || err.code == ERR_invalid_request);
	}
	ck_assert(checkpoint_parse(&c, "o\0x\n1\n" ROOT "\n", 51, NULL));
}
END_TEST

START_TEST(a_checkpoint_is_of_the_log_that_its_key_names)
{
	struct note_signer *s = signer("studio-1", NULL);
	struct buf note = {0}, text = {0};
	struct checkpoint c;
	uint8_t root[32] = {1, 2, 3};

	ck_assert(!checkpoint_sign(s, 12, root, &note, NULL));
	ck_assert(!checkpoint_open(&c, note.data, note.len,
				   note_signer_key(s), NULL));
	ck_assert_str_eq(c.origin, "studio-1");
	ck_assert_uint_eq(c.size, 12);
	ck_assert_mem_eq(c.root, root, 32);
	checkpoint_text(&c, &text);
	ck_assert(!strncmp(note.data, text.data, text.len));
	ck_assert(!strncmp(text.data, "studio-1\n12\n", 12));
	buf_reset(&note);
	ck_assert(!note_sign(s, "other\n12\n" ROOT "\n", 57 - 3, &note, NULL));
	ck_assert(checkpoint_open(&c, note.data, note.len,
				  note_signer_key(s), NULL));
	note_signer_close(s);
	buf_fini(&note);
	buf_fini(&text);
}
END_TEST

TESTS("note", a_note_that_others_signed_is_taken,
      no_bit_of_a_note_can_be_changed, what_is_no_note_is_refused,
      signatures_of_many_are_taken_and_unknown_ones_passed_over,
      a_hundred_signatures_are_enough, a_key_is_taken_only_as_it_is_written,
      a_key_file_may_have_words_above_the_key,
      a_witness_vouches_with_the_time,
      a_signature_under_a_known_name_but_too_short_is_bad,
      a_key_without_its_other_half_signs_nothing,
      a_checkpoint_is_three_lines_and_nothing_else_is_one,
      a_checkpoint_is_of_the_log_that_its_key_names)
