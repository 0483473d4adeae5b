/* Commands that need no running agent: init, check, token, audit, version. */
#include "agent/admin.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/run/tool.h"
#include "agent/store/home.h"
#include "agent/store/journal.h"
#include "agent/store/settings.h"
#include "agent/store/token.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/json.h"
#include "common/mem.h"

static int usage(const char *text)
{
	fprintf(stderr, "usage: kircerta-agent %s\n", text);
	return EXIT_USAGE;
}

static int home_of(const struct globals *g, struct home *home)
{
	struct err err = {0};
	char *dir = home_path(g->home, &err);
	int rc = !dir || home_open(home, dir, &err) ? say_error(&err) : 0;

	free(dir);
	return rc;
}

int cmd_version(const struct globals *g, int argc, char **argv)
{
	(void)g, (void)argc, (void)argv;
	puts("kircerta-agent " KIRCERTA_VERSION);
	return EXIT_SUCCESS;
}

int cmd_init(const struct globals *g, int argc, char **argv)
{
	struct err err = {0};
	char *dir;

	(void)argv;
	if (argc > 1)
		return usage("init");
	dir = home_path(g->home, &err);
	if (!dir || home_init(dir, NULL, stdout, &err))
		return say_error(&err);
	printf("next: kircerta-agent --home %s run\n", dir);
	free(dir);
	return EXIT_SUCCESS;
}

char *built_in_tools(void)
{
	char exe[4096];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	char *slash, *dir;

	exe[n > 0 ? n : 0] = 0;
	slash = strrchr(exe, '/');
	if (slash)
		*slash = 0;
	dir = xasprintf("%s/tools", exe);
	if (!access(dir, X_OK))
		return dir;
	free(dir);
	return xstrdup(KIRCERTA_PREFIX "/libexec/kircerta/tools");
}

static void say_row(const char *what, bool ok, const char *text)
{
	printf("%-10s %-5s %s\n", what, ok ? "ok" : "FAIL", text);
}

static int check_settings(const struct globals *g, const struct home *home)
{
	struct settings s = {0};
	struct err err = {0};
	const char *file = g->config ? g->config : home->conf;
	int rc = settings_read(&s, file, &err);

	say_row("config", !rc, rc ? err.detail : file);
	if (rc)
		printf("%17s%s\n", "", err_hint_of(&err));
	else
		settings_fini(&s);
	err_fini(&err);
	return rc;
}

static int check_tools(const struct home *home)
{
	char *built_in = built_in_tools();
	const char *dirs[] = {built_in, home->tools_d, NULL};
	struct tools *tools = NULL;
	struct err err = {0};
	int rc = tools_load(&tools, dirs, &err);

	say_row("tools", !rc, rc ? err.detail : built_in);
	tools_unref(tools);
	err_fini(&err);
	free(built_in);
	return rc;
}

static int check_program(const char *name, const char *effect)
{
	char *command = xasprintf("command -v %s >/dev/null 2>&1", name);
	int rc = system(command);

	say_row(name, !rc, rc ? effect : "installed");
	free(command);
	return 0;			/* a tool lacks, the agent runs */
}

int cmd_check(const struct globals *g, int argc, char **argv)
{
	struct home home;
	int rc;

	if (argc > 1 && !strcmp(argv[1], "--list"))
		return settings_list(stdout), EXIT_SUCCESS;
	if (argc > 1)
		return usage("check [--list]");
	if (home_of(g, &home))
		return EXIT_FAILURE;
	say_row("home", true, home.dir);
	rc = check_settings(g, &home);
	rc |= check_tools(&home);
	check_program("ffmpeg", "screen.record fails: install ffmpeg");
	say_row("display", getenv("DISPLAY") != NULL, getenv("DISPLAY") ?
		getenv("DISPLAY") : "screen.* fails: set DISPLAY or "
				    "screen.display");
	home_fini(&home);
	return rc ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int token_make(const struct home *home, int argc, char **argv)
{
	static const struct option options[] = {
		{"name", required_argument, NULL, 'n'},
		{"scope", required_argument, NULL, 's'},
		{"expires", required_argument, NULL, 'e'}, {0},
	};
	const char *name = NULL;
	char text[TOKEN_TEXT];
	struct err err = {0};
	unsigned scopes = 0, one;
	int64_t ttl = 0;
	int opt;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (opt == 'n')
			name = optarg;
		else if (opt == 's' && (one = scope_of(optarg)))
			scopes |= one;
		else if (opt == 's')
			return usage("token create: scope is admin, observer "
				     "or tool_runner");
		else if (opt != 'e' || !duration_parse(optarg, &ttl))
			return usage("token create: --expires takes 12h, 30d "
				     "and so on");
	}
	if (!name || !scopes || optind < argc)
		return usage("token create --name N --scope S [--scope S] "
			     "[--expires 30d]");
	if (token_create(home->tokens, name, scopes, ttl, text, &err))
		return say_error(&err);
	puts(text);
	mem_wipe(text, sizeof(text));
	return EXIT_SUCCESS;
}

