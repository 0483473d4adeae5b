/* The agent's home: made once, used by one. */
#include "tests/unit/unit.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/store/home.h"
#include "agent/store/settings.h"
#include "agent/store/ssot.h"
#include "agent/store/token.h"
#include "common/err.h"
#include "common/fs.h"
#include "common/sha256.h"

static char base[64], dir[80];

static void setup_dir(void)
{
	strcpy(base, "/tmp/kircerta-home-XXXXXX");
	ck_assert(mkdtemp(base));
	snprintf(dir, sizeof(dir), "%s/a/home", base);
}

static void make_home(struct home *h)
{
	struct err err = {0};

	setup_dir();
	ck_assert_msg(!home_init(dir, "studio-1", NULL, &err), "%s",
		      err.detail);
	ck_assert_msg(!home_open(h, dir, &err), "%s", err.detail);
}

static void end(struct home *h)
{
	if (h)
		home_fini(h);
	fs_remove_tree(base);
}

static unsigned mode_of(const char *path)
{
	struct stat st;

	ck_assert_msg(!stat(path, &st), "%s", path);
	return st.st_mode & 0777;
}

START_TEST(a_new_home_has_everything_and_is_nobody_elses)
{
	struct home h;
	struct tokens *tokens;
	struct settings settings;
	struct ssot *ssot;
	struct actor who;
	uint8_t key[32];
	char *text;

	make_home(&h);
	const char *const folders[] = {h.dir, h.keys, h.audit, h.evidence,
				       h.ssot, h.spool, h.tools_d};
	const char *const files[] = {h.conf, h.admin_token, h.tokens,
				     h.journal_key, h.journal_vkey,
				     h.redact_key};

	for (size_t i = 0; i < ARRAY_LEN(folders); i++)
		ck_assert_uint_eq(mode_of(folders[i]), 0700);
	for (size_t i = 0; i < ARRAY_LEN(files); i++)
		ck_assert_uint_eq(mode_of(files[i]), 0600);
	ck_assert_int_eq(settings_read(&settings, h.conf, NULL), 0);
	settings_fini(&settings);
	ck_assert_int_eq(ssot_open(&ssot, h.ssot, &(struct ssot_options){0},
				   NULL), 0);
	ssot_close(ssot);
	ck_assert_int_eq(home_redact_key(&h, key, NULL), 0);
	text = fs_read(h.admin_token, 100, NULL, NULL);
	text[strcspn(text, "\n")] = 0;
	ck_assert_int_eq(tokens_open(&tokens, h.tokens, NULL), 0);
	ck_assert_int_eq(tokens_look(tokens, text, &who),
			 TOKEN_GOOD);
	ck_assert_str_eq(who.name, "admin");
	ck_assert_uint_eq(who.scopes, SCOPE_ADMIN);
	tokens_close(tokens);
	free(text);
	end(&h);
}
END_TEST

/* Every path with size, times and inode. */
static char *picture(void)
{
	char command[200], *out = xcalloc(1, 65536);
	FILE *p;

	snprintf(command, sizeof(command),
		 "find %s -printf '%%p %%s %%m %%C@ %%i\\n' | sort", dir);
	p = popen(command, "r");
	ck_assert_uint_gt(fread(out, 1, 65535, p), 0);
	ck_assert_int_eq(pclose(p), 0);
	return out;
}

START_TEST(run_again_it_changes_nothing)
{
	char *before, *after, *said = NULL;
	struct home h;
	size_t len;
	FILE *out;

	make_home(&h);
	unlink(h.admin_token);		/* stored elsewhere, as it should */
	before = picture();
	out = open_memstream(&said, &len);
	ck_assert_int_eq(home_init(dir, "other", out, NULL), 0);
	fclose(out);
	after = picture();
	ck_assert_str_eq(before, after);
	ck_assert_str_eq(said, "");
	free(before);
	free(after);
	free(said);
	end(&h);
}
END_TEST

START_TEST(what_is_missing_is_made_and_told)
{
	char *said = NULL, *before, *after;
	struct home h;
	size_t len;
	FILE *out;

	make_home(&h);
	before = fs_read(h.journal_vkey, 300, NULL, NULL);
	unlink(h.journal_vkey);
	unlink(h.tokens);
	fs_remove_tree(h.ssot);
	out = open_memstream(&said, &len);
	ck_assert_int_eq(home_init(dir, "studio-1", out, NULL), 0);
	fclose(out);
	after = fs_read(h.journal_vkey, 300, NULL, NULL);
	ck_assert_str_eq(before, after);	/* of the same key */
	ck_assert_ptr_nonnull(strstr(said, "journal.vkey\n"));
	ck_assert_ptr_nonnull(strstr(said, "ssot.git\n"));
	ck_assert_ptr_nonnull(strstr(said, "tokens\n"));
	ck_assert_ptr_null(strstr(said, "agent.conf"));
	free(before);
	free(after);
	free(said);
	end(&h);
}
END_TEST

START_TEST(the_verifier_key_is_the_private_keys_other_half)
{
	uint8_t raw[64] = {1}, id_of[100], id[SHA256_RAW];
	char name[64], hex[9], base64[64], want_hex[9], want[64], *line;
	size_t len = 32;
	struct home h;
	EVP_PKEY *key;
	FILE *pem;

	make_home(&h);
	line = fs_read(h.journal_vkey, 300, NULL, NULL);
	ck_assert_int_eq(sscanf(line, "%63[^+]+%8[^+]+%63s", name, hex,
				base64), 3);
	ck_assert_str_eq(name, "studio-1");
	pem = fopen(h.journal_key, "r");
	key = PEM_read_PrivateKey(pem, NULL, NULL, NULL);
	fclose(pem);
	ck_assert_int_eq(EVP_PKEY_get_raw_public_key(key, raw + 1, &len), 1);
	EVP_EncodeBlock((unsigned char *)want, raw, 33);
	ck_assert_str_eq(base64, want);
	memcpy(id_of, "studio-1\n", 9);
	memcpy(id_of + 9, raw, 33);
	sha256_raw(id_of, 42, id);
	hex_of(id, 4, want_hex);
	ck_assert_str_eq(hex, want_hex);
	EVP_PKEY_free(key);
	free(line);
	end(&h);
}
END_TEST

