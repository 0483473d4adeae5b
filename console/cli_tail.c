/* tail: records as they come, for ever, resumed where it was cut. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/json.h"
#include "common/mem.h"
#include "console/cli.h"
#include "console/filter.h"
#include "console/safe.h"

#define RETRY_MOST_S 15

static int print_record(void *data, const char *event, const char *text)
{
	struct cli *c = data;
	bool words = isatty(STDOUT_FILENO) && !c->opt[OPT_json];
	json_t *record;
	char *safe;

	if (!strcmp(event, "ping"))
		return 0;
	if (!words) {			/* parsed and written again: NDJSON */
		record = json_parse(text, strlen(text), NULL);
		safe = record ? json_line(record, NULL) : xstrdup("");
		json_decref(record);
	} else {
		safe = safe_line(text);
	}
	if (*safe && (puts(safe) < 0 || fflush(stdout)))
		exit(EXIT_OK);		/* nobody reads any more */
	free(safe);
	return 0;
}

/* What the events can be picked by; anything else is said to be too much. */
static int check_words(struct cli *c, const char *filter)
{
	const char *after = c->opt[OPT_after];
	size_t len;

	if (after && (!*after || after[strspn(after, "0123456789")]))
		return cli_usage(c, "--after takes a number: the SEQ of the "
				 "record to begin after, not \"%s\"", after);
	for (const char *w = filter; *w; w += len, w += strspn(w, " ")) {
		bool known = !strncmp(w, "type:", 5) ||
			     !strncmp(w, "task:", 5);

		len = strcspn(w, " ");
		if (*w != ' ' && (!known || len == 5))
			return cli_usage(c, "tail takes type:A|B and task:ID, "
					 "not \"%.*s\"; `kircerta audit` "
					 "takes more, for what is past",
					 (int)len, w);
	}
	return 0;
}

/* The query of the filter, "types=a%2Cb&"; empty, or each with its "&". */
static char *tail_query(struct cli *c, int *rc)
{
	char *filter = cli_filter(c, 0), *out = NULL, *query = NULL, *types;
	struct err err = {0};

	*rc = check_words(c, filter);
	if (!*rc && !(query = filter_query(filter, &err)))
		*rc = cli_error(c, &err);
	if (query) {		/* what the lists call type is types here */
		types = strstr(query, "type=");
		out = types ? xasprintf("%.*stypes=%s&", (int)(types - query),
					 query, types + 5) :
			       xasprintf("%s%s", query, *query ? "&" : "");
	}
	err_fini(&err);
	free(filter);
	free(query);
	return out;
}

/* The address without a "?" or "&" that nothing follows. */
static char *tail_path(const char *query, const char *last)
{
	char *path = xasprintf("/api/events?%s%s%s", query,
			       last ? "after_seq=" : "", last ? last : "");

	if (!last)
		path[strlen(path) - 1] = 0;
	return path;
}

int cli_tail(struct cli *c)
{
	char *last = xstrdup(c->opt[OPT_after]), *query;
	unsigned wait_s = 1;
	bool reached = false;
	int rc = 0;

	query = tail_query(c, &rc);
	if (query)		/* before it waits for ever */
		cli_type_hint(c);
	while (query && !rc) {
		char *path = tail_path(query, last);
		struct http_answer answer;
		struct err err = {0};

		if (http_events(&c->to, path, 0, print_record, c, &last,
				&answer, &err)) {
			rc = reached ? 0 : cli_error(c, &err);
		} else if (answer.status >= 300) {
			rc = cli_problem(c, &answer);
		} else {
			reached = true;
			wait_s = 1;
		}
		http_answer_fini(&answer);
		err_fini(&err);
		free(path);
		if (!rc)
			sleep(wait_s);
		wait_s = wait_s * 2 < RETRY_MOST_S ? wait_s * 2 : RETRY_MOST_S;
	}
	free(query);
	free(last);
	return rc;
}
