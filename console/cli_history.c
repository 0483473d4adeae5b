/*
 * A task's past: a row for each thing that a commit changed, or one old
 * version with the very bytes that git has.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/json.h"
#include "common/mem.h"
#include "console/cli.h"
#include "console/safe.h"

static const char *const titles[] = {"TIME", "COMMIT", "BY", "OPERATION",
				     "WHAT", "FROM", "TO"};

#define SHORT 12		/* digits of a commit, enough for --rev */

enum { WHAT = 4, FROM, TO };

/* As one word of a row: text as it is, all else as JSON; "" for none. */
static char *cell(const json_t *v)
{
	if (!v || json_is_null(v))
		return xstrdup("");
	return json_is_string(v) ? xstrdup(json_string_value(v)) :
	       json_line(v, NULL);
}

struct rows { struct cli_table *table; size_t n; };

static void add_row(struct rows *rows, const json_t *item, const char *what,
		    const json_t *from, const json_t *to)
{
	const char *commit = json_str(item, "commit");
	char start[SHORT + 1] = "";
	const char *cells[ARRAY_LEN(titles)] = {
		json_str(item, "at"), start, json_str(item, "by"), json_str(item, "operation"), what,
	};
	char *was = cell(from), *is = cell(to);

	if (commit)
		snprintf(start, sizeof(start), "%s", commit);
	for (size_t i = 0; i < WHAT; i++)
		if (!cells[i])
			cells[i] = "";
	cells[FROM] = was;
	cells[TO] = is;
	table_add(rows->table, cells);
	rows->n++;
	free(was);
	free(is);
}

/* The time is in each row, and what a task begins without is not told. */
static bool is_said(const json_t *change)
{
	const char *path = json_str(change, "path");

	return path && strcmp(path, "/updated_at") &&
	       (json_object_get(change, "from") ||
		!json_is_null(json_object_get(change, "to")));
}

/* A row at least. */
static void add_item(struct cli_table *t, const json_t *item)
{
	json_t *changes = json_object_get(item, "changes");
	json_t *documents = json_object_get(item, "documents"), *each;
	struct rows rows = {.table = t};
	size_t i;

	if (json_str(item, "reason"))
		add_row(&rows, item, "reason", NULL,
			json_object_get(item, "reason"));
	if (!json_is_array(changes))
		add_row(&rows, item, "no document", NULL, NULL);
	json_array_foreach (changes, i, each)
		if (is_said(each))
			add_row(&rows, item, json_str(each, "path"),
				json_object_get(each, "from"),
				json_object_get(each, "to"));
	if (json_object_get(item, "more_changes"))
		add_row(&rows, item, "and more", NULL,
			json_object_get(item, "more_changes"));
	json_array_foreach (documents, i, each)
		add_row(&rows, item, json_str(each, "document"),
			json_object_get(each, "from"),
			json_object_get(each, "to"));
	if (!rows.n)
		add_row(&rows, item, "", NULL, NULL);
}

/* Pages come from the newest end; each goes before those that were first. */
static int fetch(struct cli *c, const char *id, json_t **items)
{
	char *cursor = NULL;
	int rc;

	*items = json_array();
	do {
		char *path = xasprintf("/api/tasks/%s/history?limit=200%s%s",
				       id, cursor ? "&cursor=" : "",
				       cursor ? cursor : "");
		json_t *page, *list;

		rc = cli_call(c, "GET", path, NULL, &page);
		free(path);
		xfree(cursor);
		list = json_copy(json_object_get(page, "items"));
		if (!rc && json_is_array(list)) {
			json_array_extend(list, *items);
			json_decref(*items);
			*items = json_incref(list);
		}
		if (json_str(page, "next_cursor"))
			cursor = http_escape(json_str(page, "next_cursor"));
		json_decref(list);
		json_decref(page);
	} while (!rc && cursor);
	free(cursor);
	return rc;
}

static int print_version(struct cli *c, const char *id)
{
	char *rev = http_escape(c->opt[OPT_rev]), *path, *text, *safe;
	json_t *task;
	int rc;

	path = xasprintf("/api/tasks/%s?rev=%s", id, rev);
	rc = cli_call(c, "GET", path, NULL, &task);
	if (!rc && !cli_json(c, task)) {
		json_object_del(task, "sha");
		text = json_pretty(task, NULL);
		safe = safe_block(text);
		fputs(isatty(STDOUT_FILENO) ? safe : text, stdout);
		free(safe);
		free(text);
	}
	json_decref(task);
	free(path);
	free(rev);
	return rc;
}

static int print_history(struct cli *c, const char *id)
{
	struct cli_table *t;
	json_t *items, *each;
	size_t i;
	int rc = fetch(c, id, &items);

	if (!rc && !cli_json(c, items)) {
		t = table_new(titles, ARRAY_LEN(titles));
		json_array_foreach (items, i, each)
			add_item(t, each);
		table_print(t);
	}
	json_decref(items);
	return rc;
}

int cli_history(struct cli *c)
{
	char *id = http_escape(c->args[0]);
	int rc = c->opt[OPT_rev] ? print_version(c, id) :
				   print_history(c, id);

	free(id);
	return rc;
}
