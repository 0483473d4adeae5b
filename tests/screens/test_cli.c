/* The command line, against the same agent as the screens. */
#include "tests/screens/harness.h"

struct shell {
	struct fake fake;
	char home[64];
	struct buf out;		/* both streams */
};

static void shell_start(struct shell *s, const char *scenario,
			const char *token)
{
	char *file;

	*s = (struct shell){0};
	fake_start(&s->fake, scenario);
	snprintf(s->home, sizeof(s->home), "/tmp/kircerta-cli-XXXXXX");
	ck_assert(mkdtemp(s->home));
	file = xasprintf("%s/admin.token", s->home);
	ck_assert(!fs_replace(file, token, strlen(token), 0600, NULL));
	free(file);
}

static void shell_stop(struct shell *s)
{
	fake_stop(&s->fake);
	fs_remove_tree(s->home);
	buf_fini(&s->out);
}

/* Run with words split at spaces; the exit code. */
static int run(struct shell *s, const char *words)
{
	char *console = program("kircerta"), *line, data[4096];
	size_t n;
	FILE *f;
	int rc;

	line = xasprintf("HOME=%s KIRCERTA_HOME=%s XDG_CONFIG_HOME=%s "
			 "KIRCERTA_AGENT=http://127.0.0.1:%d; export HOME "
			 "KIRCERTA_HOME XDG_CONFIG_HOME KIRCERTA_AGENT; exec 2>&1 "
			 "</dev/null; timeout 30 %s %s", s->home, s->home,
			 s->home, s->fake.port, console, words);
	buf_reset(&s->out);
	f = popen(line, "r");
	while ((n = fread(data, 1, sizeof(data), f)) > 0)
		buf_add(&s->out, data, n);
	buf_adds(&s->out, "");
	rc = pclose(f);
	free(line);
	free(console);
	return WEXITSTATUS(rc);
}

static void expect(struct shell *s, const char *words, int exit_code,
		   const char *says)
{
	int rc = run(s, words);

	ck_assert_msg(rc == exit_code && strstr(s->out.data, says),
		      "kircerta %s: exit %d, not %d with \"%s\":\n%s", words,
		      rc, exit_code, says, s->out.data);
}

START_TEST(each_command_answers_in_words_and_in_json)
{
	static const struct { const char *words; int exit; const char *says; }
	cases[] = {
		{"status", 6, "degraded"},
		{"status --json", 6, "\"schema\":\"kircerta.v1\""},
		{"tasks", 0, "t-01jd3k9x7m2q0001\trunning\t1\tstudio-1\t"},
		{"tasks state:pending --json", 0, "upload thumbnail"},
		{"approvals", 0, "youtube.upload"},
		{"approvals --wait --timeout 20s --json", 0, "\"items\""},
		{"show 0009", 0, "+ MATCH"},
		{"audit", 0, "\t39\tpolicy_denied\tcoordinator\t"
			     "t-01jd3k9x7m2q0003\treason=approval_required  tool=youtube.upload"},
		{"audit --chain c-0003", 0, "\treason=approval_required  tool"},
		{"audit type:policy_denied --json", 0, "policy_denied"},
		{"audit type:policy_deny", 0,
		 "no type policy_deny is known: policy_denied?"},
		{"audit --chain c-0003", 0, "thumb.png"},
		{"audit --chain c-none", 6, "not complete"},
		{"evidence ls", 0, "thumb.png"},
		{"mode", 0, "normal\t"},
		{"mode stopped", 0, "stopped\tana\t2026"},
		{"mode normal --reason false", 0, "normal\tana"},
		{"mode guarded --json", 0, "\"mode\":\"guarded\""},
		{"help", 0, "exit codes"},
		{"help approve", 0, "--digest SHA256"},
		{"tail --help", 0, "--after SEQ"},
		{"version", 0, "kircerta 0"},
	};
	struct shell s;

	shell_start(&s, "plain", "admin");
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		expect(&s, cases[i].words, cases[i].exit, cases[i].says);
	shell_stop(&s);
}
END_TEST

