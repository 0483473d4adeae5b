/* See claims.h. */
#include "agent/core/claims.h"

#include <stdlib.h>
#include <string.h>

#include "agent/core/threads.h"
#include "agent/ops/intake.h"
#include "agent/ops/op.h"
#include "agent/store/home.h"
#include "agent/store/index.h"
#include "agent/store/journal.h"
#include "agent/store/ssot_blob.h"
#include "agent/store/ssot_graph.h"
#include "common/err.h"
#include "common/mem.h"
#include "common/sha256.h"

struct claims {
	struct core *core;
	bool peer;
	uint64_t known;		/* newest record that is in history */
	struct reader *reader;
	size_t n;
};

static int leaf_is(struct claims *k, uint64_t seq, const char *leaf,
		   struct err *err)
{
	struct record_filter f = {.types = "*", .after_seq = seq - 1,
				  .limit = 1};
	struct record_place p = {0};
	char line[RECORD_LINE_MAX], hex[SHA256_HEX];
	uint8_t raw[SHA256_RAW];
	size_t n = 0;

	if (reader_records(k->reader, &f, &p, &n, err))
		return -1;
	if (!n || p.seq != seq || p.len > sizeof(line))
		return 0;
	if (journal_read(k->core->agent->journal, p.off, p.len, line, err))
		return -1;
	sha256_leaf(line, p.len, raw);
	hex_of(raw, sizeof(raw), hex);
	return !strcmp(hex, leaf);
}

/*
 * Whoever forges our trailers tells the next start how far history is. A
 * person has no reason to; at a remote our own may lie, and say what is so.
 */
static int check_claim(const char *commit, uint64_t seq, const char *leaf,
		       void *data, struct err *err)
{
	struct claims *k = data;
	int true_one;

	k->n++;
	if (!seq)			/* it claims nothing of our record */
		return 0;
	true_one = k->peer && seq <= k->known ? leaf_is(k, seq, leaf, err) : 0;
	if (true_one < 0)
		return -1;
	return true_one ? 0 : err_set(err, ERR_invalid_request,
		"commit %.12s: says that it is this agent's (Audit-Head), "
		"and is not", commit);
}

int claims_check(struct core *k, bool peer, const char *from, const char *to,
		 struct reader *reader, size_t *ours, struct err *err)
{
	struct claims claims = {k, peer, 0, reader};
	char log_id[SSOT_LOG];
	int rc;

	pthread_mutex_lock(&k->tip_lock);
	claims.known = k->tip_seq;
	pthread_mutex_unlock(&k->tip_lock);
	if (core_log_id(k, log_id, err))
		return -1;
	rc = ssot_claims(k->agent->home->ssot, from, to, log_id, check_claim,
			 &claims, err);
	*ours = claims.n;
	return rc;
}

static bool may_be_passed(const struct intake_doc *d, const char *here)
{
	return !strcmp(d->kind, "task") && strcmp(here, d->sha) &&
	       strcmp(here, d->base);
}

/* Those that clash with the tip; was[i] is the version of which[i]. */
static size_t find_clashing(struct intake *in, struct ssot_version *was,
			    struct intake_doc **which)
{
	size_t n = 0;

	for (size_t i = 0; i < in->n; i++) {
		struct intake_doc *d = &in->docs[i];

		if (!may_be_passed(d, was[i].sha))
			continue;
		which[n] = d;
		was[n].path = d->path;
		strcpy(was[n++].sha, d->sha);
	}
	return n;
}

int claims_passed(struct core *k, struct intake *in, struct err *err)
{
	const char *repo = k->agent->home->ssot;
	struct intake_doc **which = xcalloc(in->n + 1, sizeof(*which));
	struct ssot_version *was = xcalloc(in->n + 1, sizeof(*was));
	bool *had = xcalloc(in->n + 1, sizeof(*had));
	char tip[SSOT_HEX];
	size_t n;
	int rc;

	pthread_mutex_lock(&k->tip_lock);
	strcpy(tip, k->tip);
	pthread_mutex_unlock(&k->tip_lock);
	for (size_t i = 0; i < in->n; i++)
		was[i].path = in->docs[i].path;
	rc = ssot_versions(repo, tip, was, in->n, err);
	n = rc ? 0 : find_clashing(in, was, which);
	if (n)
		rc = ssot_had(repo, in->base, tip, was, n, had, err);
	for (size_t i = 0; i < n; i++)
		which[i]->passed = had[i];
	free(which);
	free(was);
	free(had);
	return rc;
}
