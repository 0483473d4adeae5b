/* See idem.h. The key is the actor's own; the body is compared by hash. */
#include "agent/gate/idem.h"

#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/ops/op.h"
#include "agent/ops/run.h"
#include "agent/ops/wait.h"
#include "agent/store/state.h"
#include "common/buf.h"
#include "common/json.h"
#include "common/mem.h"
#include "common/sha256.h"

#define KEEP_US (24 * 3600 * 1000000LL)

static bool applies(const struct call *c)
{
	return c->idempotency_key && c->via != VIA_INTERNAL &&
	       !(c->op->flags & OP_FRESH);
}

static void hash_parts(const char *const *parts, char hex[SHA256_HEX])
{
	struct buf b = {0};

	for (; *parts; parts++)
		buf_add(&b, *parts, strlen(*parts) + 1);
	sha256_hex(b.data, b.len, hex);
	buf_fini(&b);
}

static void key_hash(const struct call *c, char hex[SHA256_HEX])
{
	hash_parts((const char *const[]){c->who.name, c->idempotency_key,
					 NULL}, hex);
}

/*
 * What was asked: the operation and its arguments, whatever the bytes. Keyed,
 * for a hash alone would tell a short secret among them to who can guess.
 */
static void body_hash(const struct agent *a, const struct call *c,
		      char hex[SHA256_HEX])
{
	char *args = json_dumps(c->args, JSON_COMPACT | JSON_SORT_KEYS);
	uint8_t mac[EVP_MAX_MD_SIZE];
	struct buf b = {0};
	unsigned len;

	buf_add(&b, c->op->name, strlen(c->op->name) + 1);
	buf_adds(&b, args ? args : "");
	if (!HMAC(EVP_sha256(), a->redact_key, sizeof(a->redact_key),
		  (unsigned char *)b.data, b.len, mac, &len))
		abort();
	hex_of(mac, SHA256_RAW, hex);
	mem_wipe(b.data, b.len);
	buf_fini(&b);
	free(args);
}

/* The run that was answered, for who waits for its end again. NULL: none. */
static const json_t *kept_run(struct agent *a, const struct call *c,
			      const char *location)
{
	const char *prefix = "/api/runs/";
	size_t len = strlen(prefix);

	return c->wait_us && location && !strncmp(location, prefix, len) ?
		state_doc(a->state, "run", location + len) : NULL;
}

static void give_again(struct agent *a, struct call *c, const json_t *kept)
{
	const char *location = json_str(kept, "location");
	const json_t *run = kept_run(a, c, location);

	c->replayed = true;
	if (run) {
		run_answer(c, run);
		return;
	}
	call_answer(c, json_incref(json_object_get(kept, "answer")));
	c->status = (int)json_int(kept, "status", 200);
	c->location = xstrdup(location);
	c->etag = xstrdup(json_str(c->answer, "sha"));
}

static bool is_fresh(const json_t *kept)
{
	return kept && wait_left(kept, "at") + KEEP_US > 0;
}

bool idem_key(const struct call *c, char hex[SHA256_HEX])
{
	if (!applies(c))
		return false;
	key_hash(c, hex);
	return true;
}

bool idem_replay(struct agent *a, struct call *c)
{
	char key[SHA256_HEX], body[SHA256_HEX];
	const json_t *kept;

	if (!applies(c))
		return false;
	key_hash(c, key);
	kept = state_doc(a->state, "idem", key);
	if (!is_fresh(kept))
		return false;
	body_hash(a, c, body);
	if (strcmp(body, json_str(kept, "body_sha256")))
		err_set(&c->err, ERR_idempotency_mismatch,
			"the key was first used for another request");
	else
		give_again(a, c, kept);
	return true;
}

void idem_resume(struct agent *a, struct call *c)
{
	char key[SHA256_HEX], body[SHA256_HEX];
	const json_t *kept;

	if (!applies(c) || *c->made_id)
		return;
	key_hash(c, key);
	kept = state_doc(a->state, "intent", key);
	if (!is_fresh(kept))
		return;
	body_hash(a, c, body);
	if (!strcmp(body, json_str(kept, "body_sha256")))
		snprintf(c->made_id, sizeof(c->made_id), "%s",
			 json_str(kept, "made_id"));
}

json_t *idem_intent(struct agent *a, const struct call *c)
{
	char key[SHA256_HEX], body[SHA256_HEX];
	json_t *doc;

	if (!applies(c))
		return NULL;
	key_hash(c, key);
	body_hash(a, c, body);
	doc = json_pack("{s:s,s:s,s:s}", "id", key, "body_sha256", body,
			"made_id", c->made_id);
	wait_set(doc, "at", 0);
	return json_pack("{s:o}", "intent", doc);
}

void idem_keep(struct agent *a, struct call *c)
{
	char key[SHA256_HEX], body[SHA256_HEX];
	struct fact fact = {.type = "answer_kept", .run_id = NULL};
	json_t *answer, *doc;

	if (!applies(c))
		return;
	answer = call_whole_answer(c);
	key_hash(c, key);
	body_hash(a, c, body);
	doc = json_pack("{s:s,s:s,s:i,s:s?,s:O?}", "id", key, "body_sha256",
			body, "status", c->status, "location", c->location,
			"answer", answer);
	wait_set(doc, "at", 0);
	fact.data = json_pack("{s:s}", "operation", c->op->name);
	fact.put = json_pack("{s:o}", "idem", doc);
	json_decref(answer);
	agent_record(a, c, &fact, &c->err);
}
