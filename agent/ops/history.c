/* See history.h. */
#include "agent/ops/history.h"

#include <stdlib.h>
#include <string.h>

#include "agent/ops/audit.h"
#include "agent/ops/handlers.h"
#include "agent/store/home.h"
#include "agent/store/ssot.h"
#include "agent/store/ssot_commit.h"
#include "common/buf.h"
#include "common/json.h"
#include "common/mem.h"
#include "common/sha256.h"

#define REV_MIN 7

/* Is it the value of a field as it is written in the line? */
static bool field_is(struct span field, const char *text)
{
	return text && field.len == strlen(text) + 2 &&
	       !memcmp(field.at + 1, text, field.len - 2);
}

/* What the record at that place says; it may be of another journal. */
static char *reason_at(struct agent *a, const struct record_place *p,
		       const char *correlation_id)
{
	struct err err = {0};
	struct buf text = {0};
	json_t *data = NULL;
	struct line line;
	const char *said;
	char *reason;

	if (!audit_line(a, p, &text, &line, &err) &&
	    field_is(line.field[LINE_correlation_id], correlation_id))
		data = audit_data(&line, &err);
	said = json_str(data, "reason");
	reason = said && *said ? xstrdup(said) : NULL;
	json_decref(data);
	buf_fini(&text);
	err_fini(&err);
	return reason;
}

/* Commits of an admin's word have it in the journal, why it was said. */
static void add_reason(struct agent *a, struct call *c, json_t *item)
{
	uint64_t seq = (uint64_t)json_int(item, "seq", 0);
	struct record_filter f = {
		.types = "task_state,approval_granted,approval_rejected",
		.task_id = call_str(c, "id"), .after_seq = seq - 1, .limit = 1,
	};
	struct record_place p = {0};
	struct err err = {0};
	char *reason = NULL;
	size_t n = 0;

	if (seq && !reader_records(c->reader, &f, &p, &n, &err) && n &&
	    p.seq == seq)
		reason = reason_at(a, &p, json_str(item, "correlation_id"));
	json_set_str(item, "reason", reason);
	free(reason);
	err_fini(&err);
}

static int add_reasons(struct agent *a, struct call *c, json_t *page,
		       struct err *err)
{
	json_t *each;
	size_t i;

	if (a->read_wait(a->core, true, err)) {
		json_decref(page);
		return -1;
	}
	json_array_foreach (json_object_get(page, "items"), i, each)
		add_reason(a, c, each);
	return call_answer(c, page);
}

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
	return page ? add_reasons(a, c, page, err) : -1;
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
