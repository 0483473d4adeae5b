/* See webhook_parts.h. */
#include "agent/ops/webhook_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/ops/op.h"
#include "agent/ops/task.h"
#include "agent/store/settings_webhook.h"
#include "agent/store/webhook_template.h"
#include "common/err.h"
#include "common/json.h"
#include "common/mem.h"

#define TITLE_MAX 500u
#define TEXT_MAX 40000u
#define LABEL_MAX 500u
#define CRITERION_MAX 2000u
/* The document has more in it, and gets more: whose it is, issues. */
#define PARTS_MAX (TASK_MAX - 6 * 1024)

struct filler {
	const struct webhook_conf *hook;
	const json_t *body;
	json_t *missing;
};

static char *fill(const struct filler *f, const char *template,
		  enum template_kind kind, size_t max)
{
	return template_fill(template, f->body, kind, max, f->missing);
}

static bool is_blank(const char *text)
{
	return !text[strspn(text, " ")];
}

/* A task always has a title. */
static json_t *title_of(const struct filler *f)
{
	char *title = fill(f, f->hook->title ? f->hook->title : "",
			   TEMPLATE_LINE, TITLE_MAX);
	json_t *v = is_blank(title) ? json_sprintf("%s event", f->hook->name)
				    : json_string(title);

	free(title);
	return v;
}

/* As many as are configured: one that came out empty stays as it is there. */
static json_t *criteria_of(const struct filler *f)
{
	json_t *list = json_array();
	char id[24], *text;

	for (size_t i = 0; i < f->hook->n_criteria; i++) {
		const char *said = f->hook->criteria[i];

		text = fill(f, said, TEMPLATE_TEXT, CRITERION_MAX);
		snprintf(id, sizeof(id), "AC-%zu", i + 1);
		json_array_append_new(list, json_pack("{s:s,s:s}", "id", id,
			"text", is_blank(text) ? said : text));
		free(text);
	}
	return list;
}

/* "name=TEMPLATE"; what comes out empty is no label. */
static json_t *labels_of(const struct filler *f)
{
	json_t *labels = json_object();

	for (size_t i = 0; i < f->hook->n_labels; i++) {
		const char *label = f->hook->labels[i];
		size_t n = strcspn(label, "=");
		char *name = xstrndup(label, n);
		char *text = fill(f, label[n] ? label + n + 1 : "",
				  TEMPLATE_LINE, LABEL_MAX);

		if (!is_blank(text))
			json_set_str(labels, name, text);
		free(name);
		free(text);
	}
	return labels;
}

static json_t *meta_of(const json_t *said)
{
	static const char *const keys[] = {"source", "event", "event_id",
					   "body_sha256", "subject",
					   "sequence"};
	json_t *meta = json_object(), *v;

	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if ((v = json_object_get(said, keys[i])))
			json_object_set(meta, keys[i], v);
	return json_pack("{s:o}", "webhook", meta);
}

static size_t written(const json_t *v)
{
	size_t len;

	free(json_pretty(v, &len));
	return len;
}

/* As much of the text as the document has room for beside the rest. */
static void put_text(const struct filler *f, json_t *parts)
{
	size_t max = TEXT_MAX;
	char *text;

	do {
		text = fill(f, f->hook->text ? f->hook->text : "",
			    TEMPLATE_TEXT, max);
		json_set_str(parts, "request_text", text);
		free(text);
		max -= max / 8;
	} while (max > 64 && written(parts) > PARTS_MAX);
}

static int check(const json_t *parts, struct err *err)
{
	const struct op *op = op_named("task.create");
	const char *key;
	json_t *v;

	json_object_foreach ((json_t *)parts, key, v)
		if (op_arg_check(op_arg(op, key), v, err))
			return -1;
	return task_parts_check(parts, err);
}

json_t *webhook_parts(const struct webhook_conf *hook, const json_t *body,
		      json_t *said, struct err *err)
{
	struct filler f = {.hook = hook, .body = body,
			   .missing = json_array()};
	json_t *parts = json_object();

	json_object_set_new(parts, "title", title_of(&f));
	json_object_set_new(parts, "source",
			    json_sprintf("webhook:%s", hook->name));
	json_object_set_new(parts, "acceptance_criteria", criteria_of(&f));
	json_object_set_new(parts, "labels", labels_of(&f));
	json_object_set_new(parts, "meta", meta_of(said));
	json_set_str(parts, "side_effect_level",
		     webhook_level_name(hook->side_effect_level));
	if (hook->assignee && *hook->assignee)
		json_set_str(parts, "assignee", hook->assignee);
	put_text(&f, parts);
	if (json_array_size(f.missing))
		json_object_set(said, "missing", f.missing);
	json_decref(f.missing);
	if (written(parts) > PARTS_MAX)
		err_set(err, ERR_task_too_large, "the criteria and labels of "
			"this source leave no room for a task");
	else if (!check(parts, err))
		return parts;
	json_decref(parts);
	return NULL;
}
