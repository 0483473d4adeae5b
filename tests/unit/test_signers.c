/*
 * Allowed-signers files: each is asked of the real `ssh-keygen -Y verify`
 * too, and the answers have to be the same.
 */
#include "agent/store/signers.h"

#include "agent/store/signers_line.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/sshkey.h"
#include "tests/unit/sshkeys.h"

#define TEXT "words\n"

/*
 * @A signs, @B is another key, @D a DSA one, @C a certificate of A's; @p is a
 * pattern as long as OpenSSH takes, @P one that is longer.
 */
static const struct { const char *file, *who, *when; } cases[] = {
	{"ana @A", "ana"},
	{"ana @A a comment here", "ana"},
	{"  \t ana\t@A", "ana"},
	{"\n# ana\n\n   # more\nana @A\n", "ana"},
	{"ana @A\r\n", "ana"},
	{"\r\nana @A\r\n", "ana"},
	{"ana @B", "ana"},
	{"ana @B\nana @A", "ana"},
	{"bob @A", "ana"},
	{"Ana @A", "ana"},
	{"ana,bob @A", "bob"},
	{"ana,bob @A", "eve"},
	{"ana, bob @A", "bob"},
	{"ana @A\nbob @B", "bob"},
	{"\"ana\" @A", "ana"},
	{"\"ana smith\" @A", "ana smith"},
	{"\"ana @A", "ana"},
	{"a\"na\" @A", "ana"},
	{"* @A", "ana"},
	{"a* @A", "ana"},
	{"a?a @A", "ana"},
	{"a?a @A", "aa"},
	{"*a*n*a* @A", "ana"},
	{"?*??? @A", "ana"},
	{"*,!ana @A", "ana"},
	{"!ana,* @A", "ana"},
	{"!bob,* @A", "ana"},
	{"!bob @A", "ana"},
	{"!ana @A", "ana"},
	{"!ana,* @A\nana @A", "ana"},
	{"@p @A", "ana"},
	{"@P @A", "ana"},
	{"@P,ana @A", "ana"},
	{"*@example.org @A", "ana@example.org"},
	{"*@example.org @A", "ana@example.com"},
	{"ana,, @A", "ana"},
	{",ana @A", "ana"},
	{"! @A", "ana"},
	{"ana namespaces=\"approval@kircerta\" @A", "ana"},
	{"ana NameSpaces=\"approval@kircerta\" @A", "ana"},
	{"ana namespaces=\"git\" @A", "ana"},
	{"ana namespaces=\"git,approval@*\" @A", "ana"},
	{"ana namespaces=\"!git,*\" @A", "ana"},
	{"ana namespaces=\"*,!approval@kircerta\" @A", "ana"},
	{"ana namespaces=\"\" @A", "ana"},
	{"ana namespaces=approval@kircerta @A", "ana"},
	{"ana namespaces=\"approval@kircerta @A", "ana"},
	{"ana namespaces=\"a\",namespaces=\"approval@kircerta\" @A", "ana"},
	{"ana namespaces @A", "ana"},
	{"ana namespaces=\"git\" @A\nana @A", "ana"},
	{"ana @A\nana namespaces=\"git\" @A", "ana"},
	{"ana namespaces=\"a\\\"b,approval@kircerta\" @A", "ana"},
	{"ana valid-after=\"20300101Z\" @A", "ana", "20300101000000Z"},
	{"ana valid-after=\"20300101Z\" @A", "ana", "20291231235959Z"},
	{"ana valid-before=\"20300101Z\" @A", "ana", "20300101000000Z"},
	{"ana valid-before=\"20300101Z\" @A", "ana", "20300101000001Z"},
	{"ana valid-before=\"203001011200Z\" @A", "ana", "20300101120000Z"},
	{"ana valid-before=\"203001011200Z\" @A", "ana", "20300101120001Z"},
	{"ana valid-before=\"20300101115959UTC\" @A", "ana",
	 "20300101115959Z"},
	{"ana valid-before=\"20300101115959utc\" @A", "ana",
	 "20300101120000Z"},
	{"ana valid-before=\"20300101115959z\" @A", "ana",
	 "20300101115959Z"},
	{"ana valid-before=\"20300701120000\" @A", "ana", "20300701063000Z"},
	{"ana valid-before=\"20300701120000\" @A", "ana", "20300701063001Z"},
	{"ana valid-after=\"20300101Z\",valid-before=\"20310101Z\" @A", "ana",
	 "20300601000000Z"},
	{"ana valid-after=\"20310101Z\",valid-before=\"20300101Z\" @A", "ana",
	 "20300601000000Z"},
	{"ana valid-after=\"20300101Z\",valid-after=\"20300101Z\" @A", "ana",
	 "20300601000000Z"},
	{"ana valid-after=\"20300101Z\",valid-before=\"20300101Z\" @A", "ana",
	 "20300101000000Z"},
	{"ana valid-before=\"2030-01-01\" @A", "ana"},
	{"ana valid-before=\"203001\" @A", "ana"},
	{"ana valid-before=\"20301301Z\" @A", "ana"},
	{"ana valid-before=\"20300132Z\" @A", "ana"},
	{"ana valid-before=\"2030010124\" @A", "ana"},
	{"ana valid-before=\"203001012460Z\" @A", "ana"},
	{"ana valid-before=\"\" @A", "ana"},
	{"ana valid-before=\"20300101ZZ\" @A", "ana"},
	{"ana valid-before=\"19700101Z\" @A", "ana"},
	{"ana valid-before=20300101 @A", "ana"},
	{"ana namespaces=\"*\",valid-before=\"20300101Z\" @A", "ana",
	 "20290101000000Z"},
	{"ana namespaces=\"*\", valid-before=\"20300101Z\" @A", "ana"},
	{"ana namespaces=\"*\", @A", "ana"},
	{"ana cert-authority @A", "ana"},
	{"ana cert-authority @A\nana @A", "ana"},
	{"ana cert-authority,namespaces=\"*\" @A", "ana"},
	{"ana cert-authority=yes @A", "ana"},
	{"ana Cert-Authority @B\nana @A", "ana"},
	{"ana no-touch-required @A", "ana"},
	{"ana no-touch-required @A\nana @A", "ana"},
	{"bob no-touch-required @A\nana @A", "ana"},
	{"ana @A\nana no-touch-required @A", "ana"},
	{"ana\nana @A", "ana"},
	{"ana \nana @A", "ana"},
	{"ana ssh-ed25519\nana @A", "ana"},
	{"ana ssh-ed25519 AAAA\nana @A", "ana"},
	{"ana ssh-rsa @a\nana @A", "ana"},
	{"ana @a\nana @A", "ana"},
	{"ana @D\nana @A", "ana"},
	{"ana @C\nana @A", "ana"},
	{"ana @C", "ana"},
	{"ana rsa @a", "ana"},
	{"", "ana"},
	{"ana", "ana"},
	{"@A", "ana"},
	{"ana ana @A", "ana"},
};

