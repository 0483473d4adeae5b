/*
 * Time stamps (RFC 3161) of checkpoints, as two artifacts each: the signed
 * note, and the authority's reply for the SHA-256 of its bytes. So
 * `openssl ts -verify -data NOTE -in REPLY` says when the record was at least
 * as long as the note says.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/core/second.h"
#include "agent/core/threads.h"
#include "agent/ops/op.h"
#include "agent/store/checkpoint.h"
#include "agent/store/evidence.h"
#include "agent/store/settings.h"
#include "common/base64.h"
#include "common/buf.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/json.h"
#include "common/mem.h"

static int failed(struct second_said *said, struct err *err)
{
	second_trouble(said, false, err_row(err->code)->code,
		       err_hint_of(err), "%s", err->detail);
	err_fini(err);
	return -1;
}

/* Store bytes; what the record says of them, or NULL. */
static json_t *keep(struct second *s, const struct checkpoint *c,
		    const char *ext, const void *data, size_t len,
		    struct err *err)
{
	struct evidence *e = second_core(s)->agent->evidence;
	char sha256[SHA256_HEX], name[64];

	if (evidence_store(e, data, len, sha256, err))
		return NULL;
	snprintf(name, sizeof(name), "checkpoint-%" PRIu64 ".%s", c->size,
		 ext);
	return json_pack("{s:s,s:s,s:I}", "name", name, "sha256", sha256,
			 "size", (json_int_t)len);
}

/* Durable in the record when this returns 0. */
static int record(struct second *s, json_t *args, struct second_said *said)
{
	struct call *c = core_apply_now(second_core(s), internal_call(
		"checkpoint.stamped", args));
	int rc = 0;

	if (!c) {
		said->stopped = true;
		return -1;
	}
	if (c->err.code)
		rc = second_trouble(said, false, err_row(c->err.code)->code,
				    err_hint_of(&c->err), "%s",
				    c->err.detail);
	call_free(c);
	return rc;
}

/* What the program handed back in base64; NULL: nothing good. */
static uint8_t *reply_of(const json_t *answer, size_t *len)
{
	const char *text = json_str(answer, "reply");
	size_t size = text ? strlen(text) : 0;
	uint8_t *reply = xmalloc(size + 1);
	ssize_t n = base64_raw(text ? text : "", size, reply, size);

	*len = n > 0 ? (size_t)n : 0;
	return reply;
}

/* Both files first, then the record that says so. */
static int store(struct second *s, const struct checkpoint *c,
		 const struct buf *note, const json_t *answer,
		 struct second_said *said)
{
	json_t *one, *two = NULL, *files;
	struct err err = {0};
	size_t len;
	uint8_t *reply = reply_of(answer, &len);

	if (!len)
		err_set(&err, ERR_tool_protocol, "no time stamp in what the "
			"program said");
	one = len ? keep(s, c, "txt", note->data, note->len, &err) : NULL;
	if (one)
		two = keep(s, c, "tsr", reply, len, &err);
	free(reply);
	if (!two) {
		json_decref(one);
		return failed(said, &err);
	}
	files = json_pack("[o,o]", one, two);
	return record(s, json_pack("{s:o,s:I,s:s?,s:s?,s:s?}", "files", files,
		"records", (json_int_t)c->size, "time",
		json_str(answer, "time"), "serial",
		json_str(answer, "serial"), "policy",
		json_str(answer, "policy")), said);
}

static json_t *question(const struct settings *s, const struct buf *note)
{
	char sha256[SHA256_HEX];
	json_t *args;

	sha256_hex(note->data, note->len, sha256);
	args = json_pack("{s:s,s:s,s:s}", "url", s->stamp_url, "sha256",
			 sha256, "ca_file", s->stamp_ca);
	if (s->stamp_policy && *s->stamp_policy)
		json_set_str(args, "policy", s->stamp_policy);
	return args;
}

static int stamp(struct second *s, const struct checkpoint *c,
		 const struct buf *note, struct second_said *said)
{
	const struct settings *conf = second_conf(s);
	json_t *answer = second_ask(s, "timestamp", "stamp",
				    question(conf, note),
				    conf->stamp_timeout, said);
	int rc = answer ? store(s, c, note, answer, said) : -1;

	json_decref(answer);
	if (rc || second_note(s, c->size,
			      (uint64_t)(clock_wall_us() / 1000000), said))
		return -1;
	second_reached(s, c->size);
	return 0;
}

/* How long until the next one is due; 0: it is. */
static int64_t left(const struct settings *conf, uint64_t last_s)
{
	int64_t since = clock_wall_us() - (int64_t)last_s * 1000000;

	return since < 0 || since >= conf->stamp_every ? 0 :
	       conf->stamp_every - since;
}

static int turn(struct second *s, int64_t *next_us, struct second_said *said)
{
	const struct settings *conf = second_conf(s);
	struct checkpoint c = {0};
	struct buf note = {0};
	uint64_t size, last_s;
	int rc;

	second_recall(s, &size, &last_s);
	*next_us = left(conf, last_s);
	if (*next_us) {
		second_reached(s, size);
		return 0;
	}
	rc = second_checkpoint(s, &note, &c, said);
	if (!rc && c.size != size) {
		rc = stamp(s, &c, &note, said);
		*next_us = conf->stamp_every;
	} else {
		*next_us = SECOND_LATER;
	}
	buf_fini(&note);
	return rc;
}

const struct second_kind stamp_kind = {
	.effect = "the record goes on; its age is not vouched for by others",
	.turn = turn,
};
