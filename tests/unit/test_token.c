/* Tokens: who gets in, who does not, and how soon that changes. */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/store/token.h"
#include "common/err.h"
#include "common/fs.h"

static char dir[64], path[80];

static void setup_dir(void)
{
	strcpy(dir, "/tmp/kircerta-token-XXXXXX");
	ck_assert(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/tokens", dir);
}

static struct tokens *tokens_new(const char *name, unsigned scopes,
				 char text[TOKEN_TEXT])
{
	struct tokens *t;

	setup_dir();
	ck_assert_int_eq(token_create(path, name, scopes, 0, text, NULL), 0);
	ck_assert_int_eq(tokens_open(&t, path, NULL), 0);
	return t;
}

static void tokens_end(struct tokens *t)
{
	tokens_close(t);
	fs_remove_tree(dir);
}

static int check_code(struct tokens *t, const char *text)
{
	struct actor who;

	switch (tokens_look(t, text, &who)) {
	case TOKEN_GOOD:
		return -1;
	case TOKEN_UNREADABLE:
		return ERR_io;
	default:
		return ERR_unauthenticated;
	}
}

START_TEST(a_token_says_who_and_what_for)
{
	static const struct { unsigned scopes; char letter; const char *text; }
	cases[] = {
		{SCOPE_ADMIN, 'a', "admin"},
		{SCOPE_OBSERVER, 'o', "observer"},
		{SCOPE_RUNNER, 'r', "tool_runner"},
		{SCOPE_OBSERVER | SCOPE_RUNNER, 'r', "observer,tool_runner"},
		{7, 'a', "admin,observer,tool_runner"},
	};
	char text[TOKEN_TEXT], scopes[48];
	struct tokens *t = tokens_new("x", SCOPE_OBSERVER, text);
	struct actor who;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		ck_assert_int_eq(token_create(path, "codex", cases[i].scopes,
					      0, text, NULL), 0);
		ck_assert_uint_eq(strlen(text), TOKEN_TEXT - 1);
		ck_assert_int_eq(text[2], cases[i].letter);
		ck_assert_int_eq(tokens_look(t, text, &who), TOKEN_GOOD);
		ck_assert_str_eq(who.name, "codex");
		ck_assert_uint_eq(who.scopes, cases[i].scopes);
		scope_text(who.scopes, scopes);
		ck_assert_str_eq(scopes, cases[i].text);
	}
	ck_assert_uint_eq(scope_of("root"), 0);
	ck_assert_uint_eq(scope_of(NULL), 0);
	tokens_end(t);
}
END_TEST

START_TEST(any_other_text_is_nobody)
{
	char text[TOKEN_TEXT], copy[64];
	struct tokens *t = tokens_new("x", SCOPE_ADMIN, text);

	for (size_t i = 0; i < TOKEN_TEXT - 1; i++) {
		strcpy(copy, text);
		copy[i] = copy[i] == 'A' ? 'B' : 'A';
		ck_assert_int_eq(check_code(t, copy), ERR_unauthenticated);
		copy[i] = 0;
		ck_assert_int_eq(check_code(t, copy), ERR_unauthenticated);
	}
	snprintf(copy, sizeof(copy), "%s0", text);
	ck_assert_int_eq(check_code(t, copy), ERR_unauthenticated);
	ck_assert_int_eq(check_code(t, NULL), ERR_unauthenticated);
	ck_assert_int_eq(check_code(t, text), -1);
	tokens_end(t);
}
END_TEST

START_TEST(a_well_formed_token_of_elsewhere_is_nobody)
{
	char text[TOKEN_TEXT], other[TOKEN_TEXT], mine[80];
	struct tokens *t = tokens_new("x", SCOPE_ADMIN, text);

	snprintf(mine, sizeof(mine), "%s/other", dir);
	ck_assert_int_eq(token_create(mine, "x", SCOPE_ADMIN, 0, other, NULL),
			 0);
	ck_assert_int_eq(check_code(t, other), ERR_unauthenticated);
	tokens_end(t);
}
END_TEST

