/*
 * The signed checkpoints' side of `audit verify`: which key counts, what each
 * note says, and whether the lines have made that tree.
 */
#include "agent/admin_audit_tree.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/store/home.h"
#include "agent/store/journal.h"
#include "agent/store/record_line.h"
#include "common/err.h"
#include "common/fs.h"
#include "common/mem.h"

void audit_problem(struct audit_tree *t, const char *what, uint64_t from,
		   uint64_t to, const char *fmt, ...)
{
	struct problem *p;
	va_list ap;

	if (t->n_problems++ >= PROBLEMS)
		return;
	p = &t->problems[t->n_problems - 1];
	*p = (struct problem){.what = what, .from = from, .to = to};
	va_start(ap, fmt);
	vsnprintf(p->text, sizeof(p->text), fmt, ap);
	va_end(ap);
}

/* The key that was given: the line itself, or a file with it. */
static int given_key(struct audit_tree *t, const char *key, struct err *err)
{
	t->has_key = t->key_given = true;
	if (!note_key_parse(&t->key, key, strlen(key), NULL))
		return 0;
	t->key_file = xstrdup(key);
	if (!note_key_read(&t->key, key, err))
		return 0;
	return err_hint(err, "--key takes a line like journal.vkey's, or a "
			"file with it.");
}

/* Beside the files of a copy, or in the home. */
static int found_key(struct audit_tree *t, const struct home *home,
		     struct err *err)
{
	t->key_file = xasprintf("%s/journal.vkey", home->audit);
	if (access(t->key_file, F_OK)) {
		free(t->key_file);
		t->key_file = xstrdup(home->journal_vkey);
	}
	if (access(t->key_file, F_OK)) {
		xfree(t->key_file);
		return 0;
	}
	t->has_key = true;
	return note_key_read(&t->key, t->key_file, err);
}

/* What the bytes of a note say. False: that is a problem now. */
static bool open_note(struct audit_tree *t, struct point *p, const char *note,
		      size_t len, uint64_t seq)
{
	struct err why = {0};
	struct note n;

	if (note_parse(&n, note, len, &why) ||
	    checkpoint_parse(&p->c, n.text, n.text_len, &why)) {
		audit_problem(t, "checkpoint_damaged", seq, seq, "%s is damaged: %s",
			p->file, why.detail);
		return false;
	}
	if (!t->has_key)
		return true;
	if (strcmp(p->c.origin, t->key.name))
		audit_problem(t, "checkpoint_origin", seq, seq, "%s is of the "
			"journal %s, the key is %s's", p->file, p->c.origin,
			t->key.name);
	else if (note_verify(&n, &t->key, 1, NULL, &why))
		audit_problem(t, "checkpoint_signature", seq, seq, "%s: %s",
			p->file, why.detail);
	else
		p->signed_by_key = true;
	return p->signed_by_key;
}

int audit_point_read(struct audit_tree *t, struct point *p, struct err *err)
{
	size_t len;
	char *text = fs_read(p->file, NOTE_MAX, &len, err);

	if (!text)
		return -1;
	p->there = open_note(t, p, text, len, 0);
	free(text);
	return 0;
}

int audit_tree_open(struct audit_tree **out, const struct home *home,
		    const char *since, const char *key, struct err *err)
{
	struct audit_tree *t = xcalloc(1, sizeof(*t));
	char *leaves = xasprintf("%s/tree/0", home->dir);
	struct point *newest = &t->points[NEWEST], *kept = &t->points[SINCE];

	t->past = past_new(leaves);
	free(leaves);
	t->is_home = !access(home->tokens, F_OK);
	*newest = (struct point){.what = "checkpoint"};
	newest->file = xasprintf("%s/checkpoint", home->audit);
	*kept = (struct point){.what = "since", .file = xstrdup(since)};
	if ((key ? given_key(t, key, err) : found_key(t, home, err)) ||
	    (!access(newest->file, F_OK) && audit_point_read(t, newest, err)) ||
	    (since && audit_point_read(t, kept, err))) {
		audit_tree_close(t);
		return -1;
	}
	*out = t;
	return 0;
}

const struct note_key *audit_tree_key(const struct audit_tree *t)
{
	return t->has_key ? &t->key : NULL;
}

void audit_tree_close(struct audit_tree *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < POINTS; i++)
		free(t->points[i].file);
	free(t->key_file);
	past_free(t->past);
	free(t);
}

/* 1: it agrees. 0: it does not. -1: that is not known here. */
static int compare(struct audit_tree *t, const struct checkpoint *c,
		   const char *what, uint64_t seq)
{
	uint8_t root[SHA256_RAW];

	if (!past_root(t->past, c->size, root))
		return -1;
	if (!memcmp(root, c->root, SHA256_RAW)) {
		if (c->size > t->good && !t->bad)
			t->good = c->size;
		return 1;
	}
	if (!t->bad || c->size < t->bad) {
		t->bad = c->size;
		t->bad_what = what;
		t->bad_seq = seq;
	}
	return 0;
}

void audit_compare_points(struct audit_tree *t)
{
	for (struct point *p = t->points; p < t->points + POINTS; p++) {
		if (!p->there || p->c.size != past_size(t->past))
			continue;
		p->reached = true;
		p->agrees = compare(t, &p->c, p->file, 0) > 0;
	}
}

/* A checkpoint that the agent has put on the record. */
static void add_recorded(struct audit_tree *t, const struct journal_line *l)
{
	struct point p = {.what = "recorded"};
	char where[48], *note;
	struct span value;
	int same;

	snprintf(where, sizeof(where), "the checkpoint on record %" PRIu64,
		 l->seq);
	p.file = where;
	t->recorded++;
	if (!json_span_member(l->parts->data, "note", &value) ||
	    *value.at != '"') {
		audit_problem(t, "checkpoint_damaged", l->seq, l->seq,
			"%s has no note", where);
		return;
	}
	note = xmalloc(value.len + 1);
	p.there = json_span_read(value, note) &&
		  open_note(t, &p, note, strlen(note), l->seq);
	free(note);
	if (!p.there)
		return;
	same = compare(t, &p.c, "the checkpoint on record", l->seq);
	t->recorded_good += same > 0;
	t->recorded_old += same < 0;
	if (p.c.size > t->newest_size) {
		t->newest_size = p.c.size;
		t->newest_seq = l->seq;
	}
}

void audit_tree_add(struct audit_tree *t, const struct journal_line *l)
{
	const struct span type = l->parts->field[LINE_type];

	if (!past_size(t->past))
		audit_compare_points(t);
	if (type.len == 12 && !memcmp(type.at, "\"checkpoint\"", 12))
		add_recorded(t, l);
	past_add(t->past, l->leaf);
	audit_compare_points(t);
}
