/*
 * kircerta-agent: a table of commands. `run` builds the agent top-down, runs
 * it, and tears it down bottom-up.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/admin.h"
#include "agent/run/spawn.h"
#include "common/err.h"
#include "common/json.h"
#include "common/log.h"
#include "common/mem.h"

static int cmd_help(const struct globals *g, int argc, char **argv);

static const struct command commands[] = {
	{"init", "", "make the home: folders, keys, repository, admin token",
	 cmd_init},
	{"run", "[--listen HOST:PORT] [--accept-remote]",
	 "serve until SIGTERM or SIGINT; --accept-remote: take the history of\n"
	 "a remote that diverged or was rewritten in once, as a merge that\n"
	 "leaves the documents as they are here",
	 cmd_run},
	{"check", "[--list]", "look at config and environment, with hints",
	 cmd_check},
	{"token", "create --name N --scope S [--scope S] [--expires 30d]\n"
	 "| list [--json] | rotate ID [--overlap 1h] [--expires 30d]\n"
	 "| narrow ID [--scope S]... [--expires 1h] | revoke ID",
	 "who may call; create and rotate print the token alone", cmd_token},
	{"audit", "verify [DIR] [--since FILE] [--key VKEY|FILE] "
	 "[--with-ssot] [--json]\n"
	 "| checkpoint [DIR]\n"
	 "| export [DIR] [--since T] [--until T] [--task ID] "
	 "[--format jsonl|csv]\n"
	 "| compress [DIR] [--keep N]\n"
	 "| reindex",
	 "verify: check every record, every link and every signed checkpoint,\n"
	 "in the home or in a copy of the files; --since: a checkpoint that you\n"
	 "kept; --key: the verifier key that you kept; --with-ssot compares the\n"
	 "task repository, and tells which records its history vouches for.\n"
	 "checkpoint: print the newest one. export: print records.\n"
	 "compress: the files that are no longer written to, but the newest N.\n"
	 "reindex: make index.db anew from the journal; an agent at work takes\n"
	 "the new one when it starts again",
	 cmd_audit},
	{"evidence", "verify [DIR] [--json]\n| gc [--dry-run]",
	 "verify: hash every file, and name what is corrupt, missing or in no\n"
	 "record. gc: remove what no record has, on the record, while the\n"
	 "agent is stopped", cmd_evidence},
	{"policy", "explain --tool T [--args FILE|-] [--as ACTOR] [--level L]\n"
	 "        [--mode M] [--at TIME] [--json]\n"
	 "| show [--json]",
	 "explain: what the gate would say of this call, and the line that\n"
	 "decides; exit 0 allow, 3 approve, 4 deny. Without --mode it is the\n"
	 "mode that is on the record; TIME is RFC 3339 or HH:MM, local. Calls of\n"
	 "the last minute are not known to it. show: every value with the line\n"
	 "that it comes from. Both read the file as it is now; a running agent\n"
	 "takes it on SIGHUP", cmd_policy},
	{"webhook", "test SOURCE FILE|- [--url URL] [--secret current|next]\n"
	 "        [--event TYPE] [--event-id ID] [--timestamp TIME] "
	 "[--sign-only] [--json]",
	 "send the event in FILE as the sender of [webhook \"SOURCE\"] would,\n"
	 "signed with its secret-file (next: its next-secret-file), and show what\n"
	 "is answered; exit 0 if it was taken. It goes to agent.listen, or to URL,\n"
	 "which may be what is in front of it. TYPE is GitHub's X-GitHub-Event\n"
	 "(push); TIME is RFC 3339 or 10m, that long ago. --sign-only prints the\n"
	 "headers and sends nothing", cmd_webhook},
	{"version", "", "print the version", cmd_version},
	{"help", "[COMMAND]", "this text, or one command's", cmd_help},
};

#define INDENT 7	/* as wide as "usage: " */

/* Text of several lines, those after the first moved in by indent. */
static void say_lines(FILE *out, const char *text, int indent)
{
	for (; *text; text++) {
		fputc(*text, out);
		if (*text == '\n')
			fprintf(out, "%*s", indent, "");
	}
}

