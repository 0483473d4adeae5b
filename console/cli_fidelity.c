/* Was a task done as it was asked: what is missing, in words. */
#include <stdio.h>
#include <stdlib.h>

#include "common/json.h"
#include "common/mem.h"
#include "console/cli.h"

static const char *text(const json_t *v, const char *key)
{
	const char *said = json_str(v, key);

	return said ? said : "";
}

/* Both hashes belong to the words where issues are not the same any more. */
static char *detail_of(const json_t *gap)
{
	const char *was = json_str(gap, "expected_sha256");
	const char *is = json_str(gap, "got_sha256");

	if (!was && !is)
		return xstrdup(text(gap, "detail"));
	return xasprintf("%s (%s became %s)", text(gap, "detail"),
			 was ? was : "nothing", is ? is : "nothing");
}

static void print_gaps(const json_t *gaps)
{
	static const char *const titles[] = {"GAP", "CRITERION", "RUN",
					     "WHAT"};
	struct cli_table *t = table_new(titles, ARRAY_LEN(titles));
	json_t *each;
	size_t i;

	json_array_foreach (gaps, i, each) {
		char *detail = detail_of(each);

		table_add(t, (const char *const[]){
			text(each, "kind"), text(each, "criterion_ref"),
			text(each, "run_id"), detail});
		free(detail);
	}
	table_print(t);
}

int cli_fidelity(struct cli *c)
{
	char *id = http_escape(c->args[0]);
	char *path = xasprintf("/api/tasks/%s/fidelity", id);
	json_t *answer;
	int rc = cli_call(c, "GET", path, NULL, &answer);
	bool complete;

	free(path);
	free(id);
	if (rc)
		return rc;
	complete = json_is_set(answer, "complete");
	if (!cli_json(c, answer)) {
		if (complete)
			puts("complete");
		print_gaps(json_object_get(answer, "gaps"));
	}
	json_decref(answer);
	return complete ? EXIT_OK : EXIT_FAILED;
}
