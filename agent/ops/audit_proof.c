/*
 * What a sceptic asks for: the signed checkpoint, the key it is signed with,
 * and the proofs that a record is under it and that it goes on from another.
 * A proof is made of the record's own bytes as the journal has them now.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/ops/handlers.h"
#include "agent/store/checkpoint.h"
#include "agent/store/index.h"
#include "agent/store/journal.h"
#include "agent/store/tree.h"
#include "common/base64.h"
#include "common/buf.h"
#include "common/json.h"
#include "common/mem.h"

#define TEXT_PLAIN "text/plain; charset=utf-8"

typedef const uint8_t (*hashes_of)[SHA256_RAW];

/* As it is over HTTP; over the websocket a member of an object. Takes b. */
static int answer_text(struct call *c, const char *member, struct buf *b)
{
	if (c->via == VIA_WEBSOCKET) {
		call_answer(c, json_pack("{s:s#}", member, b->data,
					 (int)b->len));
		buf_fini(b);
		return 0;
	}
	c->text = buf_take(b, &c->text_len);
	c->content_type = TEXT_PLAIN;
	c->status = 200;
	return 0;
}

int op_audit_checkpoint(struct agent *a, struct call *c, struct err *err)
{
	struct buf note = {0};

	if (!a->checkpoint(a->core, 0, &note, err))
		return answer_text(c, "note", &note);
	buf_fini(&note);
	return -1;
}

int op_audit_key(struct agent *a, struct call *c, struct err *err)
{
	char vkey[NOTE_VKEY_MAX];
	struct buf b = {0};

	(void)err;
	note_key_text(a->journal_key, vkey);
	buf_addf(&b, "%s\n", vkey);
	return answer_text(c, "key", &b);
}

static json_t *base64_json(const uint8_t hash[SHA256_RAW])
{
	char text[BASE64_LEN(SHA256_RAW) + 1];

	base64_text(hash, SHA256_RAW, text);
	return json_string(text);
}

static json_t *hashes_json(const uint8_t (*hashes)[SHA256_RAW], size_t n)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, base64_json(hashes[i]));
	return list;
}

/* The leaf hash of the record's bytes. */
static int leaf_of(struct agent *a, struct call *c, uint64_t seq,
		   uint8_t leaf[SHA256_RAW], struct err *err)
{
	struct record_filter f = {.types = "*", .after_seq = seq - 1,
				  .limit = 1};
	struct record_place p = {0};
	size_t n = 0;
	char *line;
	int rc;

	if (a->read_wait(a->core, true, err) ||
	    reader_records(c->reader, &f, &p, &n, err))
		return -1;
	if (!n || p.seq != seq)
		return err_set(err, ERR_not_found, "there is no record %llu",
			       (unsigned long long)seq);
	line = xmalloc(p.len);
	rc = journal_read(a->journal, p.off, p.len, line, err);
	if (!rc)
		sha256_leaf(line, p.len, leaf);
	free(line);
	return rc;
}

struct proof {
	uint64_t from, size;		/* from: or the index */
	uint8_t leaf[SHA256_RAW], root[SHA256_RAW];
	uint8_t hashes[TREE_PROOF_MAX][SHA256_RAW];
	size_t n;
	struct buf note;		/* the checkpoint, if size is its */
};

/* Of the size that was asked for, else of a checkpoint that covers so many. */
static int proof_size(struct agent *a, struct call *c, uint64_t covers,
		      bool noted, struct proof *p, struct err *err)
{
	struct checkpoint point;

	p->size = (uint64_t)call_int(c, "size", 0);
	if (json_object_get(c->args, "size") && !noted)
		return a->tree_wait(a->core, p->size, err);
	if (a->checkpoint(a->core, covers, &p->note, err) ||
	    checkpoint_open(&point, p->note.data, p->note.len,
			    a->journal_key, err))
		return -1;
	if (p->size && p->size != point.size)
		return err_set(err, ERR_invalid_request, "size: a proof of "
			       "this format is of the newest checkpoint, which "
			       "has %llu records",
			       (unsigned long long)point.size);
	p->size = point.size;
	return a->tree_wait(a->core, p->size, err);
}

