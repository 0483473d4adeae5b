/* See model.h: the connection's state, and the queue of calls. */
#include "console/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "common/mem.h"
#include "console/model_review.h"
#include "console/model_take.h"
#include "console/safe.h"
#include "console/span.h"

#define LOOK_US (60 * SPAN_S)
#define RECORDS_AT_FIRST 1000	/* of the journal's end */

static const struct {
	const char *method, *member;
	model_take *take;
} asks[ASK_KINDS] = {
#define ASK(kind, method, member, take) \
	[ASK_##kind] = {method, member, take_##take},
#include "console/model_ask.def"
#undef ASK
};

const char *ask_method(enum ask_kind kind)
{
	return asks[kind].method;
}

struct model *model_new(void)
{
	struct model *m = xcalloc(1, sizeof(*m));

	m->agent = xstrdup("");
	m->version = xstrdup("");
	m->actor = xstrdup("");
	m->mode = xstrdup("");
	m->health = xstrdup("");
	m->link_why = xstrdup("");
	return m;
}

static void ask_free(struct ask *a)
{
	free(a->id);
	free(a->more);
	json_decref(a->params);
	free(a);
}

static void drop_asks(struct model *m)
{
	for (struct ask **at = &m->asks, *a; (a = *at);) {
		if (a->sent) {		/* its answer is still to come */
			at = &a->next;
			continue;
		}
		*at = a->next;
		ask_free(a);
	}
}

static void forget(struct model *m)
{
	struct items *lists[] = {&m->tasks, &m->approvals, &m->runs,
				 &m->records, &m->artifacts, &m->components};

	for (size_t i = 0; i < ARRAY_LEN(lists); i++)
		items_fini(lists[i]);
	m->seq = 0;
	m->known = false;
}

void model_free(struct model *m)
{
	char *texts[] = {m->link_why, m->agent, m->version, m->actor, m->mode,
			 m->health, m->environment, m->note, m->signing_key};

	drop_asks(m);
	while (m->asks) {
		struct ask *a = m->asks;

		m->asks = a->next;
		ask_free(a);
	}
	forget(m);
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		free(texts[i]);
	chain_fini(&m->chain);
	model_close_history(m);
	model_close_fidelity(m);
	review_free(m->review);
	free(m);
}

void model_note(struct model *m, char *text)
{
	free(m->note);
	m->note = text;
	m->stamp++;
}

static struct ask *enqueue(struct model *m, enum ask_kind kind,
			   const char *id, json_t *params)
{
	struct ask *a = xcalloc(1, sizeof(*a)), **at = &m->asks;

	a->kind = kind;
	a->id = xstrdup(id);
	a->params = params;
	while (*at)
		at = &(*at)->next;
	*at = a;
	return a;
}

static json_t *params_of(enum ask_kind kind, const char *id)
{
	const char *member = asks[kind].member;
	json_t *p = json_object();
	bool number = member && !strcmp(member, "after_seq");

	if (id && number)
		json_set_int(p, member, atoll(id));
	else if (id && member)
		json_set_str(p, member, id);
	if (strstr(asks[kind].method, ".list") || kind == ASK_records ||
	    kind == ASK_history)
		json_set_int(p, "limit", MODEL_PAGE);
	return p;
}

void model_ask(struct model *m, enum ask_kind kind, const char *id)
{
	for (struct ask *a = m->asks; a; a = a->next)
		if (a->kind == kind && !a->more &&
		    !strcmp(a->id ? a->id : "", id ? id : "")) {
			a->again |= a->sent;
			return;
		}
	if (m->link == LINK_LIVE)
		enqueue(m, kind, id, params_of(kind, id));
}

void model_ask_more(struct model *m, enum ask_kind kind, const char *id,
		    const char *member, const char *value)
{
	json_t *params;

	if (m->link != LINK_LIVE)
		return;
	params = params_of(kind, id);
	json_set_str(params, member, value);
	enqueue(m, kind, id, params)->more = xstrdup(value);
}

void model_look(struct model *m)
{
	if (m->link != LINK_LIVE) {
		m->look_us = 0;
	} else if (!m->look_us) {
		m->look_us = m->now_us + LOOK_US;
	} else if (m->now_us >= m->look_us) {
		m->look_us = m->now_us + LOOK_US;
		model_ask(m, ASK_health, NULL);
	}
}

int model_decide(struct model *m, enum ask_kind kind, const char *id,
		 json_t *params)
{
	if (!model_may_decide(m)) {
		json_decref(params);
		return -1;
	}
	enqueue(m, kind, id, params);
	return 0;
}

struct ask *model_next_ask(struct model *m)
{
	struct ask *a = m->asks;

	while (a && a->sent)
		a = a->next;
	if (a)
		a->sent = true;
	return a;
}

/* Approvals, tasks and runs: what Home counts. */
static bool lists_came(const struct model *m)
{
	for (const struct ask *a = m->asks; a; a = a->next)
		if (a->kind == ASK_approvals || a->kind == ASK_tasks ||
		    a->kind == ASK_runs)
			return false;
	return m->link == LINK_LIVE && m->synced;
}

static bool is_sealed(const json_t *problem)
{
	const char *code = json_str(problem, "error_code");

	return code && !strcmp(code, "audit_unavailable");
}

void model_answer(struct model *m, struct ask *ask, const json_t *result,
		  const json_t *problem)
{
	struct ask **at = &m->asks;

	while (*at && *at != ask)
		at = &(*at)->next;
	if (*at)
		*at = ask->next;
	m->stamp++;
	asks[ask->kind].take(m, ask, result, problem);
	if (ask->kind != ASK_health && is_sealed(problem))
		model_ask(m, ASK_health, NULL);
	if (ask->again)
		model_ask(m, ask->kind, ask->id);
	m->known |= lists_came(m);
	ask_free(ask);
}

static void set_text(char **to, const char *text)
{
	free(*to);
	*to = safe_line(text);
}

static bool has_scope(const json_t *scopes, const char *name)
{
	const json_t *each;
	size_t i;

	json_array_foreach ((json_t *)scopes, i, each)
		if (json_is_string(each) &&
		    !strcmp(json_string_value(each), name))
			return true;
	return false;
}

/* Everything there is to know, newest journal records included. */
static void ask_all(struct model *m, int64_t newest)
{
	static const enum ask_kind lists[] = {
		ASK_approvals, ASK_tasks, ASK_health, ASK_runs, ASK_artifacts,
	};
	int64_t from = newest > RECORDS_AT_FIRST ? newest - RECORDS_AT_FIRST :
						   0;
	char text[24];

	if (m->seq > newest)		/* another journal: begin anew */
		forget(m);
	if (!m->seq)
		m->seq = newest;
	else
		from = m->seq;
	snprintf(text, sizeof(text), "%lld", (long long)m->seq);
	model_ask(m, ASK_subscribe, text);
	for (size_t i = 0; i < ARRAY_LEN(lists); i++)
		model_ask(m, lists[i], NULL);
	snprintf(text, sizeof(text), "%lld", (long long)from);
	model_ask(m, ASK_records, text);
}

void model_hello(struct model *m, const json_t *hello)
{
	m->link = LINK_LIVE;
	m->tries = 0;
	m->lost_us = m->silent_us = 0;
	m->synced = false;
	m->stamp++;
	set_text(&m->agent, json_str(hello, "agent"));
	set_text(&m->version, json_str(hello, "version"));
	set_text(&m->actor, json_str(hello, "actor"));
	set_text(&m->mode, json_str(hello, "mode"));
	set_text(&m->link_why, "");
	m->admin = has_scope(json_object_get(hello, "scopes"), "admin");
	ask_all(m, json_int(hello, "seq", 0));
	if (m->chain.id)
		model_ask(m, ASK_chain, m->chain.id);
	if (m->history.task)
		model_ask(m, ASK_history, m->history.task);
	if (m->fidelity.task)
		model_ask(m, ASK_fidelity, m->fidelity.task);
	review_live(m);
}

void model_lost(struct model *m, enum link_state state, const char *why,
		int64_t retry_in_us)
{
	if (m->link == LINK_LIVE || !m->lost_us)
		m->lost_us = m->now_us;
	m->link = state;
	m->silent_us = 0;
	m->tries += state == LINK_RETRY;
	m->retry_in_us = retry_in_us;
	m->stamp++;
	set_text(&m->link_why, why);
	drop_asks(m);
	review_lost(m);
}

bool model_may_decide(const struct model *m)
{
	return m->link == LINK_LIVE && m->admin && !m->readonly;
}