static void say_usage_of(FILE *out, const struct command *cmd)
{
	fprintf(out, "%s%s", cmd->name, *cmd->usage ? " " : "");
	say_lines(out, cmd->usage, INDENT);
	fputc('\n', out);
}

static void usage(FILE *out)
{
	fputs("usage: kircerta-agent [--home DIR] [--config FILE] COMMAND ...\n"
	      "\n", out);
	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		fputs("  ", out);
		say_usage_of(out, &commands[i]);
		fprintf(out, "%*s", INDENT, "");
		say_lines(out, commands[i].help, INDENT);
		fputc('\n', out);
	}
	fputs("\n--config replaces agent.conf of the home. The home is --home, "
	      "$KIRCERTA_HOME,\n"
	      "$XDG_STATE_HOME/kircerta or ~/.local/state/kircerta.\n"
	      "Exit: 0 ok, 1 failure, 2 usage, 6 verification failed.\n"
	      "\nFirst steps:\n"
	      "  kircerta-agent init && kircerta-agent run\n"
	      "  kircerta-agent token create --name coordinator "
	      "--scope tool_runner --scope observer\n", out);
}

int say_error(const struct err *err)
{
	fprintf(stderr, "kircerta-agent: %s\n  %s\n", err->detail,
		err_hint_of(err));
	return EXIT_FAILURE;
}

static const struct command *find(const char *name)
{
	for (size_t i = 0; name && i < ARRAY_LEN(commands); i++)
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	return NULL;
}

static int say_help(const struct command *cmd)
{
	fputs("usage: kircerta-agent [--home DIR] [--config FILE] ", stdout);
	say_usage_of(stdout, cmd);
	printf("\n%s\n", cmd->help);
	return EXIT_SUCCESS;
}

/* problem is what argv has wrong, e.g. "no command". */
static int wrong(const char *problem, const char *given)
{
	fprintf(stderr, "kircerta-agent: %s %s\n"
		"  `kircerta-agent help` shows what there is.\n",
		problem, given);
	return EXIT_USAGE;
}

static int cmd_help(const struct globals *g, int argc, char **argv)
{
	const struct command *cmd = find(argv[1]);

	(void)g;
	if (argc > 2 || (argc == 2 && !cmd))
		return wrong("no command", argv[argc - 1]);
	if (cmd)
		return say_help(cmd);
	usage(stdout);
	return EXIT_SUCCESS;
}

/*
 * Asked for help, or a global option that came too late: the same for every
 * command. -1: neither.
 */
static int answer(const struct command *cmd, char **argv)
{
	for (; *argv; argv++) {
		if (!strcmp(*argv, "--help"))
			return say_help(cmd);
		if (!strncmp(*argv, "--home", 6) ||
		    !strncmp(*argv, "--config", 8)) {
			fprintf(stderr, "kircerta-agent: %s goes before the "
				"command %s\n", *argv, cmd->name);
			return EXIT_USAGE;
		}
	}
	return -1;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"home", required_argument, NULL, 'h'},
		{"config", required_argument, NULL, 'c'},
		{"help", no_argument, NULL, 'H'},
		{"version", no_argument, NULL, 'v'},
		{0},
	};
	struct globals g = {0};
	const struct command *cmd;
	int opt, rc;

	if (argc > 1 && !strcmp(argv[1], SPAWN_HELPER))
		return spawn_helper_main(argc, argv);
	json_setup();
	opterr = 0;
	while ((opt = getopt_long(argc, argv, "+:", options, NULL)) != -1) {
		if (opt == 'h')
			g.home = optarg;
		else if (opt == 'c')
			g.config = optarg;
		else if (opt == 'v')
			return cmd_version(&g, 0, NULL);
		else if (opt == 'H')
			return usage(stdout), EXIT_SUCCESS;
		else
			return wrong(opt == ':' ? "a value has to follow" :
				     "no option", argv[optind - 1]);
	}
	if (!argv[optind])
		return usage(stderr), EXIT_USAGE;
	cmd = find(argv[optind]);
	if (!cmd)
		return wrong("no command", argv[optind]);
	rc = answer(cmd, argv + optind + 1);
	if (rc >= 0)
		return rc;
	argc -= optind;
	argv += optind;
	optind = 0;			/* each command reads its own options */
	return cmd->run(&g, argc, argv);
}
