/* See forget.h. */
#include "agent/core/forget.h"

#include <stdio.h>

#include "agent/core/threads.h"
#include "agent/ops/op.h"
#include "agent/ops/webhook_forget.h"
#include "agent/store/settings.h"
#include "agent/store/settings_webhook.h"
#include "common/err.h"
#include "common/json.h"
#include "common/log.h"
#include "common/mem.h"

#define SECOND 1000000LL
#define PAGE 200		/* documents, all of whose ids fit in a record */
#define PAGES 50		/* at a time: a million documents in two hours */

static const char *const kinds[] = {"hook", "hookbody"};

int64_t forget_every(const struct settings *s)
{
	int64_t every = 60 * SECOND;

	for (size_t i = 0; i < s->n_webhooks; i++)
		if (s->webhooks[i].window / 8 < every)
			every = s->webhooks[i].window / 8;
	return every > SECOND ? every : SECOND;
}

static json_t *those_over(const struct core *k, const json_t *page)
{
	json_t *ids = json_array(), *doc;
	size_t i;

	json_array_foreach (page, i, doc)
		if (webhook_is_over(k->agent->settings, doc))
			json_array_append(ids, json_object_get(doc, "id"));
	return ids;
}

/* ids is taken over. -1: nothing can be recorded now, or it stops. */
static int forget(struct core *k, const char *kind, json_t *ids)
{
	struct call *done;
	int rc;

	if (!json_array_size(ids)) {
		json_decref(ids);
		return 0;
	}
	done = core_apply_now(k, internal_call("webhook.forget", json_pack(
			      "{s:s,s:o}", "kind", kind, "ids", ids)));
	rc = !done || done->err.code ? -1 : 0;
	if (done)
		call_free(done);
	return rc;
}

/* 1: there may be more of them; 0: they are through; -1: not now. */
static int forget_page(struct core *k, struct reader *r, struct forget *f)
{
	const char *kind = kinds[f->kind];
	struct doc_filter filter = {.kind = kind, .after_id = f->after,
				    .limit = PAGE};
	struct err err = {0};
	json_t *page = reader_docs(r, &filter, &err);
	size_t n = json_array_size(page);
	int rc = page ? forget(k, kind, those_over(k, page)) : -1;

	if (err.code)
		log_error("webhooks that are over: %s", err.detail);
	err_fini(&err);
	if (!rc && n)
		snprintf(f->after, sizeof(f->after), "%s", json_str(
			 json_array_get(page, n - 1), "id"));
	json_decref(page);
	return rc ? rc : n == PAGE;
}

void forget_some(struct core *k, struct reader *r, struct forget *f)
{
	size_t through = 0;
	int more;

	for (int i = 0; i < PAGES && through < ARRAY_LEN(kinds); i++) {
		more = forget_page(k, r, f);
		if (more < 0)
			return;
		if (more)
			continue;
		*f = (struct forget){.kind = (f->kind + 1) % ARRAY_LEN(kinds)};
		through++;
	}
}