START_TEST(wrong_words_are_usage_errors_that_say_what_is_right)
{
	static const struct { const char *words, *says; } cases[] = {
		{"nonsense", "there is no command \"nonsense\""},
		{"nonsense", "kircerta help\n"},
		{"tasks --digest x", "--digest is not for tasks"},
		{"tasks --nope", "there is no option --nope"},
		{"approve", "usage: kircerta approve ID"},
		{"mode --reason x", "--reason goes with a mode"},
		{"mode stopped now", "usage: kircerta mode [normal"},
		{"approve 0009", "without a terminal nobody can read it"},
		{"reject 0009", "--reason TEXT says why"},
		{"audit when:x", "cannot be asked of the agent"},
		{"evidence get abc", "with all 64 digits"},
		{"verify /no/such/file", "neither a file nor a SHA-256"},
		{"tasks --agent ftp://x", "is no agent"},
		{"approvals --timeout soon", "such as 30s or 5m"},
		{"tail since:1h", "tail takes type:A|B and task:ID"},
		{"tail foo", "not \"foo\""},
		{"tail --after banana", "--after takes a number"},
	};
	struct shell s;

	shell_start(&s, "plain", "admin");
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		expect(&s, cases[i].words, 2, cases[i].says);
	shell_stop(&s);
}
END_TEST

static void digest_of(struct shell *s, char out[65])
{
	const char *at;

	expect(s, "approvals --json", 0, "request_sha256");
	at = strstr(s->out.data, "\"request_sha256\":\"");
	snprintf(out, 65, "%.64s", at + strlen("\"request_sha256\":\""));
}

START_TEST(without_a_terminal_only_the_digest_that_was_read_approves)
{
	struct shell s;
	char digest[65], *words;

	shell_start(&s, "plain", "admin");
	digest_of(&s, digest);
	words = xasprintf("approve 0009 --digest %s", digest);
	expect(&s, words, 3, "--allow-external-publish");
	free(words);
	words = xasprintf("approve 0009 --allow-external-publish --digest "
			  "%c%s", digest[0] == 'a' ? 'b' : 'a', digest + 1);
	expect(&s, words, 5, "not the one given");
	free(words);
	ck_assert_int_eq(fake_count(&s.fake, "approval.approve"), 0);
	words = xasprintf("approve 0009 --allow-external-publish --reason ok "
			  "--digest %s", digest);
	expect(&s, words, 0, "approved");
	ck_assert_int_eq(fake_count(&s.fake, "approval.approve"), 1);
	fake_expect(&s.fake, "\"reason\": \"ok\"");
	expect(&s, words, 5, "decided already");
	free(words);
	shell_stop(&s);
}
END_TEST

START_TEST(a_digest_that_is_not_of_the_bytes_is_never_approved)
{
	struct shell s;
	char digest[65], *words;

	shell_start(&s, "mismatch", "admin");
	digest_of(&s, digest);
	words = xasprintf("approve 0009 --allow-external-publish --digest %s",
			  digest);
	expect(&s, words, 6, "is not the agent's");
	ck_assert_int_eq(fake_count(&s.fake, "approval.approve"), 0);
	free(words);
	shell_stop(&s);
}
END_TEST

START_TEST(a_rejection_goes_through_with_its_reason)
{
	struct shell s;

	shell_start(&s, "plain", "admin");
	expect(&s, "reject 0009 --reason no", 0, "rejected");
	fake_expect(&s.fake, "\"reason\": \"no\"");
	expect(&s, "approvals --wait --timeout 1s", 124, "");
	shell_stop(&s);
}
END_TEST

START_TEST(evidence_is_hashed_before_anybody_gets_it)
{
	struct shell s;
	char sha[65], *words;
	const char *at;

	shell_start(&s, "plain", "admin");
	expect(&s, "evidence ls", 0, "thumb.png");
	snprintf(sha, sizeof(sha), "%.64s", s.out.data);
	words = xasprintf("evidence get %s -o %s/got", sha, s.home);
	expect(&s, words, 0, "");
	free(words);
	words = xasprintf("verify %s/got", s.home);
	expect(&s, words, 0, "the agent has these bytes");
	free(words);
	words = xasprintf("verify %s/admin.token", s.home);
	expect(&s, words, 6, "no such bytes");
	free(words);
	shell_stop(&s);

	shell_start(&s, "corrupt", "admin");
	words = xasprintf("evidence get %s", sha);
	expect(&s, words, 6, "the bytes that came have the hash");
	at = strstr(s.out.data, "PNG");
	ck_assert_ptr_null(at);
	free(words);
	words = xasprintf("verify %s --json", sha);
	expect(&s, words, 6, "\"error_code\":\"evidence_corrupt\"");
	free(words);
	shell_stop(&s);
}
END_TEST

START_TEST(tail_gives_one_object_a_line_and_goes_on)
{
	struct shell s;

	shell_start(&s, "plain", "admin");
	expect(&s, "tail --after 38 | head -n 2 | cut -c1-9", 0,
	       "{\"seq\":39\n{\"seq\":40\n");
	shell_stop(&s);
}
END_TEST

