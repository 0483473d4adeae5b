/* See model_item.h. One table of fields per kind says what is decoded. */
#include "console/model_item.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/json.h"
#include "common/mem.h"
#include "console/model_item_text.h"
#include "console/safe.h"

#define BLOCK_MAX 65536

enum field_type {		/* the texts first */
	F_LINE, F_BLOCK, F_SAID, F_CHANGES, F_LABELS, F_NAMES,
	F_TIME, F_INT, F_BOOL, F_COUNT, F_PERCENT
};

struct field {
	const char *path;	/* "lease.holder" */
	enum field_type type;
	size_t offset;
};

#define T(field) offsetof(struct task, field)
#define A(field) offsetof(struct approval, field)
#define R(field) offsetof(struct run, field)
#define C(field) offsetof(struct record, field)
#define E(field) offsetof(struct artifact, field)
#define H(field) offsetof(struct component, field)
#define V(field) offsetof(struct revision, field)

static const struct field task_fields[] = {
	{"id", F_LINE, T(item.id)},
	{"correlation_id", F_LINE, T(item.chain)},
	{"created_at", F_TIME, T(item.at_us)},
	{"title", F_LINE, T(title)},
	{"request_text", F_BLOCK, T(text)},
	{"acceptance_criteria", F_SAID, T(criteria)},
	{"issues", F_SAID, T(issues)},
	{"labels", F_LABELS, T(labels)},
	{"lease.holder", F_LINE, T(holder)},
	{"lease.expires_at", F_TIME, T(lease_us)},
	{"lease.message", F_LINE, T(message)},
	{"lease.progress", F_PERCENT, T(percent)},
	{"assignee", F_LINE, T(assignee)},
	{"created_by", F_LINE, T(creator)},
	{"side_effect_level", F_LINE, T(level)},
	{"updated_at", F_TIME, T(changed_us)},
	{"attempt", F_INT, T(attempt)},
	{"allow_external_publish", F_BOOL, T(allow_publish)},
	{"admin_approved", F_BOOL, T(admin_approved)},
};

static const struct field approval_fields[] = {
	{"id", F_LINE, A(item.id)},
	{"correlation_id", F_LINE, A(item.chain)},
	{"created_at", F_TIME, A(item.at_us)},
	{"kind", F_LINE, A(kind)},
	{"task_id", F_LINE, A(task_id)},
	{"criterion_ref", F_LINE, A(criterion)},
	{"criterion_text", F_BLOCK, A(criterion_text)},
	{"tool", F_LINE, A(tool)},
	{"requester", F_LINE, A(requester)},
	{"request_sha256", F_LINE, A(digest)},
	{"expires_in_s", F_INT, A(left_s)},
	{"required", F_INT, A(required)},
	{"decisions", F_COUNT, A(decided)},
};

static const struct field run_fields[] = {
	{"id", F_LINE, R(item.id)},
	{"correlation_id", F_LINE, R(item.chain)},
	{"started_at", F_TIME, R(item.at_us)},
	{"finished_at", F_TIME, R(ended_us)},
	{"tool", F_LINE, R(tool)},
	{"task_id", F_LINE, R(task_id)},
	{"actor", F_LINE, R(actor)},
	{"progress", F_PERCENT, R(percent)},
	{"error.detail", F_LINE, R(fault)},
	{"error.remediation_hint", F_LINE, R(fault_hint)},
};

static const struct field record_fields[] = {
	{"correlation_id", F_LINE, C(item.chain)},
	{"ts", F_TIME, C(item.at_us)},
	{"seq", F_INT, C(seq)},
	{"type", F_LINE, C(type)},
	{"actor", F_LINE, C(actor)},
	{"task_id", F_LINE, C(task_id)},
	{"run_id", F_LINE, C(run_id)},
	{"data.approval_id", F_LINE, C(approval_id)},
	{"data.starts_at", F_TIME, C(starts_us)},
	{"status", F_INT, C(status)},
};

static const struct field artifact_fields[] = {
	{"id", F_LINE, E(item.id)},
	{"sha256", F_LINE, E(sha256)},
	{"correlation_id", F_LINE, E(item.chain)},
	{"created_at", F_TIME, E(item.at_us)},
	{"name", F_LINE, E(name)},
	{"media_type", F_LINE, E(media)},
	{"task_id", F_LINE, E(task_id)},
	{"run_id", F_LINE, E(run_id)},
	{"size", F_INT, E(size)},
	{"verified", F_BOOL, E(verified)},
};

static const struct field component_fields[] = {
	{"name", F_LINE, H(item.id)},
	{"correlation_id", F_LINE, H(item.chain)},
	{"since", F_TIME, H(item.at_us)},
	{"detail", F_LINE, H(detail)},
	{"remediation_hint", F_LINE, H(hint)},
	{"effect", F_LINE, H(effect)},
};

static const struct field revision_fields[] = {
	{"commit", F_LINE, V(item.id)},
	{"correlation_id", F_LINE, V(item.chain)},
	{"at", F_TIME, V(item.at_us)},
	{"operation", F_LINE, V(operation)},
	{"by", F_LINE, V(actor)},
	{"reason", F_LINE, V(reason)},
	{"sha", F_LINE, V(sha)},
	{"documents", F_NAMES, V(documents)},
	{"changes", F_CHANGES, V(changes)},
	{"seq", F_INT, V(seq)},
};