static int changed(uint64_t seq, struct err *err)
{
	err_set(err, ERR_evidence_corrupt, "record %llu of the journal is "
		"not the one that was signed", (unsigned long long)seq);
	return err_hint(err, "The journal was changed: kircerta-agent audit "
			"verify says where.");
}

static int prove_record(struct agent *a, struct call *c, uint64_t seq,
			bool noted, struct proof *p, struct err *err)
{
	if (a->tree_wait(a->core, seq, err) ||
	    proof_size(a, c, seq, noted, p, err))
		return -1;
	p->from = seq - 1;
	if (tree_root(a->tree, p->size, p->root, err) ||
	    tree_inclusion(a->tree, p->from, p->size, p->hashes, &p->n, err) ||
	    leaf_of(a, c, seq, p->leaf, err))
		return -1;
	return merkle_check_inclusion(p->from, p->size, p->leaf,
				      (hashes_of)p->hashes, p->n, p->root) ?
		       0 : changed(seq, err);
}

static json_t *with_note(json_t *v, const struct proof *p)
{
	if (p->note.len)
		json_object_set_new(v, "checkpoint",
				    json_stringn(p->note.data, p->note.len));
	return v;
}

static json_t *record_json(const struct proof *p)
{
	return with_note(json_pack("{s:I,s:I,s:I,s:o,s:o,s:o}",
		"seq", (json_int_t)p->from + 1, "index",
		(json_int_t)p->from, "size", (json_int_t)p->size, "leaf",
		base64_json(p->leaf), "root", base64_json(p->root), "hashes",
		hashes_json((hashes_of)p->hashes, p->n)), p);
}

static int one_record(struct agent *a, struct call *c, struct proof *p,
		      struct err *err)
{
	const char *format = call_str(c, "format");
	const bool noted = format && !strcmp(format, "tlog-proof");
	const uint64_t seq = (uint64_t)call_int(c, "seq", 0);
	struct buf b = {0};

	if (prove_record(a, c, seq, noted, p, err))
		return -1;
	if (!noted)
		return call_answer(c, record_json(p));
	checkpoint_proof(p->from, (hashes_of)p->hashes, p->n, p->note.data,
			 p->note.len, &b);
	return answer_text(c, "proof", &b);
}

static int two_sizes(struct agent *a, struct call *c, struct proof *p,
		     struct err *err)
{
	uint8_t before[SHA256_RAW];

	if (call_str(c, "format") && strcmp(call_str(c, "format"), "json"))
		return err_set(err, ERR_invalid_request, "format: of two "
			       "sizes there is json only");
	p->from = (uint64_t)call_int(c, "from", 0);
	if (a->tree_wait(a->core, p->from, err) ||
	    proof_size(a, c, p->from, false, p, err) ||
	    tree_consistency(a->tree, p->from, p->size, p->hashes, &p->n,
			     err) ||
	    tree_root(a->tree, p->from, before, err) ||
	    tree_root(a->tree, p->size, p->root, err))
		return -1;
	return call_answer(c, with_note(json_pack("{s:I,s:I,s:o,s:o,s:o}",
		"from", (json_int_t)p->from, "size", (json_int_t)p->size,
		"root_from", base64_json(before), "root",
		base64_json(p->root), "hashes",
		hashes_json((hashes_of)p->hashes, p->n)), p));
}

int op_audit_proof(struct agent *a, struct call *c, struct err *err)
{
	const bool record = json_object_get(c->args, "seq");
	struct proof p = {0};
	int rc;

	if (record == !!json_object_get(c->args, "from"))
		return err_set(err, ERR_invalid_request, "seq: give the "
			       "record, or from for a proof of two sizes");
	rc = record ? one_record(a, c, &p, err) : two_sizes(a, c, &p, err);
	buf_fini(&p.note);
	return rc;
}
