/* See webhook_event.h. */
#include "agent/ops/webhook_event.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/ops/op.h"
#include "agent/ops/signature.h"
#include "agent/ops/webhook_parts.h"
#include "agent/store/settings_webhook.h"
#include "agent/store/webhook_template.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/json.h"
#include "common/mem.h"
#include "common/words.h"

#define SHOWN_MAX 256u		/* bytes of what somebody else has named */
#define COMPARED_MAX 1024u	/* bytes of a text that is compared */

static void name_of(char hex[SHA256_HEX], const char *what,
		    const char *source, const char *value)
{
	struct buf b = {0};

	buf_add(&b, what, strlen(what) + 1);
	buf_add(&b, source, strlen(source) + 1);
	buf_adds(&b, value);
	sha256_hex(b.data, b.len, hex);
	buf_fini(&b);
}

static json_t *shown(const json_t *v)
{
	char *text = template_value(v, TEMPLATE_LINE, SHOWN_MAX);
	json_t *said = json_string(text);

	free(text);
	return said;
}

/* Its id is signed, or in a header, or somewhere in the body. */
static void read_id(struct webhook_event *e, const struct call *c,
		    const json_t *body)
{
	const char *signed_id = signature_id(c->signature);
	const char *at = c->hook->event_id;
	json_t *id = at ? json_incref(pointer_get(body, at)) : NULL;
	char number[24];

	if (!json_is_string(id) && !json_is_integer(id)) {
		json_decref(id);
		id = signed_id ? json_string(signed_id) : NULL;
	}
	if (id) {			/* all of it, as it came */
		snprintf(number, sizeof(number), "%lld",
			 (long long)json_integer_value(id));
		name_of(e->by_id, "id", c->hook->name, json_is_string(id) ?
			json_string_value(id) : number);
		json_object_set_new(e->said, "event_id", shown(id));
	}
	json_decref(id);
}

static bool comparable(const json_t *v)
{
	return json_is_number(v) || (json_is_string(v) &&
		json_string_length(v) <= COMPARED_MAX);
}

/* The value there: NULL if there is none, which is said. */
static int read_value(struct webhook_event *e, const json_t *body,
		      const char *name, const char *pointer, json_t **out,
		      struct err *err)
{
	json_t *v = pointer_get(body, pointer);

	*out = NULL;
	if (!v || json_is_null(v)) {
		json_set_str(e->said, "not_ordered", name);
		return 0;
	}
	if (!comparable(v))
		return err_set(err, ERR_invalid_request, "the %s at %.200s is "
			       "no number and no text of at most %u bytes",
			       name, pointer, COMPARED_MAX);
	json_object_set_new(e->said, name, shown(v));
	*out = v;
	return 0;
}

/* What it is about, and how new that is: both, or it has no order. */
static int read_order(struct webhook_event *e, const struct call *c,
		      const json_t *body, struct err *err)
{
	json_t *subject, *sequence;
	char *text;

	if (!c->hook->subject || !c->hook->sequence)
		return 0;
	if (read_value(e, body, "sequence", c->hook->sequence, &sequence,
		       err) ||
	    read_value(e, body, "subject", c->hook->subject, &subject, err))
		return -1;
	if (!subject || !sequence)
		return 0;
	text = json_dumps(subject, JSON_COMPACT | JSON_ENCODE_ANY);
	name_of(e->subject, "subject", c->hook->name, text);
	free(text);
	e->sequence = json_incref(sequence);
	return 0;
}

static bool is_one_of(const json_t *v, const char *list)
{
	char *text = template_value(v, TEMPLATE_LINE, COMPARED_MAX);
	bool found = words_index(list, ',', text) >= 0;

	free(text);
	return found;
}

/* "/action=opened,reopened", or "/issue": that it is there. */
static bool holds(const char *only, const json_t *body)
{
	size_t n = strcspn(only, "=");
	char *pointer = xstrndup(only, n);
	const json_t *v = pointer_get(body, pointer);
	bool there = v && !json_is_null(v);

	free(pointer);
	return there && (!only[n] || is_one_of(v, only + n + 1));
}

/* The first condition that does not hold; NULL: it is wanted. */
static const char *unwanted(const struct webhook_conf *hook,
			    const json_t *body)
{
	for (size_t i = 0; i < hook->n_only; i++)
		if (!holds(hook->only[i], body))
			return hook->only[i];
	return NULL;
}

static bool is_ping(const struct call *c, const json_t *body)
{
	const char *event = signature_event(c->signature);

	return c->hook->scheme == WEBHOOK_GITHUB && event &&
	       !strcmp(event, "ping") && json_object_get(body, "zen") &&
	       json_object_get(body, "hook_id");
}

static void say_once(json_t *said, const char *key, const char *text)
{
	if (text)
		json_set_str(said, key, text);
}

static int read_all(struct webhook_event *e, const struct call *c,
		    const json_t *body, struct err *err)
{
	const char *sha = signature_body_sha256(c->signature);
	const char *no;

	json_set_str(e->said, "source", c->hook->name);
	say_once(e->said, "event", signature_event(c->signature));
	json_set_str(e->said, "body_sha256", sha);
	json_set_int(e->said, "bytes", (json_int_t)c->body_len);
	json_set_str(e->said, "key", signature_key(c->signature) ?
		     "next" : "current");
	name_of(e->by_body, "body", c->hook->name, sha);
	read_id(e, c, body);
	e->ping = is_ping(c, body);
	if (e->ping)
		return 0;
	if (read_order(e, c, body, err))
		return -1;
	no = unwanted(c->hook, body);
	say_once(e->said, "skipped", no);
	e->parts = webhook_parts(c->hook, body, e->said, err);
	if (!e->parts)
		return -1;
	if (c->hook->task && !no)
		return 0;
	json_object_set(e->said, "title", json_object_get(e->parts, "title"));
	json_object_set(e->said, "labels",
			json_object_get(e->parts, "labels"));
	json_decref(e->parts);
	e->parts = NULL;
	return 0;
}

static json_t *body_of(const struct call *c, struct err *err)
{
	json_t *body = json_parse(c->body ? c->body : "", c->body_len, err);

	if (!body && c->body_len > 8 && !memcmp(c->body, "payload=", 8))
		err_hint(err, "This is a form: set the webhook's content type "
			 "to application/json.");
	return body;
}

struct webhook_event *webhook_event_read(const struct call *c,
					 struct err *err)
{
	struct webhook_event *e = xcalloc(1, sizeof(*e));
	json_t *body = body_of(c, err);
	int rc;

	e->said = json_object();
	rc = body ? read_all(e, c, body, err) : -1;
	if (!rc && (token_in_json(e->said) || token_in_json(e->parts)))
		rc = token_refused("the event", err);
	json_decref(body);
	if (!rc)
		return e;
	webhook_event_free(e);
	return NULL;
}

void webhook_event_free(void *event)
{
	struct webhook_event *e = event;

	if (!e)
		return;
	json_decref(e->sequence);
	json_decref(e->parts);
	json_decref(e->said);
	free(e);
}