static const struct kind_row {
	size_t size, n;
	const struct field *fields;
} kinds[ITEM_KINDS] = {
	[ITEM_TASK] = {sizeof(struct task), ARRAY_LEN(task_fields),
		       task_fields},
	[ITEM_APPROVAL] = {sizeof(struct approval),
			   ARRAY_LEN(approval_fields), approval_fields},
	[ITEM_RUN] = {sizeof(struct run), ARRAY_LEN(run_fields), run_fields},
	[ITEM_RECORD] = {sizeof(struct record), ARRAY_LEN(record_fields),
			 record_fields},
	[ITEM_ARTIFACT] = {sizeof(struct artifact),
			   ARRAY_LEN(artifact_fields), artifact_fields},
	[ITEM_COMPONENT] = {sizeof(struct component),
			    ARRAY_LEN(component_fields), component_fields},
	[ITEM_GAP] = {sizeof(struct record), ARRAY_LEN(record_fields),
		      record_fields},
	[ITEM_REVISION] = {sizeof(struct revision),
			   ARRAY_LEN(revision_fields), revision_fields},
};

static const struct state states[] = {
#define STATE(kind, wire, glyph, word, style, rank) \
	{ITEM_##kind, wire, glyph, word, STYLE_##style, rank},
#include "console/model_state.def"
#undef STATE
};

const struct state *state_find(enum item_kind kind, const char *wire)
{
	static const struct state unknown = {ITEM_KINDS, "", '?', "????",
					     STYLE_stale, RANK_OVER};

	for (size_t i = 0; wire && i < ARRAY_LEN(states); i++)
		if (states[i].kind == kind && !strcmp(states[i].wire, wire))
			return &states[i];
	return &unknown;
}

static const json_t *at_path(const json_t *object, const char *path)
{
	const char *dot = strchr(path, '.');
	char first[32];

	if (!dot)
		return json_object_get(object, path);
	snprintf(first, sizeof(first), "%.*s", (int)(dot - path), path);
	return at_path(json_object_get(object, first), dot + 1);
}

static int64_t whole(const json_t *v)
{
	double d = json_is_number(v) ? json_number_value(v) : 0;

	return d > -9e15 && d < 9e15 ? (int64_t)d : 0;
}

/* 0.4 is 40; -1 where there is none. */
static int64_t percent_of(const json_t *v)
{
	double part = json_is_number(v) ? json_number_value(v) : -1;

	return part < 0 ? -1 : part > 1 ? 100 : (int64_t)(part * 100 + 0.5);
}

static void fill(const struct field *f, const json_t *v, void *into)
{
	void *to = (char *)into + f->offset;
	const char *text = json_string_value(v);
	char *clipped;

	switch (f->type) {
	case F_LINE:
		*(char **)to = safe_line(text);
		return;
	case F_BLOCK:
		clipped = xstrndup(text ? text : "", BLOCK_MAX);
		*(char **)to = safe_block(clipped);
		free(clipped);
		return;
	case F_SAID:
		*(char **)to = item_said(v);
		return;
	case F_CHANGES:
		*(char **)to = item_changes(v);
		return;
	case F_LABELS:
		*(char **)to = item_labels(v);
		return;
	case F_NAMES:
		*(char **)to = item_names(v);
		return;
	case F_TIME:
		if (!text || !clock_parse(text, 0, to))
			*(int64_t *)to = 0;
		return;
	case F_INT:
		*(int64_t *)to = whole(v);
		return;
	case F_BOOL:
		*(bool *)to = json_is_true(v);
		return;
	case F_COUNT:
		*(int64_t *)to = (int64_t)json_array_size(v);
		return;
	case F_PERCENT:
		*(int64_t *)to = percent_of(v);
		return;
	}
}

static void finish(struct item *it, const json_t *object)
{
	struct record *r = (struct record *)it;
	struct artifact *a = (struct artifact *)it;

	if (it->kind == ITEM_RECORD) {
		it->id = xasprintf("%016llx", (unsigned long long)r->seq);
		r->summary = item_summary(json_object_get(object, "data"));
	}
	if (it->kind == ITEM_ARTIFACT) {
		a->broken = json_is_false(json_object_get(object, "verified"));
		if (!*it->id) {
			free(it->id);
			it->id = xstrdup(a->sha256);
		}
	}
	it->state = state_find(it->kind, json_str(
		object, it->kind == ITEM_COMPONENT ? "status" : "state"));
}

struct item *item_decode(enum item_kind kind, const json_t *object)
{
	const struct kind_row *k = &kinds[kind];
	struct item *it = xcalloc(1, k->size);

	it->kind = kind;
	for (size_t i = 0; i < k->n; i++)
		fill(&k->fields[i], at_path(object, k->fields[i].path), it);
	finish(it, object);
	if (*it->id && (kind != ITEM_RECORD || ((struct record *)it)->seq > 0))
		return it;
	item_free(it);
	return NULL;
}

struct item *item_gap(int64_t from, int64_t to)
{
	json_t *v = json_pack("{s:I, s:s}", "seq", (json_int_t)from, "type",
			      "gap");
	struct record *r = (struct record *)item_decode(ITEM_RECORD, v);

	json_decref(v);
	if (!r)
		return NULL;
	r->item.kind = ITEM_GAP;
	r->to = to;
	return &r->item;
}

void item_free(struct item *it)
{
	const struct kind_row *k;

	if (!it)
		return;
	k = &kinds[it->kind];
	for (size_t i = 0; i < k->n; i++)
		if (k->fields[i].type <= F_NAMES)
			free(*(char **)((char *)it + k->fields[i].offset));
	if (it->kind == ITEM_RECORD || it->kind == ITEM_GAP) {
		free(it->id);
		free(((struct record *)it)->summary);
	}
	free(it);
}
