/* The mode: shown, or set by an admin. To stop takes one word. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "common/mem.h"
#include "console/cli.h"
#include "console/safe.h"

static void print_mode(const json_t *answer)
{
	static const char *const members[] = {"mode", "by", "since", "reason"};

	for (size_t i = 0; i < ARRAY_LEN(members); i++) {
		char *text = safe_line(json_str(answer, members[i]));

		printf("%s%s", i ? "\t" : "", text);
		free(text);
	}
	putchar('\n');
}

int cli_mode(struct cli *c)
{
	const char *to = c->count ? c->args[0] : NULL;
	const char *why = c->opt[OPT_reason];
	json_t *body = NULL, *answer;
	int rc;

	if (!to && why)
		return cli_usage(c, "--reason goes with a mode: normal, "
				 "guarded or stopped");
	if (to) {
		body = json_object();
		json_set_str(body, "mode", to);
		json_set_str(body, "reason", why ? why : "");
	}
	rc = cli_call(c, to ? "POST" : "GET", "/api/mode", body, &answer);
	json_decref(body);
	if (rc)
		return rc;
	if (!cli_json(c, answer))
		print_mode(answer);
	if (json_is_set(answer, "unrecorded"))
		fputs("kircerta: not on the record yet: the journal cannot be "
		      "written. It is kept in the agent's home and recorded "
		      "when it can be.\n", stderr);
	json_decref(answer);
	return EXIT_OK;
}
