/* See notify_words.h. */
#include "agent/core/notify_words.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/store/record.h"
#include "agent/store/settings_notify.h"
#include "common/buf.h"
#include "common/json.h"
#include "common/mem.h"
#include "common/utf8.h"
#include "common/words.h"

#define SHOWN_MAX 160

static bool is_late(const struct record *r)
{
	return strcmp(r->type, "approval_requested") &&
	       (strcmp(r->type, "approval_reminder") ||
		json_is_set(r->data, "last"));
}

/* All but what every answer leaves, and what telling itself leaves. */
static bool listed(const struct notify_conf *conf, const char *type)
{
	if (strcmp(conf->events, NOTIFY_ALL))
		return words_index(conf->events, ' ', type) >= 0;
	return strcmp(type, "request") && strncmp(type, "notify_", 7);
}

/*
 * Whoever cannot be reached is not told so: that would never end. Nor would
 * two programs that fail in turn, if either heard how the other is doing.
 */
static bool is_own(const struct notify_conf *conf, const char *name,
		   const char *what)
{
	return notify_is_signed(conf) ? !strncmp(what, "notify.", 7) :
					!strcmp(what, name);
}

bool notify_wants(const struct notify_conf *conf, const char *name,
		  const struct record *r)
{
	const char *what = json_str(r->data, "what");

	return listed(conf, r->type) && (!conf->escalate || is_late(r)) &&
	       !(what && is_own(conf, name, what));
}

/* What a type is called, where a title says more than its name. */
static const struct words {
	const char *type, *title, *priority;
} titles[] = {
	{"approval_requested", "an approval is needed", "high"},
	{"approval_reminder", "an approval still waits", "high"},
	{"approval_expired", "nobody decided in time; nothing was sent",
	 "high"},
	{"approval_granted", "it was approved", "normal"},
	{"approval_rejected", "it was rejected", "normal"},
	{"mode_changed", "the mode has changed", "high"},
	{"tool_failed", "a tool has failed", "normal"},
	{"outcome_unknown", "nobody knows whether it was published",
	 "urgent"},
	{"degraded", "something does not work", "high"},
	{"recovered", "it works again", "normal"},
	{"review_overdue", "nobody has said a word on a result", "high"},
	{"task_stalled", "a task is stalled", "normal"},
};

static const struct words *words_of(const char *type)
{
	for (size_t i = 0; i < ARRAY_LEN(titles); i++)
		if (!strcmp(titles[i].type, type))
			return &titles[i];
	return NULL;
}

/* Somebody else's words, made plain and short. */
static void add_shown(struct buf *b, const char *label, const char *text)
{
	char shown[SHOWN_MAX];

	if (!text || !*text)
		return;
	utf8_visible(text, shown, sizeof(shown));
	buf_addf(b, "%s%s %s", b->len ? "\n" : "", label, shown);
}

static void add_members(struct buf *b, const json_t *data)
{
	static const struct { const char *key, *label; } members[] = {
		{"tool", "tool"}, {"approval_id", "approval"},
		{"what", "what"}, {"from", "from"}, {"to", "to"},
		{"error_code", "error"},
	};

	for (size_t i = 0; i < ARRAY_LEN(members); i++)
		add_shown(b, members[i].label, json_str(data, members[i].key));
	add_shown(b, "error", json_str(json_object_get(data, "error"),
				       "error_code"));
	if (json_object_get(data, "left_s"))
		buf_addf(b, "\n%lld s left",
			 (long long)json_int(data, "left_s", 0));
}

static char *text_of(const struct record *r, const json_t *task)
{
	struct buf b = {0};

	add_members(&b, r->data);
	add_shown(&b, "by", r->actor && strcmp(r->actor, "agent") ? r->actor :
							NULL);
	add_shown(&b, "task", json_str(task, "title"));
	add_shown(&b, "task id", r->task_id);
	add_shown(&b, "run", r->run_id);
	if (!b.len)
		buf_adds(&b, r->type);
	return buf_take(&b, NULL);
}

json_t *notify_words(const char *agent, const struct record *r,
		     const json_t *task)
{
	const struct words *w = words_of(r->type);
	char title[SHOWN_MAX], *text = text_of(r, task);
	bool late = !strcmp(r->type, "approval_reminder") && is_late(r);
	json_t *v;

	snprintf(title, sizeof(title), "%.60s: %.80s", agent,
		 w ? w->title : r->type);
	v = json_pack("{s:s,s:s,s:s,s:s,s:s}", "event", r->type, "agent",
		      agent, "title", title, "text", text, "priority",
		      late ? "urgent" : w ? w->priority : "normal");
	if (r->task_id)
		json_set_str(v, "task_id", r->task_id);
	if (r->run_id)
		json_set_str(v, "run_id", r->run_id);
	if (r->correlation_id)
		json_set_str(v, "correlation_id", r->correlation_id);
	if (json_str(r->data, "approval_id"))
		json_set_str(v, "approval_id", json_str(r->data,
							"approval_id"));
	free(text);
	return v;
}
