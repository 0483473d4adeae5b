/* Commands that read: status, tasks, approvals, audit, tail. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/json.h"
#include "common/mem.h"
#include "console/cli.h"
#include "console/filter.h"
#include "console/model_item.h"
#include "console/model_type.h"

#define RETRY_MOST_S 15

/* Each row: one member of each item; a dot goes deeper. */
static const json_t *at_path(const json_t *v, const char *path)
{
	const char *dot = strchr(path, '.');
	char *first;

	if (!dot)
		return json_object_get(v, path);
	first = xstrndup(path, (size_t)(dot - path));
	v = json_object_get(v, first);
	free(first);
	return at_path(v, dot + 1);
}

static char *text_at(const json_t *v, const char *path)
{
	v = at_path(v, path);
	if (!v || json_is_null(v))
		return xstrdup("");
	return json_is_string(v) ? xstrdup(json_string_value(v)) :
				   json_line(v, NULL);
}

static void print_items(const json_t *items, const char *const *titles,
			const char *const *paths, size_t n)
{
	struct cli_table *t = table_new(titles, n);
	char **cells = xcalloc(n, sizeof(*cells));
	const json_t *each;
	size_t i;

	json_array_foreach ((json_t *)items, i, each) {
		for (size_t k = 0; k < n; k++)
			cells[k] = text_at(each, paths[k]);
		table_add(t, (const char *const *)cells);
		for (size_t k = 0; k < n; k++)
			free(cells[k]);
	}
	free(cells);
	table_print(t);
}

/* The path with a filter as its query, or NULL: told. */
static char *query_path(struct cli *c, const char *path, int from, int *rc)
{
	char *filter = cli_filter(c, from), *query, *out = NULL;
	struct err err = {0};

	query = filter_query(filter, &err);
	if (query)
		out = xasprintf("%s%s%s", path, *query ? "?" : "", query);
	else
		*rc = cli_error(c, &err);
	err_fini(&err);
	free(filter);
	free(query);
	return out;
}

int cli_status(struct cli *c)
{
	static const char *const titles[] = {"NAME", "STATUS", "SINCE",
					     "DETAIL", "EFFECT", "DO"};
	static const char *const paths[] = {"name", "status", "since",
					    "detail", "effect",
					    "remediation_hint"};
	json_t *health, *pending;
	const char *status;
	int rc = cli_call(c, "GET", "/api/health", NULL, &health);

	if (rc)
		return rc;
	rc = cli_list(c, "/api/approvals?state=pending", &pending);
	if (rc) {
		json_decref(health);
		return rc;
	}
	status = json_str(health, "status");
	json_set_int(health, "pending_approvals",
		     (json_int_t)json_array_size(pending));
	if (!cli_json(c, health)) {
		char *seq = text_at(health, "seq");
		const char *mode = json_str(health, "mode");

		printf("status\t%s\nmode\t%s\nseq\t%s\npending\t%zu\n",
		       status ? status : "?", mode ? mode : "?", seq,
		       json_array_size(pending));
		print_items(json_object_get(health, "components"), titles,
			    paths, ARRAY_LEN(paths));
		free(seq);
	}
	rc = status && !strcmp(status, "ok") ? EXIT_OK : EXIT_UNVERIFIED;
	json_decref(health);
	json_decref(pending);
	return rc;
}

int cli_tasks(struct cli *c)
{
	static const char *const titles[] = {"ID", "STATE", "ATTEMPT",
					     "HOLDER", "CREATED", "TITLE"};
	static const char *const paths[] = {"id", "state", "attempt",
					    "lease.holder", "created_at",
					    "title"};
	json_t *items;
	int rc = 0;
	char *path = query_path(c, "/api/tasks", 0, &rc);

	rc = path ? cli_list(c, path, &items) : rc;
	free(path);
	if (rc)
		return rc;
	if (!cli_json(c, items))
		print_items(items, titles, paths, ARRAY_LEN(paths));
	json_decref(items);
	return EXIT_OK;
}

static int stop_at_request(void *data, const char *event, const char *text)
{
	(void)data, (void)text;
	return !strcmp(event, "approval_requested");
}

