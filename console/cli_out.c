/* What all commands print with, and how they call and fail. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/json.h"
#include "common/mem.h"
#include "console/cli.h"
#include "console/frame.h"
#include "console/place.h"
#include "console/safe.h"

#define PAGE "limit=200"

/* Which exit code a refusal means: by its code, else by its status. */
static const struct { const char *code; long status; enum exit_code exit; }
exits[] = {
	{"evidence_corrupt", 0, EXIT_UNVERIFIED},
	{"unauthenticated", 401, EXIT_LOGIN},
	{"insufficient_scope", 0, EXIT_LOGIN},
	{"self_approval", 0, EXIT_LOGIN},
	{"invalid_request", 0, EXIT_USAGE},
	{NULL, 409, EXIT_CONFLICT},
};

static int exit_of(const char *code, long status)
{
	for (size_t i = 0; i < ARRAY_LEN(exits); i++)
		if ((code && exits[i].code && !strcmp(exits[i].code, code)) ||
		    (status && exits[i].status == status))
			return (int)exits[i].exit;
	return EXIT_FAILED;
}

static void tell(struct cli *c, const json_t *problem)
{
	const char *detail = json_str(problem, "detail");
	const char *hint = json_str(problem, "remediation_hint");
	char *text;

	if (c->opt[OPT_json]) {
		text = json_line(problem, NULL);
		fprintf(stderr, "%s\n", text);
		free(text);
		return;
	}
	text = safe_line(detail);
	fprintf(stderr, "kircerta: %s\n", text);
	free(text);
	text = safe_line(hint);
	if (*text)
		fprintf(stderr, "%s\n", text);
	free(text);
}

/* Nobody answered, so there is no status and no code of the agent's. */
static void make_unreachable(json_t *problem)
{
	json_object_del(problem, "status");
	json_set_str(problem, "type", "urn:kircerta:error:unreachable");
	json_set_str(problem, "title", "The agent cannot be reached");
	json_set_str(problem, "error_code", "unreachable");
	json_object_set_new(problem, "retryable", json_true());
}

int cli_error(struct cli *c, const struct err *err)
{
	json_t *problem = err_problem(err, NULL);
	const struct err_row *row = err_row(err->code);
	bool unreachable = err->code == ERR_internal;

	if (unreachable)
		make_unreachable(problem);
	tell(c, problem);
	json_decref(problem);
	return unreachable ? EXIT_UNREACHABLE :
			     exit_of(row->code, row->status);
}

/* Which token was refused, and how another is given. */
static char *login_hint(const struct cli *c)
{
	const char *given = c->settings.token_file;
	char *own = given ? NULL : place_home("admin.token");
	char *hint = xasprintf("The token is the one in %s; give another with "
			       "--token-file FILE. `kircerta-agent token "
			       "create` makes one.", given ? given : own);

	free(own);
	return hint;
}

static void tell_login(struct cli *c, const json_t *problem)
{
	json_t *copy = json_copy((json_t *)problem);
	char *hint = login_hint(c);

	json_set_str(copy, "remediation_hint", hint);
	tell(c, copy);
	json_decref(copy);
	free(hint);
}

int cli_problem(struct cli *c, const struct http_answer *a)
{
	struct err err = {0};
	int rc;

	if (json_str(a->json, "error_code")) {
		if (a->status == 401)
			tell_login(c, a->json);
		else
			tell(c, a->json);
		return exit_of(json_str(a->json, "error_code"), a->status);
	}
	err_set(&err, ERR_tool_failed, "the agent answered with status %ld",
		a->status);
	err_hint(&err, "Is this really a kircerta agent?");
	rc = cli_error(c, &err);
	err_fini(&err);
	return a->status == 401 ? EXIT_LOGIN : rc;
}

int cli_call(struct cli *c, const char *method, const char *path,
	     const json_t *body, json_t **out)
{
	struct http_answer answer;
	struct err err = {0};
	int rc;

	*out = NULL;
	if (http_json(&c->to, method, path, body, &answer, &err))
		rc = cli_error(c, &err);
	else if (answer.status / 100 != 2 || !answer.json)
		rc = cli_problem(c, &answer);
	else
		rc = EXIT_OK;
	if (!rc)
		*out = json_incref(answer.json);
	http_answer_fini(&answer);
	err_fini(&err);
	return rc;
}

