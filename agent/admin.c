/* What the commands share, and the two that have no file: init, version. */
#include "agent/admin.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/ops/webhook_fit.h"
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

static int read_whole(struct settings *s, const char *file, struct err *err)
{
	if (settings_read(s, file, err))
		return -1;
	if (!webhooks_fit(s, err))
		return 0;
	settings_fini(s);
	return -1;
}

/* A file that was named must be there: without it all would be default. */
int settings_of(const struct globals *g, const struct home *home,
		struct settings *s, struct err *err)
{
	if (!g->config || !access(g->config, R_OK))
		return read_whole(s, g->config ? g->config : home->conf, err);
	err_sys(err, ERR_bad_config, "--config %s", g->config);
	return err_hint(err, "Name a file that can be read; without --config "
			"it is %s.", home->conf);
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
