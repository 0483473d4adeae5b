/* See share_batch.h. */
#include "agent/core/share_batch.h"

#include <stdlib.h>
#include <string.h>

#include "agent/ops/draft.h"
#include "agent/ops/executor.h"
#include "agent/ops/landing.h"
#include "agent/ops/op.h"
#include "agent/store/home.h"
#include "agent/store/ssot_blob.h"
#include "agent/store/ssot_propose.h"
#include "common/err.h"
#include "common/mem.h"

/* 1: all its documents are at the tip as they were, and what it counted. */
static int fits(struct core *k, const char *tip, const struct call *c,
		struct err *err)
{
	const struct draft_doc *docs;
	struct ssot_version *v;
	size_t n;
	int rc;

	if (c->counts_running &&
	    c->taken != executor_taken(k->agent, c->who.name))
		return 0;
	docs = draft_docs(c->draft, &n);
	v = xcalloc(n, sizeof(*v));
	for (size_t i = 0; i < n; i++)
		v[i].path = docs[i].path;
	rc = ssot_versions(k->agent->home->ssot, tip, v, n, err) ? -1 : 1;
	for (size_t i = 0; i < n && rc > 0; i++)
		rc = !strcmp(v[i].sha, docs[i].base_sha);
	free(v);
	return rc;
}

int share_sift(struct core *k, const struct share_batch *b,
	       struct call **calls, size_t n, size_t *fit, struct err *err)
{
	struct call **others = xcalloc(n, sizeof(*others));
	size_t n_others = 0;
	int rc = 0;

	*fit = 0;
	for (size_t i = 0; i < n; i++) {
		rc = rc < 0 ? rc : fits(k, b->on.tip, calls[i], err);
		if (rc > 0)
			calls[(*fit)++] = calls[i];
		else
			others[n_others++] = calls[i];
	}
	if (n_others)
		memcpy(calls + *fit, others, n_others * sizeof(*others));
	free(others);
	return rc < 0 ? -1 : 0;
}

static struct ssot_proposal *documents_of(const struct call *c, size_t *n)
{
	const struct draft_doc *docs = draft_docs(c->draft, n);
	struct ssot_proposal *out = xcalloc(*n, sizeof(*out));

	for (size_t i = 0; i < *n; i++)
		out[i] = (struct ssot_proposal){docs[i].path, docs[i].text,
						docs[i].len};
	return out;
}

/* As the commit of its record would be. */
static void describe(struct proposal_commit *to, const struct call *c)
{
	const struct record *about = draft_about(c->draft);
	struct ssot_words w = {0};
	char leaf[SHA256_HEX];

	ssot_record_words(&w, about, NULL, leaf);
	*to = (struct proposal_commit){
		.docs = documents_of(c, &to->n), .ts_us = w.ts_us,
		.actor = w.actor, .operation = w.operation,
		.subject = w.subject, .correlation_id = w.correlation_id,
		.task_id = w.task_id, .n = to->n,
	};
}

int share_commit(struct core *k, struct share_batch *b, struct call **calls,
		 size_t n, struct err *err)
{
	struct proposal_commit *commits = xcalloc(n, sizeof(*commits));
	int rc;

	for (size_t i = 0; i < n; i++)
		describe(&commits[i], calls[i]);
	rc = ssot_propose(k->agent->home->ssot, b->on.tip, b->on.log_id,
			  b->on.seq, b->on.seq ? b->on.leaf : NULL, commits, n,
			  err);
	if (!rc)
		strcpy(b->commit, commits[n - 1].id);
	for (size_t i = 0; i < n; i++)
		free((void *)commits[i].docs);
	free(commits);
	return rc ? -1 : 0;
}

void share_land(struct core *k, const struct share_batch *b,
		struct call **calls, size_t n)
{
	struct landing l = {.calls = calls, .n = n};
	struct call *c = internal_call("ssot.landed", NULL);

	strcpy(l.commit, b->commit);
	strcpy(l.base, b->on.tip);
	c->prepared = &l;
	c->next = calls[0];
	for (size_t i = 0; i < n; i++) {
		calls[i]->proposed = PROPOSED_AWAY;	/* until recorded */
		calls[i]->next = i + 1 < n ? calls[i + 1] : NULL;
	}
	call_free(core_apply_list(k, c, calls[n - 1]));
}
