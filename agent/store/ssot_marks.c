/*
 * See ssot_verify.h: the checkpoints that commits carry, against the tree of
 * the records. They are met by size, so that one tree, as it grows, answers
 * for all of them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/store/checkpoint.h"
#include "agent/store/record.h"
#include "agent/store/ssot_verify_inner.h"
#include "common/base64.h"
#include "common/buf.h"
#include "common/err.h"

static int by_size(const void *a, const void *b)
{
	const struct ssot_mark *x = &((const struct walk_mark *)a)->mark;
	const struct ssot_mark *y = &((const struct walk_mark *)b)->mark;

	return (x->size > y->size) - (x->size < y->size);
}

void marks_begin(struct ssot_verify *v)
{
	v->marks = ssot_walk_marks(v->walk, &v->n_marks);
	if (v->n_marks)
		qsort(v->marks, v->n_marks, sizeof(*v->marks), by_size);
	v->report.marks.count = v->n_marks;
	v->report.marks.checked = v->o.key != NULL;
}

/* What was signed is put together again. */
static bool is_signed(const struct note_key *key, const struct ssot_mark *m)
{
	struct checkpoint ignored;
	struct buf note = {0};
	bool ok;

	buf_addf(&note, "%s\n%llu\n%s\n\n\xe2\x80\x94 %s %s\n", key->name,
		 LLU(m->size), m->root, key->name, m->sig);
	ok = !checkpoint_open(&ignored, note.data, note.len, key, NULL);
	buf_fini(&note);
	return ok;
}

static void forged(struct ssot_verify *v, const struct walk_commit *c,
		   const struct ssot_mark *m, const char *how)
{
	struct ssot_problem *p = ssot_problem(v, "checkpoint_forged", c->seq,
		"the commit of record %llu carries a checkpoint of %llu "
		"records %s: the commit was forged", LLU(c->seq),
		LLU(m->size), how);

	hex_of(c->id, GIT_RAW, p->commit);
}

/* The first says between which records it was; all after it differ too. */
static void differs(struct ssot_verify *v, const struct walk_commit *c,
		    const struct ssot_mark *m)
{
	struct ssot_problem *p;

	if (v->differs)
		return;
	v->differs = true;
	p = ssot_problem(v, "checkpoint_differs", m->size, "records 1 to %llu "
		"are not those that the checkpoint in a commit was made of%s: "
		"the journal was changed between records %llu and %llu",
		LLU(m->size), v->o.key ? ", and its signature is good" :
		" (no key was there to check its signature)",
		LLU(v->report.marks.to + 1), LLU(m->size));
	hex_of(c->id, GIT_RAW, p->commit);
}

static void judge(struct ssot_verify *v, const struct walk_mark *at,
		  const char *root)
{
	const struct walk_commit *c = ssot_walk_list(v->walk, &(size_t){0}) +
				      at->commit;

	if (v->o.key && !is_signed(v->o.key, &at->mark)) {
		forged(v, c, &at->mark, "that the journal's key did not sign");
	} else if (strcmp(root, at->mark.root)) {
		differs(v, c, &at->mark);
	} else if (at->mark.size > c->seq) {
		forged(v, c, &at->mark, "that were not there yet");
	} else if (!v->differs) {
		v->report.marks.to = at->mark.size;
		hex_of(c->id, GIT_RAW, v->report.marks.commit);
	}
}

void marks_record(struct ssot_verify *v, const struct record *r)
{
	char text[SSOT_MARK_ROOT];
	uint8_t root[SHA256_RAW];

	if (!v->n_marks)
		return;
	merkle_add(&v->merkle, r->leaf);
	if (v->next_mark == v->n_marks ||
	    v->marks[v->next_mark].mark.size > r->seq)
		return;
	merkle_root(&v->merkle, root);
	base64_text(root, sizeof(root), text);
	for (; v->next_mark < v->n_marks &&
	       v->marks[v->next_mark].mark.size == r->seq; v->next_mark++)
		judge(v, &v->marks[v->next_mark], text);
}
