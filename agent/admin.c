/* Commands that need no running agent: init, check, version. */
#include "agent/admin.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/run/tool.h"
#include "agent/store/home.h"
#include "agent/store/settings.h"
#include "common/err.h"
#include "common/mem.h"

int say_usage(const char *text)
{
	fprintf(stderr, "usage: kircerta-agent %s\n", text);
	return EXIT_USAGE;
}

int home_of(const struct globals *g, struct home *home)
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
		return say_usage("init");
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

static int check_settings(struct settings *s, const struct globals *g,
			  const struct home *home)
{
	struct err err = {0};
	const char *file = g->config ? g->config : home->conf;
	int rc = settings_read(s, file, &err);

	say_row("config", !rc, rc ? err.detail : file);
	if (rc)
		printf("%17s%s\n", "", err_hint_of(&err));
	err_fini(&err);
	return rc;
}

/* A policy for a tool that is not there protects nothing. */
static int check_policies(const struct settings *s, const struct tools *tools)
{
	int rc = 0;

	for (size_t i = 0; i < s->n_tool_policies; i++)
		if (!tools_find(tools, s->tool_policies[i].tool)) {
			say_row("policy", false, s->tool_policies[i].tool);
			printf("%17sno tool has this name: correct it or take "
			       "the section out\n", "");
			rc = -1;
		}
	return rc;
}

static int check_tools(const struct settings *s, const struct home *home)
{
	char *built_in = built_in_tools();
	const char *dirs[] = {built_in, home->tools_d, s->tools_dir, NULL};
	struct tools *tools = NULL;
	struct err err = {0};
	int rc = tools_load(&tools, dirs, &err);

	say_row("tools", !rc, rc ? err.detail : built_in);
	if (!rc)
		rc = check_policies(s, tools);
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
	struct settings s = {0};
	struct home home;
	int rc;

	if (argc > 1 && !strcmp(argv[1], "--list"))
		return settings_list(stdout), EXIT_SUCCESS;
	if (argc > 1)
		return say_usage("check [--list]");
	if (home_of(g, &home))
		return EXIT_FAILURE;
	say_row("home", true, home.dir);
	rc = check_settings(&s, g, &home);
	rc |= check_tools(&s, &home);
	check_program("ffmpeg", "screen.record fails: install ffmpeg");
	say_row("display", getenv("DISPLAY") != NULL, getenv("DISPLAY") ?
		getenv("DISPLAY") : "screen.* fails: set DISPLAY or "
				    "screen.display");
	settings_fini(&s);
	home_fini(&home);
	return rc ? EXIT_FAILURE : EXIT_SUCCESS;
}
