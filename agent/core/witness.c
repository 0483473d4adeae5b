/*
 * One C2SP witness (c2sp.org/tlog-witness): it is shown each checkpoint with
 * proof that the journal only grew since the last one that it saw, and
 * cosigns it. What it remembers, nobody here can change.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/core/checkpoints.h"
#include "agent/core/second.h"
#include "agent/core/threads.h"
#include "agent/ops/op.h"
#include "agent/store/checkpoint.h"
#include "agent/store/merkle.h"
#include "agent/store/settings_witness.h"
#include "agent/store/tree.h"
#include "common/base64.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/json.h"
#include "common/mem.h"
#include "common/utf8.h"

#define TRIES 3			/* of what it says that it saw */

struct showing {
	struct second *second;
	const struct witness_conf *conf;
	struct checkpoint checkpoint;
	struct buf note;	/* with our own signature alone */
	uint64_t old;		/* what it saw last, as far as we know */
};

static struct agent *agent_of(struct showing *w)
{
	return second_core(w->second)->agent;
}

/* old SIZE, the proof, an empty line, the note. */
static int make_body(struct showing *w, struct buf *out,
		     struct second_said *said)
{
	uint8_t proof[MERKLE_PROOF_MAX][SHA256_RAW];
	struct err err = {0};
	size_t n = 0;

	if (w->old && w->old < w->checkpoint.size &&
	    tree_consistency(agent_of(w)->tree, w->old, w->checkpoint.size,
			     proof, &n, &err)) {
		second_trouble(said, false, err_row(err.code)->code,
			       err_hint_of(&err), "%s", err.detail);
		err_fini(&err);
		return -1;
	}
	buf_addf(out, "old %" PRIu64 "\n", w->old);
	for (size_t i = 0; i < n; i++) {
		base64_add(out, proof[i], SHA256_RAW);
		buf_adds(out, "\n");
	}
	buf_adds(out, "\n");
	buf_add(out, w->note.data, w->note.len);
	return 0;
}

static int bad_answer(struct second_said *said, const char *detail)
{
	return second_trouble(said, true, "witness_bad_answer",
		"Check vkey of the witness: what it signs with is not that "
		"key, or it is not a witness.", "%s", detail);
}

/* The line of its key among what it answered, which is no other's to read. */
static int find_line(const struct note *n, const struct note_key *key,
		     struct buf *line)
{
	for (size_t i = 0; i < n->n; i++) {
		const struct note_signature *s = &n->signatures[i];

		if (s->id != key->id || s->name_len != strlen(key->name) ||
		    memcmp(s->name, key->name, s->name_len))
			continue;
		buf_add(line, s->line, s->line_len);
		buf_adds(line, "\n");
		return 0;
	}
	return -1;
}

/* A line of its, good for this very text. */
static int judge(struct showing *w, const char *lines, struct buf *line,
		 struct second_said *said)
{
	const char *end = strstr(w->note.data, "\n\n");
	struct note *n = xmalloc(sizeof(*n));
	struct err err = {0};
	struct buf all = {0};
	struct note_key key;
	int rc;

	buf_add(&all, w->note.data, (size_t)(end - w->note.data) + 2);
	buf_adds(&all, lines);
	rc = note_key_parse(&key, w->conf->vkey, strlen(w->conf->vkey),
			    &err) ||
	     note_parse(n, all.data, all.len, &err) ||
	     note_verify(n, &key, 1, NULL, &err) || find_line(n, &key, line);
	if (rc)
		bad_answer(said, err.detail);
	err_fini(&err);
	buf_fini(&all);
	free(n);
	return rc ? -1 : 0;
}

/*
 * Beside ours, if that is still the newest; and in any case in a file of its
 * own, as the newest that it has vouched for.
 */
static int keep(struct showing *w, const struct buf *line,
		struct second_said *said)
{
	struct core *k = second_core(w->second);
	size_t text = (size_t)(strstr(w->note.data, "\n\n") -
			       w->note.data) + 1;
	struct buf whole = {0};
	struct err err = {0};
	int rc;

	buf_add(&whole, w->note.data, w->note.len);
	buf_add(&whole, line->data, line->len);
	rc = second_keep(w->second, "checkpoint", whole.data, whole.len,
			 said);
	buf_fini(&whole);
	if (rc)
		return -1;
	if (checkpoints_cosign(k->checkpoints, w->note.data, text,
			       line->data, line->len, &err) >= 0)
		return 0;
	second_trouble(said, false, err_row(err.code)->code,
		       err_hint_of(&err), "%s", err.detail);
	err_fini(&err);
	return -1;
}

