/* [witness "NAME"] and [timestamp]: what shows the record to others. */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

#include "agent/store/settings.h"
#include "common/err.h"
#include "common/fs.h"

static char dir[64], path[80];

static void setup_dir(void)
{
	strcpy(dir, "/tmp/kircerta-settings-XXXXXX");
	ck_assert(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/agent.conf", dir);
}

static int read_text(struct settings *s, const char *text, struct err *err)
{
	ck_assert_int_eq(fs_replace(path, text, strlen(text), 0600, NULL), 0);
	return settings_read(s, path, err);
}

#define COSIGNER "w.example/x+130697e6+BAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"
#define LOG "log+959c93b5+AQABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"

START_TEST(a_witness_is_an_address_and_a_key_that_cosigns)
{
	static const struct { const char *text, *says; } cases[] = {
		{"url = https://w.example\n\tvkey = " COSIGNER "\n", NULL},
		{"url = https://w.example:8443/a/\n\tvkey = " COSIGNER "\n",
			NULL},
		{"url = http://127.0.0.1:1/a\n\tvkey = " COSIGNER "\n", NULL},
		{"url = https://w.example\n", "has no vkey"},
		{"vkey = " COSIGNER "\n", "has no url"},
		{"vkey = " LOG "\n", "a key of a log"},
		{"vkey = w.example/x+00000000+AAAA\n", "no verifier key"},
		{"url = http://w.example\n", "use https://"},
		{"url = w.example\n", "is no https:// address"},
		{"url = https://u:p@w.example\n", "has a ?, # or @"},
		{"url = https://\n", "names no host"},
		{"url = file:///etc\n", "is no https:// address"},
		{"timeout = 1ms\n", "out of range"},
		{"speed = 1\n", "unknown key"},
	};

	setup_dir();
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char *text = xasprintf("[witness \"a\"]\n\t%s", cases[i].text);
		struct err err = {0};
		struct settings s;
		int rc = read_text(&s, text, &err);

		ck_assert_msg(rc == (cases[i].says ? -1 : 0), "%zu: %s", i,
			      err.detail);
		if (rc) {
			ck_assert_int_eq(err.code, ERR_bad_config);
			ck_assert_msg(strstr(err.detail, cases[i].says),
				      "%zu: %s", i, err.detail);
		} else {
			ck_assert_uint_eq(s.n_witnesses, 1);
			ck_assert_str_eq(s.witnesses[0].name, "a");
			ck_assert_str_eq(s.witnesses[0].vkey, COSIGNER);
			ck_assert_int_eq(s.witnesses[0].timeout, 30000000);
			settings_fini(&s);
		}
		err_fini(&err);
		free(text);
	}
	fs_remove_tree(dir);
}
END_TEST

START_TEST(a_time_stamping_authority_needs_a_certificate_to_tell_it_by)
{
	struct err err = {0};
	struct settings s;

	setup_dir();
	ck_assert_int_eq(read_text(&s, "[timestamp]\n\turl = "
				   "https://tsa.example\n", &err), -1);
	ck_assert_ptr_nonnull(strstr(err.detail, "no ca-file"));
	err_fini(&err);
	ck_assert_int_eq(read_text(&s, "[timestamp]\n\turl = "
				   "https://tsa.example\n\tca-file = ca.pem\n",
				   &err), 0);
	ck_assert_int_eq(s.stamp_every, 86400000000);
	settings_fini(&s);
	ck_assert_int_eq(read_text(&s, "[timestamp]\n\turl = "
				   "http://tsa.example\n", &err), -1);
	err_fini(&err);
	fs_remove_tree(dir);
}
END_TEST

TESTS("settings_witness",
      a_witness_is_an_address_and_a_key_that_cosigns,
      a_time_stamping_authority_needs_a_certificate_to_tell_it_by)