static void print_token(const json_t *t)
{
	json_t *each;
	size_t i;

	printf("%-12s %-20s %-28s %-28s ", json_str(t, "id"),
	       json_str(t, "name"), json_str(t, "created_at"),
	       json_str(t, "revoked_at") ? "revoked" :
	       json_str(t, "expires_at") ? json_str(t, "expires_at") :
					   "never expires");
	json_array_foreach (json_object_get(t, "scopes"), i, each)
		printf("%s%s", i ? "," : "", json_string_value(each));
	putchar('\n');
}

static int token_show(const struct home *home, bool as_json)
{
	struct tokens *tokens;
	struct err err = {0};
	json_t *list, *each;
	char *text;
	size_t i;

	if (tokens_open(&tokens, home->tokens, &err))
		return say_error(&err);
	list = tokens_list(tokens, &err);
	if (!list)
		return say_error(&err);
	if (as_json) {
		text = json_pretty(list, NULL);
		fputs(text, stdout);
		free(text);
	} else {
		json_array_foreach (list, i, each)
			print_token(each);
	}
	json_decref(list);
	tokens_close(tokens);
	return EXIT_SUCCESS;
}

static int token_end(const struct home *home, const char *id)
{
	struct err err = {0};

	if (token_revoke(home->tokens, id, &err))
		return say_error(&err);
	printf("revoked %s; it is refused from the next request on\n", id);
	return EXIT_SUCCESS;
}

int cmd_token(const struct globals *g, int argc, char **argv)
{
	struct home home;
	int rc;

	if (argc < 2)
		return usage("token create|list|revoke");
	if (home_of(g, &home))
		return EXIT_FAILURE;
	if (!strcmp(argv[1], "create"))
		rc = token_make(&home, argc - 1, argv + 1);
	else if (!strcmp(argv[1], "list") && argc <= 3)
		rc = token_show(&home, argc == 3 &&
				!strcmp(argv[2], "--json"));
	else if (!strcmp(argv[1], "revoke") && argc == 3)
		rc = token_end(&home, argv[2]);
	else
		rc = usage("token create|list [--json]|revoke ID");
	home_fini(&home);
	return rc;
}

static void say_report(const struct journal_report *r, bool as_json)
{
	char head[SHA256_HEX];

	hex_of(r->head, sizeof(r->head), head);
	if (as_json)
		printf("{\"ok\":%s,\"records\":%" PRIu64 ",\"bytes\":%" PRIu64
		       ",\"head\":\"%s\",\"bad_seq\":%" PRIu64
		       ",\"bad_line\":%" PRIu64 "}\n", r->ok ? "true" :
		       "false", r->records, r->bytes, head, r->bad_seq,
		       r->bad_line);
	else if (r->ok)
		printf("ok: %" PRIu64 " records, %" PRIu64 " bytes, every "
		       "link holds\nhead %s\n", r->records, r->bytes, head);
	else
		printf("NOT OK: record %" PRIu64 ", line %" PRIu64 ", byte %"
		       PRIu64 ": %s\n", r->bad_seq, r->bad_line, r->bad_off,
		       r->what);
}

int cmd_audit(const struct globals *g, int argc, char **argv)
{
	bool as_json = argc == 3 && !strcmp(argv[2], "--json");
	struct journal_report report = {0};
	struct err err = {0};
	struct home home;
	int rc;

	if (argc < 2 || strcmp(argv[1], "verify") || argc > 3 ||
	    (argc == 3 && !as_json))
		return usage("audit verify [--json]");
	if (home_of(g, &home))
		return EXIT_FAILURE;
	rc = journal_verify(home.audit, NULL, NULL, &report, &err);
	home_fini(&home);
	if (rc)
		return say_error(&err);
	say_report(&report, as_json);
	return report.ok ? EXIT_SUCCESS : EXIT_VERIFY;
}