int cli_change(struct cli *c, const char *path, const json_t *body)
{
	const char *state;
	json_t *answer;
	int rc = cli_call(c, "POST", path, body, &answer);

	if (rc)
		return rc;
	state = json_str(answer, "state");
	if (!cli_json(c, answer))
		printf("%s\t%s\n", c->args[0], state ? state : "?");
	json_decref(answer);
	return EXIT_OK;
}

int cli_list(struct cli *c, const char *path, json_t **items)
{
	char *cursor = NULL;
	int rc;

	*items = json_array();
	do {
		char *page = xasprintf("%s%s" PAGE "%s%s", path,
				       strchr(path, '?') ? "&" : "?",
				       cursor ? "&cursor=" : "",
				       cursor ? cursor : "");
		json_t *answer;

		rc = cli_call(c, "GET", page, NULL, &answer);
		free(page);
		xfree(cursor);
		json_array_extend(*items, json_object_get(answer, "items"));
		if (json_str(answer, "next_cursor"))
			cursor = http_escape(json_str(answer, "next_cursor"));
		json_decref(answer);
	} while (!rc && cursor);
	free(cursor);
	if (rc) {
		json_decref(*items);
		*items = NULL;
	}
	return rc;
}

bool cli_json(struct cli *c, const json_t *answer)
{
	json_t *out;
	char *text;

	if (!c->opt[OPT_json])
		return false;
	out = json_object();
	json_set_str(out, "schema", "kircerta.v1");
	if (json_is_array(answer))
		json_object_set(out, "items", (json_t *)answer);
	else
		json_object_update_missing(out, (json_t *)answer);
	text = json_line(out, NULL);
	puts(text);
	free(text);
	json_decref(out);
	return true;
}

char *cli_filter(struct cli *c, int from)
{
	struct buf b = {0};

	for (int i = from; i < c->count; i++)
		buf_addf(&b, "%s%s", b.len ? " " : "", c->args[i]);
	buf_adds(&b, "");
	return buf_take(&b, NULL);
}

struct cli_table {
	const char *const *titles;
	size_t columns, rows;
	char **cells;
};

struct cli_table *table_new(const char *const *titles, size_t columns)
{
	struct cli_table *t = xcalloc(1, sizeof(*t));

	t->titles = titles;
	t->columns = columns;
	return t;
}

void table_add(struct cli_table *t, const char *const *cells)
{
	size_t at = t->rows++ * t->columns;

	t->cells = xrealloc(t->cells,
			    (at + t->columns) * sizeof(*t->cells));
	for (size_t i = 0; i < t->columns; i++)
		t->cells[at + i] = safe_line(cells[i]);
}

static void print_row(const struct cli_table *t, const char *const *cells,
		      const int *widths)
{
	for (size_t i = 0; i < t->columns; i++) {
		int pad = widths ? widths[i] - text_cells(cells[i], false) : 0;

		printf("%s%s", i ? widths ? "  " : "\t" : "", cells[i]);
		if (widths && i + 1 < t->columns)
			printf("%*s", pad, "");
	}
	putchar('\n');
}

void table_print(struct cli_table *t)
{
	int *widths = xcalloc(t->columns, sizeof(*widths));
	bool tty = isatty(STDOUT_FILENO);

	for (size_t i = 0; i < t->columns; i++)
		widths[i] = text_cells(t->titles[i], false);
	for (size_t i = 0; tty && i < t->rows * t->columns; i++) {
		int need = text_cells(t->cells[i], false);

		if (need > widths[i % t->columns])
			widths[i % t->columns] = need;
	}
	if (tty && t->rows)
		print_row(t, t->titles, widths);
	for (size_t r = 0; r < t->rows; r++)
		print_row(t, (const char *const *)&t->cells[r * t->columns],
			  tty ? widths : NULL);
	for (size_t i = 0; i < t->rows * t->columns; i++)
		free(t->cells[i]);
	free(t->cells);
	free(widths);
	free(t);
}