START_TEST(one_agent_a_home_and_the_other_hears_the_pid)
{
	struct err err = {0};
	struct home h, other;
	char pid[32];

	make_home(&h);
	ck_assert_int_eq(home_lock(&h, NULL), 0);
	ck_assert_int_eq(home_open(&other, dir, NULL), 0);
	ck_assert_int_eq(home_lock(&other, &err), -1);
	snprintf(pid, sizeof(pid), "process %d", getpid());
	ck_assert_ptr_nonnull(strstr(err.detail, pid));
	err_fini(&err);
	ck_assert_int_eq(home_init(dir, NULL, NULL, NULL), 0);
	home_fini(&h);
	ck_assert_int_eq(home_lock(&other, NULL), 0);
	end(&other);
}
END_TEST

START_TEST(the_lock_ends_with_its_process)
{
	struct home h;
	pid_t child;
	int status;

	make_home(&h);
	child = fork();
	if (!child)
		_exit(home_lock(&h, NULL) ? 1 : 0);
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
	ck_assert_int_eq(home_lock(&h, NULL), 0);
	end(&h);
}
END_TEST

START_TEST(what_is_no_home_is_not_opened_and_says_what_to_do)
{
	struct err err = {0};
	struct home h;

	setup_dir();
	ck_assert_int_eq(home_open(&h, dir, &err), -1);
	ck_assert_ptr_nonnull(strstr(err_hint_of(&err), "init"));
	err_fini(&err);
	ck_assert_int_eq(home_init(dir, NULL, NULL, NULL), 0);
	ck_assert_int_eq(chmod(dir, 0750), 0);
	ck_assert_int_eq(home_open(&h, dir, &err), -1);
	ck_assert_ptr_nonnull(strstr(err_hint_of(&err), "chmod 700"));
	err_fini(&err);
	end(NULL);
}
END_TEST

START_TEST(a_home_is_not_made_in_the_middle_of_something_else)
{
	static const struct { const char *make; bool ok; } cases[] = {
		{"mkdir -p %s", true},
		{"mkdir -p %s && chmod 755 %s", true},
		{"mkdir -p %s/keys", true},
		{"mkdir -p %s && touch %s/agent.conf", true},
		{"mkdir -p %s/documents", false},
		{"mkdir -p %s && rmdir %s && touch %s", false},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err err = {0};
		char command[400];

		setup_dir();
		snprintf(command, sizeof(command), cases[i].make, dir, dir,
			 dir);
		ck_assert_int_eq(system(command), 0);
		ck_assert_msg(!home_init(dir, NULL, NULL, &err) ==
			      cases[i].ok, "%s: %s", command, err.detail);
		if (cases[i].ok)
			ck_assert_uint_eq(mode_of(dir), 0700);
		err_fini(&err);
		end(NULL);
	}
}
END_TEST

START_TEST(an_unwritable_place_is_told_with_what_to_do)
{
	struct err err = {0};

	setup_dir();
	ck_assert_int_eq(home_init("/proc/kircerta", NULL, NULL, &err), -1);
	ck_assert_int_eq(err.code, ERR_io);
	ck_assert_ptr_nonnull(strstr(err_hint_of(&err), "--home DIR init"));
	err_fini(&err);
	end(NULL);
}
END_TEST

START_TEST(the_home_is_the_option_else_the_environment)
{
	static const struct { const char *option, *own, *xdg, *user, *path; }
	cases[] = {
		{"/x", "/y", "/z", "/u", "/x"},
		{NULL, "/y", "/z", "/u", "/y"},
		{NULL, NULL, "/z", "/u", "/z/kircerta"},
		{NULL, "", "", "/u", "/u/.local/state/kircerta"},
		{NULL, NULL, NULL, NULL, NULL},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const char *const set[][2] = {
			{"KIRCERTA_HOME", cases[i].own},
			{"XDG_STATE_HOME", cases[i].xdg},
			{"HOME", cases[i].user},
		};
		char *path;

		for (size_t k = 0; k < ARRAY_LEN(set); k++)
			if (set[k][1])
				setenv(set[k][0], set[k][1], 1);
			else
				unsetenv(set[k][0]);
		path = home_path(cases[i].option, NULL);
		ck_assert_pstr_eq(path, cases[i].path);
		free(path);
	}
	ck_assert_int_eq(chdir("/tmp"), 0);
	char *path = home_path("here", NULL);
	ck_assert_str_eq(path, "/tmp/here");
	free(path);
}
END_TEST

TESTS("home",
      a_new_home_has_everything_and_is_nobody_elses,
      run_again_it_changes_nothing,
      what_is_missing_is_made_and_told,
      the_verifier_key_is_the_private_keys_other_half,
      one_agent_a_home_and_the_other_hears_the_pid,
      the_lock_ends_with_its_process,
      what_is_no_home_is_not_opened_and_says_what_to_do,
      a_home_is_not_made_in_the_middle_of_something_else,
      an_unwritable_place_is_told_with_what_to_do,
      the_home_is_the_option_else_the_environment)