START_TEST(a_revoked_token_is_out_at_the_next_check)
{
	char text[TOKEN_TEXT], other[TOKEN_TEXT];
	struct tokens *t = tokens_new("x", SCOPE_ADMIN, text);
	struct err err = {0};
	struct actor who;

	token_create(path, "y", SCOPE_RUNNER, 0, other, NULL);
	ck_assert_int_eq(tokens_look(t, text, &who), TOKEN_GOOD);
	ck_assert_int_eq(token_revoke(path, who.token_id, NULL), 0);
	ck_assert_int_eq(check_code(t, text), ERR_unauthenticated);
	ck_assert_int_eq(check_code(t, other), -1);
	ck_assert_int_eq(token_revoke(path, who.token_id, NULL), 0);
	ck_assert_int_eq(token_revoke(path, "k-none", &err), -1);
	ck_assert_int_eq(err.code, ERR_not_found);
	err_fini(&err);
	tokens_end(t);
}
END_TEST

START_TEST(a_token_ends_at_its_time)
{
	char text[TOKEN_TEXT], later[TOKEN_TEXT];
	struct tokens *t = tokens_new("x", SCOPE_ADMIN, text);

	token_create(path, "y", SCOPE_ADMIN, 1, text, NULL);
	token_create(path, "y", SCOPE_ADMIN, 3600000000, later, NULL);
	ck_assert_int_eq(check_code(t, text), ERR_unauthenticated);
	ck_assert_int_eq(check_code(t, later), -1);
	tokens_end(t);
}
END_TEST

START_TEST(neither_the_file_nor_the_list_holds_a_secret)
{
	char text[TOKEN_TEXT], *file, *shown;
	struct tokens *t = tokens_new("x", SCOPE_ADMIN, text);
	json_t *list = tokens_list(t, NULL), *one = json_array_get(list, 0);
	struct stat st;

	file = fs_read(path, 4096, NULL, NULL);
	shown = json_dumps(list, 0);
	ck_assert_ptr_null(strstr(file, text + 4));
	ck_assert_ptr_null(strstr(shown, text + 4));
	ck_assert_ptr_null(json_object_get(one, "sha256"));
	ck_assert_str_eq(json_str(one, "name"), "x");
	ck_assert(json_is_null(json_object_get(one, "expires_at")));
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0600);
	free(file);
	free(shown);
	json_decref(list);
	tokens_end(t);
}
END_TEST

START_TEST(a_file_that_cannot_be_trusted_lets_nobody_in)
{
	static const struct { mode_t mode; const char *text; int code; }
	cases[] = {
		{0640, "", ERR_io}, {0604, "", ERR_io}, {0666, "", ERR_io},
		{0600, "{\"id\":\"k-1\"}\n", ERR_bad_config},
		{0600, "\n[]\n", ERR_bad_config},
		{0600, "{\"id\":\"k-1\",\"name\":\"x\",\"sha256\":\"00\","
		       "\"scopes\":[\"admin\"]}", ERR_bad_config},
	};
	char text[TOKEN_TEXT], other[TOKEN_TEXT];
	struct tokens *t = tokens_new("x", SCOPE_ADMIN, text), *again = NULL;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err err = {0};

		ck_assert_int_eq(check_code(t, text), -1);
		fs_replace(path, cases[i].text, strlen(cases[i].text),
			   cases[i].mode, NULL);
		ck_assert_int_eq(check_code(t, text), ERR_io);
		ck_assert_int_eq(tokens_open(&again, path, &err), -1);
		ck_assert_int_eq(err.code, cases[i].code);
		ck_assert_int_eq(token_create(path, "y", SCOPE_ADMIN, 0,
					      other, NULL), -1);
		err_fini(&err);
		unlink(path);
		ck_assert_int_eq(check_code(t, text), ERR_io);
		token_create(path, "x", SCOPE_ADMIN, 0, text, NULL);
	}
	ck_assert_int_eq(chmod(path, 0644), 0);
	ck_assert_int_eq(check_code(t, text), ERR_io);
	ck_assert_int_eq(chmod(path, 0600), 0);
	ck_assert_int_eq(check_code(t, text), -1);
	tokens_end(t);
}
END_TEST

