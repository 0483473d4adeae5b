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

/* The query of the filter; what the lists call type is types here. */
static char *tail_query(struct cli *c, int *rc)
{
	char *filter = cli_filter(c, 0), *out = NULL, *query, *types;
	struct err err = {0};

	query = filter_query(filter, &err);
	if (!query) {
		*rc = cli_error(c, &err);
	} else {
		types = strstr(query, "type=");
		out = types ? xasprintf("%.*stypes=%s", (int)(types - query),
					 query, types + 5) :
			       xstrdup(query);
	}
	err_fini(&err);
	free(filter);
	free(query);
	return out;
}

int cli_tail(struct cli *c)
{
	char *last = xstrdup(c->opt[OPT_after]), *query;
	unsigned wait_s = 1;
	bool reached = false;
	int rc = 0;

	query = tail_query(c, &rc);
	while (query && !rc) {
		char *path = xasprintf("/api/events?%s%s%s", query,
				       last ? "&after_seq=" : "",
				       last ? last : "");
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
