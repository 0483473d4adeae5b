/* The commands of kircerta-agent; main.c has their table. */
#pragma once
#include <stdlib.h>

struct err;
struct home;
struct settings;

#define EXIT_USAGE 2
#define EXIT_VERIFY 6
#define EXIT_APPROVE 3	/* policy explain */
#define EXIT_DENY 4

struct globals { const char *home, *config; };	/* as given, or NULL */

struct command {
	const char *name, *usage, *help;
	int (*run)(const struct globals *g, int argc, char **argv);
};

int cmd_init(const struct globals *g, int argc, char **argv);
int cmd_run(const struct globals *g, int argc, char **argv);
int cmd_check(const struct globals *g, int argc, char **argv);
int cmd_token(const struct globals *g, int argc, char **argv);
int cmd_audit(const struct globals *g, int argc, char **argv);
int cmd_policy(const struct globals *g, int argc, char **argv);
int cmd_evidence(const struct globals *g, int argc, char **argv);
int cmd_webhook(const struct globals *g, int argc, char **argv);
int cmd_version(const struct globals *g, int argc, char **argv);

int say_usage(const char *text);		/* to stderr; EXIT_USAGE */
/* The home that the globals name; non-zero: said why not. */
int home_of(const struct globals *g, struct home *home);
/* The configuration that counts: --config, which must be there, or the home's. */
int settings_of(const struct globals *g, const struct home *home,
		struct settings *s, struct err *err);
/* Detail and hint to stderr; EXIT_FAILURE. */
int say_error(const struct err *err);
/* Where our own tools are: beside the program, else where it is installed. */
char *built_in_tools(void);
