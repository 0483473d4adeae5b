/* What came of a run whose outcome nobody knew: an admin's word. */
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "common/mem.h"
#include "console/cli.h"

int cli_reconcile(struct cli *c)
{
	const char *outcome = c->args[1], *reason = c->opt[OPT_reason];
	char *id, *path;
	json_t *body;
	int rc;

	if (strcmp(outcome, "succeeded") && strcmp(outcome, "failed"))
		return cli_usage(c, "it succeeded or failed, not %s", outcome);
	if (!reason || !*reason)
		return cli_usage(c, "--reason TEXT says how you know; it goes "
				 "on the record");
	id = http_escape(c->args[0]);
	path = xasprintf("/api/runs/%s/reconcile", id);
	body = json_pack("{s:s,s:s}", "outcome", outcome, "reason", reason);
	rc = cli_change(c, path, body);
	json_decref(body);
	free(path);
	free(id);
	return rc;
}