START_TEST(tail_asks_only_for_what_streams_know)
{
	static char *const picks[] = {NULL, "type:policy_denied|x"};
	struct shell s;
	struct term t;
	char *console = program("kircerta"), agent[64], home[96];
	char *env[] = {agent, home, "LC_ALL=C.UTF-8", NULL};

	shell_start(&s, "plain", "admin");
	snprintf(agent, sizeof(agent), "KIRCERTA_AGENT=http://127.0.0.1:%d",
		 s.fake.port);
	snprintf(home, sizeof(home), "KIRCERTA_HOME=%s", s.home);
	for (size_t i = 0; i < ARRAY_LEN(picks); i++) {
		char *argv[] = {console, "tail", picks[i], NULL};

		term_start(&t, 60, 100, argv, env);
		term_expect(&t, "policy_denied");
		ck_assert(term_has(&t, "task_created") == !i);
		term_stop(&t);
	}
	free(console);
	shell_stop(&s);
}
END_TEST

START_TEST(login_and_unreachable_have_codes_of_their_own)
{
	struct shell s;
	char *words;

	shell_start(&s, "plain", "stranger");
	expect(&s, "tasks", 4, "no such token");
	ck_assert(strstr(s.out.data, "/admin.token; give another with "
				     "--token-file"));
	words = xasprintf("tasks --token-file %s/none", s.home);
	expect(&s, words, 4, "token create");
	free(words);
	words = xasprintf("tasks --agent http://127.0.0.1:1");
	expect(&s, words, 7, "kircerta-agent run");
	free(words);
	expect(&s, "tasks --json --agent http://127.0.0.1:1", 7,
	       "\"error_code\":\"unreachable\"");
	ck_assert(!strstr(s.out.data, "\"status\""));
	words = xasprintf("status; chmod 644 %s/admin.token", s.home);
	run(&s, words);
	free(words);
	expect(&s, "tasks", 4, "chmod 600");
	shell_stop(&s);
}
END_TEST

START_TEST(what_an_agent_wrote_is_safe_to_print)
{
	static const char *const words[] = {
		"tasks", "approvals", "audit", "status", "evidence ls",
		"show 0009", "audit --chain c-0003",
	};
	struct shell s;

	shell_start(&s, "hostile", "admin");
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		run(&s, words[i]);
		ck_assert_msg(!strchr(s.out.data, 27) &&
			      !strstr(s.out.data, "\xe2\x80\xae"),
			      "kircerta %s:\n%s", words[i], s.out.data);
		ck_assert(strstr(s.out.data, "<U+001B>"));
	}
	shell_stop(&s);
}
END_TEST

START_TEST(on_a_terminal_the_number_is_asked_for)
{
	struct shell s;
	struct term t;
	char *console = program("kircerta"), agent[64], home[96], *at;
	char *argv[] = {console, "approve", "0009", NULL};
	char *env[] = {agent, home, "LC_ALL=C.UTF-8", NULL};
	char *screen, number[6];

	shell_start(&s, "plain", "admin");
	snprintf(agent, sizeof(agent), "KIRCERTA_AGENT=http://127.0.0.1:%d",
		 s.fake.port);
	snprintf(home, sizeof(home), "KIRCERTA_HOME=%s", s.home);
	for (int right = 0; right < 2; right++) {
		term_start(&t, 60, 100, argv, env);
		term_expect(&t, "Number:");
		screen = term_text(&t);
		at = strstr(screen, "the number ") + strlen("the number ");
		snprintf(number, sizeof(number), "%.4s\n", at);
		free(screen);
		number[0] = right ? number[0] :
			    (char)(number[0] == '9' ? '0' : number[0] + 1);
		term_send(&t, number);
		ck_assert_int_eq(term_end(&t), right ? 0 : 3);
		ck_assert_int_eq(fake_count(&s.fake, "approval.approve"),
				 right);
		term_stop(&t);
	}
	free(console);
	shell_stop(&s);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		each_command_answers_in_words_and_in_json,
		wrong_words_are_usage_errors_that_say_what_is_right,
		without_a_terminal_only_the_digest_that_was_read_approves,
		a_digest_that_is_not_of_the_bytes_is_never_approved,
		a_rejection_goes_through_with_its_reason,
		evidence_is_hashed_before_anybody_gets_it,
		tail_gives_one_object_a_line_and_goes_on,
		tail_asks_only_for_what_streams_know,
		login_and_unreachable_have_codes_of_their_own,
		what_an_agent_wrote_is_safe_to_print,
		on_a_terminal_the_number_is_asked_for,
	};
	TCase *c = tcase_create("cli");

	for (size_t i = 0; i < ARRAY_LEN(tests); i++)
		tcase_add_test(c, tests[i]);
	return screen_suite(c);
}