static char *words[128];	/* what @X stands for */

static void read_key(char name, const char *file, bool bare)
{
	size_t len;
	char *text = get_file(file, &len), *at = strchr(text, ' ');

	*strpbrk(at + 1, " \n") = 0;
	words[(int)name] = xstrdup(bare ? at + 1 : text);
	free(text);
}

static char *filled(const char *file)
{
	struct buf b = {0};

	for (; *file; file++)
		if (*file == '@' && words[(int)file[1]])
			buf_adds(&b, words[(int)*++file]);
		else
			buf_add(&b, file, 1);
	buf_adds(&b, "");
	return buf_take(&b, NULL);
}

static bool openssh_says(const char *who, const char *when)
{
	return !sh("ssh-keygen -Y verify -f signers -I '%s' -n " SPACE
		   " -s sig -O verify-time=%s <text >>log", who, when);
}

static int64_t time_of(const char *when)
{
	char text[32];
	int64_t us;

	snprintf(text, sizeof(text), "%.4s-%.2s-%.2sT%.2s:%.2s:%.2sZ", when,
		 when + 4, when + 6, when + 8, when + 10, when + 12);
	ck_assert(clock_parse(text, 0, &us));
	return us;
}

static struct sshkey *key_a(void)
{
	struct sshkey *k = NULL;

