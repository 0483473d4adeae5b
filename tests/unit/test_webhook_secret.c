/* A secret's file is read by its owner's rules, and says what is wrong. */
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/store/webhook_secret.h"
#include "common/err.h"
#include "common/fs.h"
#include "tests/unit/unit.h"

#define S24 "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"	/* of "secret" four times */

START_TEST(the_first_line_is_the_secret)
{
	static const struct {
		enum webhook_scheme scheme;
		const char *text, *key, *why;	/* one of the two */
		mode_t mode;
	} cases[] = {
		{WEBHOOK_GITHUB, "0123456789abcdef\n", "0123456789abcdef"},
		{WEBHOOK_GITHUB, "0123456789abcdef", "0123456789abcdef"},
		{WEBHOOK_GITHUB, "0123456789abcdef\r\nmore\n",
		 "0123456789abcdef"},
		{WEBHOOK_GITHUB, " 0123456789abcde \n", " 0123456789abcde "},
		{WEBHOOK_GITHUB, "\xc3\xa9 456789abcdef\n",
		 NULL, "has 16 to 512 bytes, this has 15"},
		{WEBHOOK_STRIPE, "whsec_0123456789\n", "whsec_0123456789"},
		{WEBHOOK_STANDARD, "whsec_" S24 "\n",
		 "secretsecretsecretsecret"},
		{WEBHOOK_STANDARD, S24, "secretsecretsecretsecret"},
		{WEBHOOK_STANDARD, "whsec_" S24 "!\n", NULL, "whsec_ and the"},
		{WEBHOOK_STANDARD, "whsec_c2VjcmV0\n", NULL, "24 to 64 bytes"},
		{WEBHOOK_GITHUB, "", NULL, "is empty"},
		{WEBHOOK_GITHUB, "\n0123456789abcdef\n", NULL, "is empty"},
		{WEBHOOK_GITHUB, "0123456789abcdef\n", NULL, "open to others",
		 0640},
		{WEBHOOK_GITHUB, "0123456789abcdef\n", NULL, "open to others",
		 0604},
	};
	char file[] = "/tmp/kircerta-secret-XXXXXX";

	close(mkstemp(file));
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct webhook_key key;
		struct err err = {0};
		int rc;

		ck_assert(!fs_replace(file, cases[i].text,
				      strlen(cases[i].text), 0600, NULL));
		if (cases[i].mode)
			ck_assert(!chmod(file, cases[i].mode));
		rc = webhook_secret_read(cases[i].scheme, file, &key, &err);
		ck_assert_msg(rc == (cases[i].key ? 0 : -1), "%zu: %s", i,
			      err.detail);
		if (rc) {
			ck_assert_int_eq(err.code,
					 ERR_webhook_not_configured);
			ck_assert_msg(strstr(err.detail, cases[i].why), "%s",
				      err.detail);
			ck_assert_msg(!strstr(err.detail, "c2Vj") &&
				      !strstr(err.detail, "0123456789"), "%s",
				      err.detail);
		} else {
			ck_assert_int_eq(key.len, strlen(cases[i].key));
			ck_assert(!memcmp(key.bytes, cases[i].key, key.len));
		}
	}
	unlink(file);
}
END_TEST

START_TEST(what_is_no_file_holds_none)
{
	static const char *const paths[] = {"/dev/zero", "/tmp",
					    "/nowhere/at/all"};
	struct webhook_key key;

	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		struct err err = {0};

		ck_assert_int_eq(webhook_secret_read(WEBHOOK_GITHUB, paths[i],
						     &key, &err), -1);
		ck_assert_int_eq(err.code, ERR_webhook_not_configured);
		ck_assert_msg(strstr(err.detail, paths[i]), "%s", err.detail);
	}
}
END_TEST

/* What does not fit is told, and not cut to what would. */
START_TEST(one_that_is_too_long_is_none)
{
	char file[] = "/tmp/kircerta-secret-XXXXXX", text[4096];
	struct webhook_key key;

	memset(text, 'x', sizeof(text));
	close(mkstemp(file));
	for (size_t n = 511; n < sizeof(text); n += n < 514 ? 1 : 500) {
		ck_assert(!fs_replace(file, text, n, 0600, NULL));
		ck_assert_int_eq(webhook_secret_read(WEBHOOK_GITHUB, file,
						     &key, NULL),
				 n > WEBHOOK_KEY_MAX ? -1 : 0);
	}
	unlink(file);
}
END_TEST

TESTS("webhook secret", the_first_line_is_the_secret,
      what_is_no_file_holds_none, one_that_is_too_long_is_none)
