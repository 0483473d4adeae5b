/* Live records: which parts of the model each kind makes old. */
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "common/mem.h"
#include "console/model.h"
#include "console/model_review.h"
#include "console/span.h"

#define RECORDS_KEPT 5000

enum { TASK = 1, APPROVAL = 2, RUN = 4, EVIDENCE = 8, HEALTH = 16 };

/* The first row whose text the type starts with. */
static const struct { const char *type; int old; } rows[] = {
	{"approval_", APPROVAL | TASK},
	{"task_", TASK},
	{"ack_", TASK},
	{"heartbeat", TASK},
	{"result_", TASK},
	{"verdict_", TASK},
	{"review_", TASK},
	{"tool_finished", RUN | EVIDENCE},
	{"tool_failed", RUN | EVIDENCE},
	{"tool_", RUN},
	{"outcome_", RUN},
	{"run_", RUN},
	{"reconcile_", RUN},
	{"stage_", RUN | APPROVAL},
	{"evidence_", EVIDENCE},
	{"degraded", HEALTH},
	{"recovered", HEALTH},
	{"mode_", HEALTH},
};

static int made_old(const char *type)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (!strncmp(type, rows[i].type, strlen(rows[i].type)))
			return rows[i].old;
	return 0;
}

static void refresh(struct model *m, const struct record *r)
{
	int old = made_old(r->type);

	if (old & TASK && *r->task_id)
		model_ask(m, ASK_task, r->task_id);
	if (old & (TASK | EVIDENCE) && *r->task_id)
		model_task_changed(m, r->task_id);
	if (old & APPROVAL && *r->approval_id)
		model_ask(m, ASK_approval, r->approval_id);
	if (old & RUN && *r->run_id)
		model_ask(m, ASK_run, r->run_id);
	if (old & EVIDENCE && *r->task_id)
		model_ask(m, ASK_task_artifacts, r->task_id);
	else if (old & EVIDENCE)
		model_ask(m, ASK_artifacts, NULL);
	if (old & HEALTH)
		model_ask(m, ASK_health, NULL);
	if (m->chain.id && !strcmp(r->item.chain, m->chain.id))
		model_ask(m, ASK_chain, m->chain.id);
}

/* Somebody is waited for: it rings, and says for how long yet. */
static void remind(struct model *m, const struct record *r,
		   const json_t *record)
{
	const struct item *it = items_find(&m->approvals, r->approval_id);
	int64_t left = json_int(json_object_get(record, "data"), "left_s", 0);
	char text[SPAN_TEXT];

	if (!*r->approval_id || (it && it->state->rank))
		return;
	span_left(left * SPAN_S, text);
	m->bells++;
	model_note(m, xasprintf("%s still waits for a decision: %s left",
				r->approval_id, text));
}

void model_event(struct model *m, const json_t *record)
{
	struct item *it = item_decode(ITEM_RECORD, record);
	struct record *r = (struct record *)it;

	if (!it)
		return;
	m->stamp++;
	if (r->seq > m->seq)
		m->seq = r->seq;
	refresh(m, r);
	review_event(m, r);
	if (!strcmp(r->type, "approval_reminder"))
		remind(m, r, record);
	if (!strcmp(r->type, "request")) {
		item_free(it);
		return;
	}
	items_put(&m->records, it);
	if (m->records.n > RECORDS_KEPT)
		items_drop_first(&m->records, m->records.n - RECORDS_KEPT);
}

/* Records that nobody keeps any more: said aloud, and everything read anew. */
void model_gap(struct model *m, const json_t *gap)
{
	static const enum ask_kind lists[] = {
		ASK_approvals, ASK_tasks, ASK_health, ASK_runs, ASK_artifacts,
	};
	int64_t from = json_int(gap, "from", 0), to = json_int(gap, "to", 0);
	struct item *it = item_gap(from, to);

	if (it)
		items_put(&m->records, it);
	if (to > m->seq)
		m->seq = to;
	m->stamp++;
	for (size_t i = 0; i < ARRAY_LEN(lists); i++)
		model_ask(m, lists[i], NULL);
}