	ck_assert(!sshkey_read_text(&k, "ssh-ed25519", words['a'],
				    strlen(words['a']), NULL));
	return k;
}

static char *stars(size_t n)
{
	char *out = xcalloc(1, n + 1);

	return memset(out, '*', n);
}

static void make_keys(void)
{
	size_t len;
	char *sig;

	setenv("TZ", "XXX-05:30", 1);	/* no zone's midnight is UTC's */
	tzset();
	keys_open();
	key_make("a", "ed25519");
	key_make("b", "ed25519");
	ck_assert(!sh("ssh-keygen -q -t dsa -N '' -f d >>log"));
	ck_assert(!sh("ssh-keygen -q -s b -I id -n ana a.pub >>log"));
	words['p'] = stars(1022);
	words['P'] = stars(1023);
	read_key('A', "a.pub", false);
	read_key('a', "a.pub", true);
	read_key('B', "b.pub", false);
	read_key('D', "d.pub", false);
	read_key('C', "a-cert.pub", false);
	ck_assert(!sh("rm a-cert.pub"));
	sig = key_sign("a", SPACE, "", TEXT, &len);
	free(sig);
}

START_TEST(a_file_says_to_us_what_it_says_to_openssh)
{
	struct sshkey *key;
	int allowed = 0;

	make_keys();
	key = key_a();
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const char *when = cases[i].when ? cases[i].when :
						   "20260601120000Z";
		char *text = filled(cases[i].file);
		struct err err = {0};
		bool theirs, ours;

		put_file("signers", text, strlen(text));
		theirs = openssh_says(cases[i].who, when);
		ours = !signers_allow_in(text, "signers", key, cases[i].who,
					 SPACE, time_of(when), &err);
		ck_assert_msg(ours == theirs, "case %zu, ours %d, theirs %d: "
			      "%s (%s)", i, ours, theirs, cases[i].file,
			      err.detail);
		ck_assert(ours || (*err.detail && *err_hint_of(&err)));
		allowed += ours;
		err_fini(&err);
		free(text);
	}
	ck_assert_int_gt(allowed, 30);
	ck_assert_int_lt(allowed, (int)ARRAY_LEN(cases) - 30);
	sshkey_free(key);
	keys_close();
}
END_TEST

START_TEST(a_refusal_names_the_line_and_why)
{
	static const struct { const char *file, *why; } told[] = {
		{"ana @B", "signers does not list the key SHA256:"},
		{"#\nana namespaces=\"git\" @A", "signers:2: the key SHA256:"},
		{"ana namespaces=\"git\" @A", "for signatures of this kind"},
		{"ana valid-before=\"20200101\" @A", "not valid any more"},
		{"ana valid-after=\"20990101\" @A", "not valid yet"},
		{"bob @B\nana cert-authority @A", "signers:2: cert-authority"},
		{"bob @B\nana x @A", "signers does not list the key SHA256:"},
	};
	struct sshkey *key;

	make_keys();
	key = key_a();
	for (size_t i = 0; i < ARRAY_LEN(told); i++) {
		char *text = filled(told[i].file);
		struct err err = {0};

		ck_assert(signers_allow_in(text, "signers", key, "ana", SPACE,
					   time_of("20260601120000"), &err));
		ck_assert_msg(strstr(err.detail, told[i].why) != NULL,
			      "%zu: %s", i, err.detail);
		ck_assert(!strstr(err_hint_of(&err), "Line 2 cannot be read") ==
			  !strstr(told[i].file, " x "));
		err_fini(&err);
		free(text);
	}
	sshkey_free(key);
	keys_close();
}
END_TEST

