/* kircerta: on a terminal the console, with a command the command line. */
#include <locale.h>
#include <stdio.h>
#include <unistd.h>

#include "common/json.h"
#include "console/cli.h"
#include "console/main_app.h"
#include "console/view_ui.h"

static int open_console(struct cli *c)
{
	const char *start = c->opt[OPT_open];
	int rc = cli_settings(c);

	if (!rc && start && !ui_knows(start))
		return cli_usage(c, "--open: there is no screen \"%s\"",
				 start);
	return rc ? rc : app_run(&c->settings, start,
				 c->opt[OPT_readonly]);
}

int main(int argc, char **argv)
{
	struct cli c;
	int rc;

	setlocale(LC_ALL, "");
	setlocale(LC_NUMERIC, "C");
	json_setup();
	rc = cli_parse(&c, argc, argv);
	if (!rc && !c.command && !c.opt[OPT_help] && isatty(STDIN_FILENO) &&
	    isatty(STDOUT_FILENO))
		rc = open_console(&c);
	else if (!rc)
		rc = cli_run(&c);
	cli_fini(&c);
	return rc;
}
