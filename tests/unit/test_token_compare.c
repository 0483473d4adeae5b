/*
 * How long it takes to find a token, or not to, tells nothing about which one
 * it is or how much of it was right: every digest is compared, whole, by a
 * function made for that. Counted by standing in for that function.
 */
#include "tests/unit/unit.h"

#include <string.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "agent/store/token.h"
#include "agent/store/token_file.h"
#include "common/fs.h"
#include "common/json.h"

#define TOKENS 5

static struct { size_t calls, bytes, equal; } seen;

int CRYPTO_memcmp(const void *a, const void *b, size_t len)
{
	const unsigned char *x = a, *y = b;
	unsigned char diff = 0;

	for (size_t i = 0; i < len; i++)
		diff |= x[i] ^ y[i];
	seen.calls++;
	seen.bytes += len;
	seen.equal += !diff;
	return diff;
}

static char dir[64], path[80], texts[TOKENS][TOKEN_TEXT];

static struct tokens *start(void)
{
	struct tokens *t;

	strcpy(dir, "/tmp/kircerta-token-XXXXXX");
	ck_assert(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/tokens", dir);
	for (size_t i = 0; i < TOKENS; i++)
		ck_assert_int_eq(token_create(path, "x", SCOPE_ADMIN, 0,
					      texts[i], NULL), 0);
	ck_assert_int_eq(tokens_open(&t, path, NULL), 0);
	return t;
}

static void end(struct tokens *t)
{
	tokens_close(t);
	fs_remove_tree(dir);
}

/* Look at it; all of them have to have been compared, once each. */
static enum token_state look(struct tokens *t, const char *text,
			     struct actor *who)
{
	enum token_state state;

	memset(&seen, 0, sizeof(seen));
	state = tokens_look(t, text, who);
	ck_assert_uint_eq(seen.calls, TOKENS);
	ck_assert_uint_eq(seen.bytes, TOKENS * TOKEN_DIGEST);
	return state;
}

START_TEST(every_token_is_compared_whichever_it_is)
{
	struct tokens *t = start();
	struct actor who;

	for (size_t i = 0; i < TOKENS; i++) {
		ck_assert_int_eq(look(t, texts[i], &who), TOKEN_GOOD);
		ck_assert_uint_eq(seen.equal, 1);
	}
	end(t);
}
END_TEST

START_TEST(every_token_is_compared_where_none_fits)
{
	struct tokens *t = start();
	char other[TOKEN_TEXT], elsewhere[96];
	struct actor who;

	snprintf(elsewhere, sizeof(elsewhere), "%s/other", dir);
	token_create(elsewhere, "x", SCOPE_ADMIN, 0, other, NULL);
	ck_assert_int_eq(look(t, other, &who), TOKEN_UNKNOWN);
	ck_assert_uint_eq(seen.equal, 0);
	end(t);
}
END_TEST

START_TEST(a_revoked_token_takes_as_long_as_a_good_one)
{
	struct tokens *t = start();
	struct actor who;

	for (size_t i = 0; i < TOKENS; i++) {
		ck_assert_int_eq(look(t, texts[i], &who), TOKEN_GOOD);
		ck_assert_int_eq(token_revoke(path, who.token_id, NULL), 0);
		ck_assert_int_eq(look(t, texts[i], &who), TOKEN_REVOKED);
		ck_assert_uint_eq(seen.equal, 1);
	}
	end(t);
}
END_TEST

/* Nobody learns how much of a digest was right: it is hashed before. */
START_TEST(the_digest_has_to_be_right_to_the_last_digit)
{
	struct tokens *t = start();
	json_t *all = token_file_read(path, NULL);
	struct actor who;
	char bent[TOKEN_DIGEST + 1];

	for (size_t i = 0; i < TOKEN_DIGEST; i++) {
		json_t *one = json_array_get(all, 0);
		json_t *whole = json_incref(json_object_get(one, "sha256"));

		strcpy(bent, json_string_value(whole));
		bent[i] = bent[i] == '0' ? '1' : '0';
		json_set_str(one, "sha256", bent);
		ck_assert_int_eq(token_file_write(path, all, NULL), 0);
		ck_assert_int_eq(look(t, texts[0], &who), TOKEN_UNKNOWN);
		json_object_set_new(one, "sha256", whole);
	}
	json_decref(all);
	end(t);
}
END_TEST

TESTS("token_compare",
      every_token_is_compared_whichever_it_is,
      every_token_is_compared_where_none_fits,
      a_revoked_token_takes_as_long_as_a_good_one,
      the_digest_has_to_be_right_to_the_last_digit)