START_TEST(a_file_that_others_may_write_lets_nobody_in)
{
	static const struct { const char *how, *why; } told[] = {
		{"chmod 644 signers", NULL},
		{"chmod 664 signers", "may be written by others"},
		{"chmod 646 signers", "may be written by others"},
		{"chmod 600 signers && chmod 770 .", "written by others"},
		{"chmod 700 . && chmod 600 signers", NULL},
		{"[ $(id -u) != 0 ] || chown 1 signers", "belongs to"},
		{"[ $(id -u) != 0 ] || chown 0 signers", NULL},
		{"printf 'ana x\\0y' >signers", "NULs"},
		{"rm signers", "signers"},
	};
	struct sshkey *key;
	char *text, path[128];

	make_keys();
	key = key_a();
	text = filled("ana @A\n");
	put_file("signers", text, strlen(text));
	snprintf(path, sizeof(path), "%s/signers", keys_dir);
	for (size_t i = 0; i < ARRAY_LEN(told); i++) {
		struct err err = {0};
		size_t n = 9;
		int rc;

		if (geteuid() && told[i].why &&
		    !strcmp(told[i].why, "belongs to"))
			continue;	/* nobody else can be given it */
		ck_assert(!sh("%s", told[i].how));
		rc = signers_allow(path, key, "ana", SPACE, clock_wall_us(),
				   &err);
		ck_assert_msg(!rc == !told[i].why, "%zu: %s", i, err.detail);
		ck_assert_int_eq(rc, signers_check(path, &n, NULL));
		ck_assert_uint_eq(n, !rc);
		if (rc) {
			ck_assert_int_eq(err.code, ERR_bad_config);
			ck_assert_msg(strstr(err.detail, told[i].why) != NULL,
				      "%zu: %s", i, err.detail);
		}
		err_fini(&err);
	}
	free(text);
	sshkey_free(key);
	keys_close();
}
END_TEST

START_TEST(check_reads_every_line)
{
	static const struct { const char *file; int bad; } files[] = {
		{"ana @A\nbob @B\n# x\n", 0},
		{"ana @A\nbob @B x", 0},
		{"ana @A\n\nbob oops @B\n", 3},
		{"ana @A\nbob cert-authority @B\n", 2},
		{"bob @D\nana @A", 1},
		{"ana @A\nbob\n", 2},
	};
	char path[128];

	make_keys();
	snprintf(path, sizeof(path), "%s/signers", keys_dir);
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		char *text = filled(files[i].file), line[16];
		struct err err = {0};
		size_t n;

		put_file("signers", text, strlen(text));
		ck_assert_int_eq(signers_check(path, &n, &err),
				 files[i].bad ? -1 : 0);
		snprintf(line, sizeof(line), "signers:%d: ", files[i].bad);
		ck_assert_msg(files[i].bad ? strstr(err.detail, line) != NULL :
			      n == 2, "%zu: %s", i, err.detail);
		err_fini(&err);
		free(text);
	}
	keys_close();
}
END_TEST

START_TEST(patterns_take_no_time)
{
	char text[400], pattern[800];

	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = 0;
	for (size_t i = 0; i < sizeof(pattern) - 2; i += 2)
		memcpy(pattern + i, "*a", 2);
	strcpy(pattern + sizeof(pattern) - 2, "b");
	ck_assert_int_eq(pattern_list(text, pattern), 0);
}
END_TEST

TESTS("signers", a_file_says_to_us_what_it_says_to_openssh,
      a_refusal_names_the_line_and_why,
      a_file_that_others_may_write_lets_nobody_in, check_reads_every_line,
      patterns_take_no_time)
