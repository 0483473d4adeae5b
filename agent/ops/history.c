/* See history.h. */
#include "agent/ops/history.h"

#include <string.h>

#include "agent/ops/handlers.h"
#include "agent/store/home.h"
#include "agent/store/ssot.h"
#include "agent/store/ssot_commit.h"
#include "common/mem.h"
#include "common/sha256.h"

#define REV_MIN 7

int op_task_history(struct agent *a, struct call *c, struct err *err)
{
	const char *cursor = call_str(c, "cursor");
	char tip[SSOT_HEX];
	json_t *page;

	a->history_wait(a->core, tip);
	if (!*tip)
		return err_set(err, ERR_not_found, "no history yet");
	page = ssot_history(a->home->ssot, call_str(c, "id"),
			    cursor ? cursor : tip,
			    (size_t)call_int(c, "limit", 100), err);
	return page ? call_answer(c, page) : -1;
}

static int get(struct agent *a, struct call *c, struct err *err)
{
	char tip[SSOT_HEX], sha[41];
	json_t *task;

	a->history_wait(a->core, tip);
	task = ssot_revision(a->home->ssot, call_str(c, "id"), tip,
			     call_str(c, "rev"), sha, err);
	if (!task)
		return -1;
	call_answer(c, task);
	memcpy(c->sha, sha, sizeof(c->sha));
	c->etag = xstrdup(sha);
	return 0;
}

int history_get(struct agent *a, struct call *c, struct err *err)
{
	const char *rev = call_str(c, "rev");
	size_t len = strlen(rev);

	(void)a;
	if (len < REV_MIN || !is_hex(rev, len))
		return err_set(err, ERR_invalid_request, "rev: must be %d to "
			       "40 lower-case hex digits, of a commit or of a "
			       "version's sha", REV_MIN);
	c->slow = get;
	return 0;
}
