/* See intake_fate.h. */
#include "agent/ops/intake_fate.h"

#include <stdlib.h>
#include <string.h>

#include "agent/ops/approval.h"
#include "agent/ops/document.h"
#include "agent/ops/lease.h"
#include "agent/ops/task.h"
#include "agent/store/state.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/json.h"
#include "common/utf8.h"
#include "common/words.h"

/* From in which state of a task to out of it: what else is over then. */
static void note_ends(const struct intake_doc *d, const json_t *ours,
		      struct intake_fate *out)
{
	const char *was = json_str(ours, "state");
	const char *is = json_str(d->doc, "state");

	if (strcmp(d->kind, "task") || (was && !strcmp(was, is)))
		return;
	out->ends_runs = words_index("halted,cancelled", ',', is) >= 0;
	out->ends_approvals = !strcmp(is, "rejected");
}

static bool is_held(const json_t *task, const char *by)
{
	const char *holder = lease_holder(task);

	return doc_is(task, "running") && holder &&
	       (!by || !strcmp(holder, by));
}

static bool changes(const struct intake_doc *d, const char *member)
{
	json_t *each;
	size_t i;

	json_array_foreach (d->changed, i, each)
		if (!strcmp(json_string_value(each), member))
			return true;
	return false;
}

/* Did we change it meanwhile, and not to the same? */
static bool both_changed(const struct intake_doc *d, const json_t *ours,
			 const char *key)
{
	const json_t *now = json_object_get(ours, key);

	return strcmp(key, "updated_at") &&
	       !json_equal(json_object_get(d->was, key), now) &&
	       !json_equal(json_object_get(d->doc, key), now);
}

/* Ours with what the person changed in it; NULL if we changed that too. */
static json_t *join(struct agent *a, const struct intake_doc *d,
		    const json_t *ours)
{
	json_t *joined, *value;
	char now[CLOCK_TEXT];
	const char *key;

	if (changes(d, "acceptance_criteria") && task_was_acked(a, ours))
		return NULL;
	json_object_foreach (d->was, key, value)
		if (both_changed(d, ours, key))
			return NULL;
	joined = json_copy((json_t *)ours);
	json_object_foreach (d->was, key, value)
		json_object_set(joined, key, json_object_get(d->doc, key));
	clock_text(clock_wall_us(), now);
	json_set_str(joined, "updated_at", now);
	if (task_bytes(joined) <= TASK_MAX)
		return joined;
	json_decref(joined);
	return NULL;
}

static void decide_clash(struct agent *a, const struct intake *in,
			 const struct intake_doc *d, const json_t *ours,
			 struct intake_fate *out)
{
	out->fate = in->theirs ? THEIRS : OURS;
	if (d->passed)
		out->joined = json_incref((json_t *)ours);
	else if (d->was)
		out->joined = join(a, d, ours);
	if (out->joined)
		out->fate = JOINED;
}

static int refuse_doc(const struct intake_doc *d, enum err_code code,
		      struct err *err, const char *what)
{
	char path[DOCUMENT_PATH];

	utf8_visible(d->path, path, sizeof(path));
	return err_set(err, code, "%s: %s", path, what);
}

/* What depends on what is here now, not on what was there. */
static int check_here(struct agent *a, const struct intake *in,
		      const struct intake_doc *d, const struct intake_fate *to,
		      struct err *err)
{
	if (in->peer || to->fate != TAKEN || strcmp(d->kind, "task"))
		return 0;
	if (!*to->ours && d->joins)
		return refuse_doc(d, ERR_admin_field, err, "correlation_id: "
				  "is in use: a new task has its own");
	if (changes(d, "acceptance_criteria") && task_was_acked(a, d->doc))
		return refuse_doc(d, ERR_criteria_locked, err,
				  "acceptance_criteria: they were "
				  "acknowledged");
	return 0;
}

int intake_decide(struct agent *a, const struct intake *in,
		  const struct intake_doc *d, struct intake_fate *out,
		  struct err *err)
{
	const json_t *ours = state_doc(a->state, d->kind,
				       json_str(d->doc, "id"));

	*out = (struct intake_fate){.fate = TAKEN};
	if (ours) {
		state_sha(a->state, d->kind, ours, out->ours);
		if (!strcmp(out->ours, d->sha))
			out->fate = d->canonical ? SAME : TAKEN;
		else if (strcmp(out->ours, d->base))
			decide_clash(a, in, d, ours, out);
	}
	if (out->fate == TAKEN || out->fate == THEIRS)
		note_ends(d, ours, out);
	out->takes = !strcmp(d->kind, "task") && is_held(d->doc, NULL) &&
		     !(ours && is_held(ours, lease_holder(d->doc)));
	return check_here(a, in, d, out, err);
}
