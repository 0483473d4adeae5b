/* See told.h. */
#include "agent/core/told.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "agent/core/threads.h"
#include "agent/ops/op.h"
#include "agent/store/settings_notify.h"
#include "agent/store/state.h"
#include "common/clock.h"
#include "common/json.h"

#define EVERY_US 1000000
#define KIND "outbox"			/* of the document, by its name */

bool told_cursor(struct core *k, const struct notify_conf *conf,
		 uint64_t *seq)
{
	const json_t *doc = state_doc(k->agent->state, KIND, conf->name);

	if (doc)
		*seq = (uint64_t)json_int(doc, "seq", 0);
	return doc;
}

/* seq goes with it: all up to there need not be told any more. */
static void record(struct told *n, const char *type, json_t *data,
		   uint64_t seq)
{
	json_set_str(data, "what", n->name);
	json_set_str(data, "kind", notify_kind_name(n->conf->kind));
	queue_put(&n->core->applying, internal_call("service", json_pack(
		"{s:s,s:o,s:{s:{s:s,s:I}}}", "type", type, "data", data,
		"put", KIND, "id", n->conf->name, "seq", (json_int_t)seq)));
	n->at = clock_mono_us();
}

void told_begun(struct told *n, uint64_t after)
{
	record(n, "notify_began", json_pack("{s:I}", "after",
					    (json_int_t)after), after);
}

void told_flush(struct told *n)
{
	json_t *data;

	if (!n->from)
		return;
	data = json_pack("{s:I,s:I,s:I,s:i}", "from", (json_int_t)n->from,
			 "to", (json_int_t)n->to, "n", (json_int_t)n->n,
			 "tries", n->tries);
	if (*n->code) {
		json_set_str(data, "error_code", n->code);
		json_object_set_new(data, "detail", json_lossy(n->detail));
	}
	record(n, *n->code ? "notify_failed" : "notify_sent", data, n->to);
	n->from = n->n = 0;
	n->tries = 0;
}

static void add(struct told *n, uint64_t seq, int tries,
		const char *code, const char *detail)
{
	if (n->from && (strcmp(n->code, code) || strcmp(n->detail, detail)))
		told_flush(n);
	if (!n->from)
		n->from = seq;
	n->to = seq;
	n->n++;
	n->tries = tries > n->tries ? tries : n->tries;
	snprintf(n->code, sizeof(n->code), "%s", code);
	snprintf(n->detail, sizeof(n->detail), "%s", detail);
}

void told_sent(struct told *n, uint64_t seq, int tries)
{
	add(n, seq, tries, "", "");
}

void told_skipped(struct told *n, uint64_t seq, int tries,
		  const char *code, const char *detail)
{
	add(n, seq, tries, code, detail);
}

int64_t told_due(const struct told *n)
{
	return n->from ? n->at + EVERY_US : INT64_MAX;
}