static int accept(struct showing *w, const char *lines,
		  struct second_said *said)
{
	struct buf line = {0};
	int rc = judge(w, lines, &line, said) || keep(w, &line, said);

	buf_fini(&line);
	if (rc || second_note(w->second, w->checkpoint.size, 1, said))
		return -1;
	second_reached(w->second, w->checkpoint.size);
	return 0;
}

/* What it saw last. -1: that cannot be. */
static int saw(struct showing *w, const char *body, struct second_said *said)
{
	unsigned long long size = 0;
	char rest;
	int n = *body >= '0' && *body <= '9' ?
		sscanf(body, "%19llu%c", &size, &rest) : 0;

	if (n < 1 || (n == 2 && rest != '\n') || size == w->old)
		return bad_answer(said, "it answered 409 with no other size "
				  "than the one that it was given");
	if (size > w->checkpoint.size)
		return second_trouble(said, true, "witness_ahead",
			"The journal here is an older copy: stop the agent "
			"and restore the newer one. If that is lost, say so "
			"to whoever relies on the record.",
			"the witness has seen a checkpoint of %llu records, "
			"the newest here has %llu", size,
			(unsigned long long)w->checkpoint.size);
	w->old = size;
	return 0;
}

static const struct {
	long status;
	bool down;
	const char *code, *hint;
} refusals[] = {
	{403, true, "witness_untrusted", "Give the witness this journal's "
		"verifier key, keys/journal.vkey of the home."},
	{404, true, "witness_unknown_log", "Register this journal at the "
		"witness: its origin and keys/journal.vkey of the home."},
	{422, true, "witness_contradicts", "The witness has seen another "
		"journal of this name: this one was changed, or replaced. Ask "
		"it for the checkpoint that it has, and compare with `audit "
		"verify --since`."},
	{400, true, "witness_refused", "The witness does not understand what "
		"it was sent; see detail."},
	{0, false, "witness_unreachable", "See detail. It is tried again "
		"within a minute."},
};

static int refused(long status, const char *body, struct second_said *said)
{
	char words[200];
	size_t i = 0;

	while (refusals[i].status && refusals[i].status != status)
		i++;
	utf8_visible(body, words, sizeof(words));
	return second_trouble(said, refusals[i].down, refusals[i].code,
			      refusals[i].hint, "it answered %ld%s%s", status,
			      *words ? ": " : "", words);
}

/* 0: it has cosigned; 1: it knows another size, once more; -1: *said. */
static int show(struct showing *w, struct second_said *said)
{
	struct buf body = {0};
	const char *words;
	json_t *answer;
	long status;
	int rc;

	if (make_body(w, &body, said)) {
		buf_fini(&body);
		return -1;
	}
	answer = second_ask(w->second, "witness", "add-checkpoint",
			    json_pack("{s:s,s:s}", "url", w->conf->url,
				      "body", body.data), w->conf->timeout,
			    said);
	buf_fini(&body);
	if (!answer)
		return -1;
	status = (long)json_int(answer, "status", 0);
	words = json_str(answer, "body") ? json_str(answer, "body") : "";
	rc = status == 200 ? accept(w, words, said) :
	     status == 409 ? (saw(w, words, said) ? -1 : 1) :
			     refused(status, words, said);
	json_decref(answer);
	return rc;
}

static int turn(struct second *s, int64_t *next_us, struct second_said *said)
{
	struct showing w = {.second = s, .conf = second_conf(s)};
	uint64_t cosigned;
	int rc = second_checkpoint(s, &w.note, &w.checkpoint, said);

	*next_us = SECOND_LATER;
	second_recall(s, &w.old, &cosigned);
	if (!rc && w.old == w.checkpoint.size && cosigned) {
		second_reached(s, w.old);
		buf_fini(&w.note);
		return 0;
	}
	if (!rc && w.old > w.checkpoint.size)
		w.old = 0;		/* it says itself how far it is */
	for (int i = 0; !rc && i < TRIES; i++) {
		rc = show(&w, said);
		if (rc <= 0)
			break;
		rc = i + 1 < TRIES ? 0 : bad_answer(said, "it answers each "
			"size that it named with another one");
	}
	buf_fini(&w.note);
	return rc;
}

const struct second_kind witness_kind = {
	.effect = "the record goes on; it has one place less that vouches "
		  "for it",
	.turn = turn,
};
