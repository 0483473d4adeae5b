/* See cli.h: options, help and the dispatch. */
#include "console/cli.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"

struct option_row {
	const char *name, *value;
	bool global;
	const char *help;
};

static const struct option_row options[OPT_COUNT] = {
#define OPT(id, name, value, global, help) \
	[OPT_##id] = {name, value, global, help},
#include "console/cli_opt.def"
#undef OPT
};

static const struct command_row {
	const char *name, *args, *options;
	int least, most;
	const char *help;
	cli_command *run;
} commands[] = {
#define CLI(name, args, options, least, most, help) \
	{#name, args, options, least, most, help, cli_##name},
#include "console/cli.def"
#undef CLI
};

static const struct command_row *find_command(const char *name)
{
	for (size_t i = 0; name && i < ARRAY_LEN(commands); i++)
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	return NULL;
}

int cli_usage(struct cli *c, const char *fmt, ...)
{
	const struct command_row *row = find_command(c->command);
	struct err err = {0};
	va_list ap;
	char *text;

	va_start(ap, fmt);
	text = xvasprintf(fmt, ap);
	va_end(ap);
	err_set(&err, ERR_invalid_request, "%s", text);
	err_hint(&err, "See: kircerta help%s%s", row ? " " : "",
		 row ? row->name : "");
	cli_error(c, &err);
	err_fini(&err);
	free(text);
	return EXIT_USAGE;
}

static bool takes(const struct command_row *row, const char *option)
{
	size_t len = strlen(option);

	for (const char *at = row->options; (at = strstr(at, option)); at++)
		if ((at == row->options || at[-1] == ' ') &&
		    (!at[len] || at[len] == ' '))
			return true;
	return false;
}

/* "--name=value", "--name value", "-o value"; how many words it was. */
static int take_option(struct cli *c, char **argv)
{
	const char *name = argv[0] + 2, *equals = strchr(name, '=');
	size_t len = equals ? (size_t)(equals - name) : strlen(name);

	if (!strcmp(argv[0], "-o")) {
		name = "output";
		len = strlen(name);
	} else if (!strcmp(argv[0], "-h")) {
		name = "help";
		len = strlen(name);
	} else if (strncmp(argv[0], "--", 2)) {
		return -cli_usage(c, "there is no option %s", argv[0]);
	}
	for (int i = 0; i < OPT_COUNT; i++) {
		bool value = *options[i].value;

		if (strlen(options[i].name) != len ||
		    strncmp(options[i].name, name, len))
			continue;
		if (value && !equals && !argv[1])
			return -cli_usage(c, "--%s needs %s", options[i].name,
					  options[i].value);
		if (!value && equals)
			return -cli_usage(c, "--%s takes no value",
					  options[i].name);
		c->opt[i] = equals ? equals + 1 : value ? argv[1] : "";
		return value && !equals ? 2 : 1;
	}
	return -cli_usage(c, "there is no option %s", argv[0]);
}

static int check(struct cli *c)
{
	const struct command_row *row = find_command(c->command);

	if (c->command && !row)
		return cli_usage(c, "there is no command \"%s\"", c->command);
	for (int i = 0; i < OPT_COUNT; i++)
		if (c->opt[i] && !options[i].global &&
		    (!row || !takes(row, options[i].name)))
			return cli_usage(c, "--%s is not for %s",
					 options[i].name, row ? row->name :
					 "the console");
	if (!row || c->opt[OPT_help])
		return 0;
	if (c->count < row->least || c->count > row->most)
		return cli_usage(c, "usage: kircerta %s %s", row->name,
				 row->args);
	return 0;
}

int cli_settings(struct cli *c)
{
	static const char *const colors[] = {"auto", "always", "never"};
	const char *color = c->opt[OPT_color];
	struct settings *s = &c->settings;
	struct err err = {0};
	int rc, i = 0;

	while (color && i < 3 && strcmp(colors[i], color))
		i++;
	if (i == 3)
		return cli_usage(c, "--color is auto, always or never");
	s->color = i;
	s->agent = xstrdup(c->opt[OPT_agent]);
	s->token_file = xstrdup(c->opt[OPT_token_file]);
	s->theme = xstrdup(c->opt[OPT_theme]);
	s->signing_key = xstrdup(c->opt[OPT_signing_key]);
	rc = settings_load(s, &err) ? cli_error(c, &err) : 0;
	err_fini(&err);
	return rc ? EXIT_USAGE : 0;
}

int cli_parse(struct cli *c, int argc, char **argv)
{
	bool plain = false;

	*c = (struct cli){.args = xcalloc((size_t)argc + 1, sizeof(char *))};
	for (int i = 1; i < argc;) {
		int took = 1;

		if (!plain && !strcmp(argv[i], "--"))
			plain = true;
		else if (!plain && argv[i][0] == '-' && argv[i][1] &&
			 !(c->command && strchr(argv[i], ':')))
			took = take_option(c, &argv[i]);
		else if (!c->command)
			c->command = argv[i];
		else
			c->args[c->count++] = argv[i];
		if (took < 0)
			return -took;
		i += took;
	}
	return check(c);
}

static void print_options(const struct command_row *row)
{
	for (int i = 0; i < OPT_COUNT; i++) {
		char head[64];

		if (!(row ? takes(row, options[i].name) : options[i].global))
			continue;
		snprintf(head, sizeof(head), "--%s%s%s", options[i].name,
			 *options[i].value ? " " : "", options[i].value);
		printf("  %-26s %s\n", head, options[i].help);
	}
}

static void print_help(const struct command_row *row)
{
	if (row) {
		printf("usage: kircerta %s %s\n\n%s\n\n", row->name, row->args,
		       row->help);
		print_options(row);
		print_options(NULL);
		return;
	}
	printf("kircerta " KIRCERTA_VERSION ": the operator's console. On a "
	       "terminal, without a command,\nit opens the screens; else:\n\n");
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		printf("  kircerta %-9s %-25s %s\n", commands[i].name,
		       commands[i].args, commands[i].help);
	printf("\nfor all of them:\n");
	print_options(NULL);
	printf("\nexit codes: 0 ok, 1 failed, 2 usage, 3 declined, 4 login, "
	       "5 conflict or expired,\n6 verification failed or unhealthy, "
	       "7 unreachable, 8 still pending, 124 time over\n\nexamples:\n"
	       "  kircerta approvals --wait --timeout 5m\n"
	       "  kircerta audit type:policy_denied since:2h\n"
	       "  kircerta tail --after 0 | jq .type\n");
}

int cli_help(struct cli *c)
{
	const struct command_row *row = find_command(c->count ? c->args[0] :
								NULL);

	if (c->count && !row)
		return cli_usage(c, "there is no command \"%s\"", c->args[0]);
	print_help(row);
	return EXIT_OK;
}

int cli_version(struct cli *c)
{
	(void)c;
	puts("kircerta " KIRCERTA_VERSION);
	return EXIT_OK;
}

int cli_run(struct cli *c)
{
	const struct command_row *row = find_command(c->command);
	struct err err = {0};
	int rc;

	if (!row || c->opt[OPT_help]) {
		print_help(row);
		return row || c->opt[OPT_help] ? EXIT_OK : EXIT_USAGE;
	}
	if (row->run == cli_help || row->run == cli_version)
		return row->run(c);
	rc = cli_settings(c);
	if (rc)
		return rc;
	rc = settings_token(&c->settings, &err) ? cli_error(c, &err) : 0;
	err_fini(&err);
	if (rc)
		return rc;
	c->to = (struct link_to){
		.host = c->settings.host, .port = c->settings.port,
		.unix_path = c->settings.unix_path, .tls = c->settings.tls,
		.token = c->settings.token, .ca_file = c->settings.ca_file,
		.client_certificate = c->settings.client_certificate,
		.client_key = c->settings.client_key,
	};
	return row->run(c);
}

void cli_fini(struct cli *c)
{
	settings_fini(&c->settings);
	free(c->args);
}
