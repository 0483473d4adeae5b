/* What git says of a remote, and what is made of it. */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/core/remote_git.h"
#include "agent/run/spawn.h"
#include "agent/store/settings.h"
#include "common/fs.h"

static char dir[64];

/* /proc/self/exe is this test, so it has to be the helper when asked. */
__attribute__((constructor)) static void be_helper(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], SPAWN_HELPER))
		_exit(spawn_helper_main(argc, argv));
}

START_TEST(what_became_of_a_push_is_read_from_the_line_of_the_ref)
{
#define TO "refs/heads/main\t"
	static const struct {
		const char *out;
		enum push push;
		const char *words;
	} cases[] = {
		{"To x\n \tabc:" TO "1..2\nDone\n", PUSH_OK, NULL},
		{"To x\n*\tabc:" TO "[new branch]\nDone\n", PUSH_OK, NULL},
		{"To x\n=\tabc:" TO "[up to date]\nDone\n", PUSH_OK, NULL},
		{"!\tabc:" TO "[rejected] (fetch first)\n", PUSH_STALE, NULL},
		{"!\tabc:" TO "[rejected] (stale info)\n", PUSH_STALE, NULL},
		{"!\tabc:" TO "[rejected] (non-fast-forward)\n", PUSH_STALE,
		 NULL},
		{"!\tabc:" TO "[remote rejected] (cannot lock ref 'x')\n",
		 PUSH_STALE, NULL},
		{"!\tabc:" TO "[remote rejected] (pre-receive hook declined)\n",
		 PUSH_REFUSED, "refused (pre-receive hook declined); said"},
		{"!\tabc:" TO "[remote rejected] (\033[2J\342\200\256)\n",
		 PUSH_REFUSED, "refused (<U+001B>[2J<U+202E>); said"},
		{"!\tabc:" TO "[remote failure] (gone)\n", PUSH_AWAY, NULL},
		{"", PUSH_AWAY, NULL}, {NULL, PUSH_AWAY, NULL},
		{"To x\nDone\n", PUSH_AWAY, NULL},
		{" \tabc:refs/heads/mainly\t1..2\n", PUSH_AWAY, NULL},
		{"\n\t\n!\n!\t\n \tabc:refs/heads/main", PUSH_AWAY, NULL},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct remote_said said = {.words = "said"};
		enum push push = remote_git_pushed(cases[i].out,
						   "refs/heads/main", &said);

		ck_assert_msg(push == cases[i].push, "%zu: %d", i, push);
		ck_assert_int_eq(said.fault, push == PUSH_REFUSED ?
				 FAULT_REFUSED : FAULT_NONE);
		if (cases[i].words)
			ck_assert_str_eq(said.words, cases[i].words);
	}
}
END_TEST

/* From now on "git" is this program. */
static void pretend(const char *program)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/git", dir);
	ck_assert_int_eq(fs_replace(path, program, strlen(program), 0700,
				    NULL), 0);
	snprintf(path, sizeof(path), "%s:/usr/bin:/bin", dir);
	setenv("PATH", path, 1);
}

START_TEST(git_is_told_by_its_environment_and_the_token_is_only_in_its_file)
{
	static const char *const args[] = {"push", "origin", NULL};
	static const struct remote_time time = {10000000, 0};
	static char remote[] = "https://h/a b's", user[] = "u", token[96],
		    key[] = "/k '%h";
	struct settings s = {.ssot_remote = remote, .ssot_user = user,
			     .ssot_token_file = token,
			     .ssot_timeout = 5000000};
	struct remote_said said;
	struct remote_git *g;
	char *out;

	strcpy(dir, "/tmp/kircerta-remote-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(token, sizeof(token), "%s/to ken", dir);
	ck_assert_int_eq(fs_replace(token, "s3cret\nx\n", 9, 0600, NULL), 0);
	g = remote_git_new(&s, dir);
	pretend("#!/bin/sh\necho \"$@\"; env\n");
	ck_assert_int_eq(remote_git_run(g, args, &time, 0, &out, &said), 0);
	ck_assert_ptr_null(strstr(out, "s3cret"));
	ck_assert(!strncmp(out, "push origin\n", 12));
	ck_assert_ptr_nonnull(strstr(out, "=https://h/a b's\n"));
	free(out);
	/* The helper does as git asks; what the server says back is cut. */
	pretend("#!/bin/sh\nn=$((GIT_CONFIG_COUNT - 1))\n"
		"eval \"f=\\$GIT_CONFIG_VALUE_$n\"\n"
		"sh -c \"${f#!} get\"\nsh -c \"${f#!} store\"\n"
		"echo fatal: Authentication failed for s3cret >&2; exit 128\n");
	ck_assert_int_eq(remote_git_run(g, args, &time, 0, &out, &said), 1);
	ck_assert_str_eq(out, "username=u\npassword=s3cret\n");
	ck_assert_str_eq(said.words,
			 "fatal: Authentication failed for ******");
	ck_assert_int_eq(said.fault, FAULT_AUTH);
	free(out);
	remote_git_free(g);
	/* Names of files reach ssh as they are. */
	s.ssot_token_file = NULL;
	s.ssot_key_file = s.ssot_known_hosts = key;
	g = remote_git_new(&s, dir);
	ck_assert_int_eq(remote_git_run(g, args, &time, 0, &out, &said), -1);
	ck_assert_int_eq(said.fault, FAULT_AUTH);	/* there is none */
	ck_assert_ptr_nonnull(strstr(said.words, "ssot.key-file: /k '%h: "));
	free(out);
	remote_git_free(g);
	ck_assert_int_eq(fs_remove_tree(dir), 0);
}
END_TEST

TESTS("remote", what_became_of_a_push_is_read_from_the_line_of_the_ref,
      git_is_told_by_its_environment_and_the_token_is_only_in_its_file)
