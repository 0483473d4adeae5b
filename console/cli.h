/* The command line: one row per command (cli.def) and option (cli_opt.def). */
#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "common/err.h"
#include "console/link_http.h"
#include "console/settings.h"

enum exit_code {
	EXIT_OK, EXIT_FAILED, EXIT_USAGE, EXIT_DECLINED, EXIT_LOGIN,
	EXIT_CONFLICT, EXIT_UNVERIFIED, EXIT_UNREACHABLE, EXIT_PENDING,
	EXIT_TIMEOUT = 124,
};

enum cli_opt {
#define OPT(id, name, value, global, help) OPT_##id,
#include "console/cli_opt.def"
#undef OPT
	OPT_COUNT
};

struct cli {
	struct settings settings;
	struct link_to to;
	const char *opt[OPT_COUNT];	/* NULL: not given */
	const char *command;		/* NULL: none */
	char **args;
	int count;
};

typedef int cli_command(struct cli *c);
#define CLI(name, ...) cli_command cli_##name;
#include "console/cli.def"
#undef CLI

/* 0, or the exit code of a usage error that was told already. */
int cli_parse(struct cli *c, int argc, char **argv);
/* Settings from options, environment and file; as cli_parse. */
int cli_settings(struct cli *c);
int cli_run(struct cli *c);
void cli_fini(struct cli *c);
int cli_usage(struct cli *c, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Tell an error, as words or as JSON; returns the exit code it means. */
int cli_error(struct cli *c, const struct err *err);
int cli_problem(struct cli *c, const struct http_answer *answer);
/*
 * One call; 0 with *out (owned) for a 2xx answer, else an exit code, told.
 */
int cli_call(struct cli *c, const char *method, const char *path,
	     const json_t *body, json_t **out);
/*
 * POST what changes the first argument, and print it with its new state. The
 * exit code; takes nothing.
 */
int cli_change(struct cli *c, const char *path, const json_t *body);
/* All pages of a list; *items is an array. */
int cli_list(struct cli *c, const char *path, json_t **items);

/* The answer as JSON with its schema, if that was asked for. Takes nothing. */
bool cli_json(struct cli *c, const json_t *answer);
/* FILTER arguments joined by spaces. Caller frees. */
char *cli_filter(struct cli *c, int from);

/* On stderr, for people: the filter asks for a type that nobody knows. */
void cli_type_hint(struct cli *c);

/* Rows of text: aligned on a terminal, else TSV. Cells are made safe here. */
struct cli_table;
struct cli_table *table_new(const char *const *titles, size_t columns);
void table_add(struct cli_table *t, const char *const *cells);
void table_print(struct cli_table *t);	/* and free */
