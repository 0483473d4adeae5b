/* See history.h. */
#include "agent/ops/history.h"

#include <openssl/hmac.h>
#include <stdio.h>
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
#define SEAL 16			/* hex digits of it in a cursor */
#define CURSOR (SSOT_HEX + 1 + SEAL)

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

/*
 * Where to go on, sealed: what lies in the repository without being in this
 * history (somebody pushed it, and it was refused) is no place to begin, and
 * to look for it from the tip each time takes long in a long history.
 */
static void seal(const struct agent *a, const struct call *c,
		 const char *commit, char out[CURSOR])
{
	const char *id = call_str(c, "id");
	uint8_t mac[EVP_MAX_MD_SIZE];
	struct buf b = {0};
	unsigned len;

	buf_addf(&b, "history %s %s", id, commit);
	if (!HMAC(EVP_sha256(), a->redact_key, sizeof(a->redact_key),
		  (unsigned char *)b.data, b.len, mac, &len))
		abort();
	buf_fini(&b);
	snprintf(out, CURSOR, "%s.", commit);
	hex_of(mac, SEAL / 2, out + strlen(out));
}

/* The commit that the cursor names, or the tip. */
static int begin_at(const struct agent *a, const struct call *c,
		    char tip[SSOT_HEX], struct err *err)
{
	const char *cursor = call_str(c, "cursor");
	char commit[SSOT_HEX], own[CURSOR];

	if (!cursor)
		return 0;
	snprintf(commit, sizeof(commit), "%s", cursor);
	seal(a, c, commit, own);
	if (strcmp(own, cursor))
		return err_set(err, ERR_invalid_request,
			       "cursor: is none of this history");
	memcpy(tip, commit, sizeof(commit));
	return 0;
}

static void seal_next(const struct agent *a, const struct call *c,
		      json_t *page)
{
	const char *commit = json_str(page, "next_cursor");
	char cursor[CURSOR];

	if (!commit)
		return;
	seal(a, c, commit, cursor);
	json_set_str(page, "next_cursor", cursor);
}

int op_task_history(struct agent *a, struct call *c, struct err *err)
{
	char tip[SSOT_HEX];
	json_t *page;

	a->history_wait(a->core, tip);
	if (!*tip)
		return err_set(err, ERR_not_found, "no history yet");
	if (begin_at(a, c, tip, err))
		return -1;
	page = ssot_history(a->home->ssot, call_str(c, "id"), tip,
			    (size_t)call_int(c, "limit", 100), err);
	if (!page)
		return -1;
	seal_next(a, c, page);
	return add_reasons(a, c, page, err);
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