/* Until one is asked for; the cursor closes the hole between list and wait. */
static int wait_for_request(struct cli *c, json_int_t seq, int64_t until)
{
	while (!until || clock_mono_us() < until) {
		int64_t left = until ? until - clock_mono_us() : 0;
		struct http_answer answer;
		struct err err = {0};
		char *last = NULL, *path;
		int rc;

		path = xasprintf("/api/events?types=approval_requested&"
				 "after_seq=%lld", (long long)seq);
		rc = http_events(&c->to, path, left ? left / 1000000 + 1 : 0,
				 stop_at_request, NULL, &last, &answer, &err);
		free(path);
		free(last);
		if (rc < 0)
			rc = cli_error(c, &err);
		else if (!rc && answer.status / 100 > 2)
			rc = cli_problem(c, &answer);
		else
			rc = rc ? -1 : 0;
		http_answer_fini(&answer);
		err_fini(&err);
		if (rc)
			return rc < 0 ? EXIT_OK : rc;
	}
	return EXIT_TIMEOUT;
}

static int get_pending(struct cli *c, json_t **items)
{
	int64_t span = 0, until = 0;
	json_t *health;
	json_int_t seq;
	int rc;

	if (c->opt[OPT_timeout] && !duration_parse(c->opt[OPT_timeout], &span))
		return cli_usage(c, "--timeout is a time such as 30s or 5m");
	until = span ? clock_mono_us() + span : 0;
	for (;;) {
		rc = cli_call(c, "GET", "/api/health", NULL, &health);
		seq = json_int(health, "seq", 0);
		json_decref(health);
		if (rc)
			return rc;
		rc = cli_list(c, "/api/approvals?state=pending", items);
		if (rc || !c->opt[OPT_wait] || json_array_size(*items))
			return rc;
		json_decref(*items);
		*items = NULL;
		rc = wait_for_request(c, seq, until);
		if (rc)
			return rc;
	}
}

int cli_approvals(struct cli *c)
{
	static const char *const titles[] = {"ID", "STATE", "EXPIRES_IN_S",
					     "TOOL", "TASK", "REQUESTER",
					     "DIGEST"};
	static const char *const paths[] = {"id", "state", "expires_in_s",
					    "tool", "task_id", "requester",
					    "request_sha256"};
	json_t *items = NULL;
	int rc = get_pending(c, &items);

	if (!rc && !cli_json(c, items))
		print_items(items, titles, paths, ARRAY_LEN(paths));
	json_decref(items);
	return rc;
}

/* As on the Audit screen, a record a line, but whole. */
static void print_records(const json_t *records)
{
	static const char *const titles[] = {"TIME", "SEQ", "TYPE", "ACTOR",
					     "TASK", "SUMMARY"};
	struct cli_table *t = table_new(titles, ARRAY_LEN(titles));
	const json_t *each;
	size_t i;

	json_array_foreach ((json_t *)records, i, each) {
		struct item *it = item_decode(ITEM_RECORD, each);
		const struct record *r = (const void *)it;
		char seq[24];

		if (!it)
			continue;
		snprintf(seq, sizeof(seq), "%lld", (long long)r->seq);
		table_add(t, (const char *const[]){json_str(each, "ts"), seq,
						   r->type, r->actor,
						   r->task_id, r->summary});
		item_free(it);
	}
	table_print(t);
}

static int print_chain(struct cli *c)
{
	static const char *const titles[] = {"SHA256", "SIZE", "VERIFIED",
					     "NAME"};
	static const char *const paths[] = {"sha256", "size", "verified",
					    "name"};
	char *id = http_escape(c->opt[OPT_chain]);
	char *path = xasprintf("/api/audit/%s", id);
	json_t *chain;
	int rc = cli_call(c, "GET", path, NULL, &chain);

	free(id);
	free(path);
	if (rc)
		return rc;
	rc = json_is_set(chain, "complete") ? EXIT_OK : EXIT_UNVERIFIED;
	if (!cli_json(c, chain)) {
		print_records(json_object_get(chain, "events"));
		print_items(json_object_get(chain, "artifacts"), titles, paths,
			    ARRAY_LEN(paths));
	}
	if (rc && !c->opt[OPT_json])
		fputs("kircerta: the chain is not complete\n", stderr);
	json_decref(chain);
	return rc;
}

void cli_type_hint(struct cli *c)
{
	char *filter = cli_filter(c, 0);
	char *hint = c->opt[OPT_json] ? NULL : type_unknown(filter, false);

	if (hint)
		fprintf(stderr, "kircerta: %s\n", hint);
	free(hint);
	free(filter);
}

int cli_audit(struct cli *c)
{
	json_t *items;
	char *path;
	int rc = 0;

	if (c->opt[OPT_chain])
		return print_chain(c);
	path = query_path(c, "/api/audit", 0, &rc);
	rc = path ? cli_list(c, path, &items) : rc;
	free(path);
	if (rc)
		return rc;
	if (!cli_json(c, items))
		print_records(items);
	if (!json_array_size(items))
		cli_type_hint(c);
	json_decref(items);
	return EXIT_OK;
}
