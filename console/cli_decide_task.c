/* What an admin says of a task's result: the verdict decides nothing. */
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "common/mem.h"
#include "console/cli.h"

int cli_decide(struct cli *c)
{
	const char *word = c->args[1], *reason = c->opt[OPT_reason];
	bool approved = !strcmp(word, "approved");
	char *id, *path;
	json_t *body;
	int rc;

	if (!approved && strcmp(word, "rejected"))
		return cli_usage(c, "it is approved or rejected, not %s", word);
	if (!approved && (!reason || !*reason))
		return cli_usage(c, "--reason TEXT says why not; it goes on "
				 "the record");
	id = http_escape(c->args[0]);
	path = xasprintf("/api/tasks/%s/%s", id,
			 approved ? "approve" : "reject");
	body = reason ? json_pack("{s:s}", "reason", reason) : json_object();
	rc = cli_change(c, path, body);
	json_decref(body);
	free(path);
	free(id);
	return rc;
}