START_TEST(odd_names_and_scopes_are_not_made)
{
	static const struct { const char *name; unsigned scopes; int64_t ttl; }
	cases[] = {
		{"", 1, 0}, {NULL, 1, 0}, {"a b", 1, 0}, {"../x", 1, 0},
		{"x", 0, 0}, {"x", 8, 0}, {"x", 9, 0}, {"x", 1, -1},
	};
	char text[TOKEN_TEXT];

	setup_dir();
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		ck_assert_int_eq(token_create(path, cases[i].name,
					      cases[i].scopes, cases[i].ttl,
					      text, NULL), -1);
	ck_assert_int_eq(access(path, F_OK), -1);
	fs_remove_tree(dir);
}
END_TEST

static void *create_some(void *data)
{
	char text[TOKEN_TEXT];

	for (int i = 0; i < 5; i++)
		if (token_create(path, "x", SCOPE_ADMIN, 0, text, NULL))
			return data;
	return NULL;
}

START_TEST(tokens_made_at_the_same_time_are_all_kept)
{
	char text[TOKEN_TEXT];
	struct tokens *t = tokens_new("x", SCOPE_ADMIN, text);
	unsigned version = tokens_version(t);
	pthread_t threads[4];
	json_t *list;
	void *bad;

	ck_assert_uint_eq(version, 1);
	for (size_t i = 0; i < ARRAY_LEN(threads); i++)
		pthread_create(&threads[i], NULL, create_some, t);
	for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
		pthread_join(threads[i], &bad);
		ck_assert_ptr_null(bad);
	}
	list = tokens_list(t, NULL);
	ck_assert_uint_eq(json_array_size(list), 21);
	ck_assert_uint_gt(tokens_version(t), version);
	json_decref(list);
	tokens_end(t);
}
END_TEST

START_TEST(what_is_spelled_like_a_token_is_found_and_hidden)
{
	static const struct { const char *text, *hidden; } cases[] = {
		{"", NULL}, {"kc", NULL}, {"kck", NULL}, {"kca_", NULL},
		{"kca_0123456789abcdefghi", NULL},
		{"kcx_0123456789abcdefghij", NULL},
		{"kco-0123456789abcdefghij", NULL},
		{"kco_0123456789abcdefghij", "[redacted]"},
		{"a kcr_0123456789abcdefghijKLMNOP=", "a [redacted]="},
		{"kckcr_0123456789abcdefghijklmnop/kca_0123456789abcdefghijk",
		 "kc[redacted]/[redacted]"},
	};
	char text[80];
	json_t *v;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		strcpy(text, cases[i].text);
		ck_assert_int_eq(token_in(text), cases[i].hidden != NULL);
		v = json_pack("{s:[i,{s:s}]}", "a", 1, "b", text);
		ck_assert_int_eq(token_in_json(v), cases[i].hidden != NULL);
		json_decref(v);
		v = json_pack("[{s:n}]", text);
		ck_assert_int_eq(token_in_json(v), cases[i].hidden != NULL);
		json_decref(v);
		token_hide(text);
		ck_assert_str_eq(text, cases[i].hidden ? cases[i].hidden :
				       cases[i].text);
	}
	token_hide(NULL);
	ck_assert(!token_in(NULL));
}
END_TEST

TESTS("token",
      a_token_says_who_and_what_for,
      any_other_text_is_nobody,
      a_well_formed_token_of_elsewhere_is_nobody,
      a_revoked_token_is_out_at_the_next_check,
      a_token_ends_at_its_time,
      neither_the_file_nor_the_list_holds_a_secret,
      a_file_that_cannot_be_trusted_lets_nobody_in,
      odd_names_and_scopes_are_not_made,
      tokens_made_at_the_same_time_are_all_kept,
      what_is_spelled_like_a_token_is_found_and_hidden)
