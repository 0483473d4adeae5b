/*
 * The registry: a set of tools read at once and never changed after, so that
 * whoever holds a reference may look without a lock.
 */
#include "agent/run/tool.h"

#include <dirent.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "agent/run/manifest.h"
#include "agent/run/tool_args.h"
#include "common/err.h"
#include "common/json.h"
#include "common/mem.h"

struct tools {
	atomic_int refs;
	struct tool **all;		/* sorted by name */
	size_t n;
};

static const char *const levels[] = {
	[LEVEL_READ_ONLY] = "read_only",
	[LEVEL_LOCAL_WRITE] = "local_write",
	[LEVEL_EXTERNAL_PUBLISH] = "external_publish",
};

const char *level_name(int level)
{
	return levels[level];
}

int level_of(const char *name)
{
	for (int i = 0; name && i < (int)ARRAY_LEN(levels); i++)
		if (!strcmp(levels[i], name))
			return i;
	return -1;
}

const char *reversibility_name(int reversibility)
{
	static const char *const names[] = {
		[REVERSIBLE] = "reversible",
		[COMPENSABLE] = "compensable",
		[IRREVERSIBLE] = "irreversible",
	};

	return names[reversibility];
}

int reversibility_of_level(int level)
{
	static const int of[] = {
		[LEVEL_READ_ONLY] = REVERSIBLE,
		[LEVEL_LOCAL_WRITE] = COMPENSABLE,
		[LEVEL_EXTERNAL_PUBLISH] = IRREVERSIBLE,
	};

	return of[level];
}

static int by_name(const void *a, const void *b)
{
	return strcmp((*(struct tool *const *)a)->name,
		      (*(struct tool *const *)b)->name);
}

static const struct tool *named(const struct tools *t, const char *name)
{
	for (size_t i = 0; i < t->n; i++)
		if (!strcmp(t->all[i]->name, name))
			return t->all[i];
	return NULL;
}

static int add(struct tools *t, const char *path, struct err *err)
{
	struct tool *tool = manifest_read(path, err);
	const struct tool *other;

	if (!tool)
		return -1;
	other = named(t, tool->name);
	if (other) {
		err_set(err, ERR_bad_config, "%s: tool.name: %s is already in %s",
			path, tool->name, other->file);
		tool_free(tool);
		return -1;
	}
	t->all = xrealloc(t->all, (t->n + 1) * sizeof(*t->all));
	t->all[t->n++] = tool;
	return 0;
}

static int is_manifest(const struct dirent *e)
{
	size_t len = strlen(e->d_name);

	return *e->d_name != '.' && len > 5 &&
	       !strcmp(e->d_name + len - 5, ".conf");
}

static int add_folder(struct tools *t, const char *dir, struct err *err)
{
	char *real = realpath(dir, NULL);
	struct dirent **names = NULL;
	int n = real ? scandir(real, &names, is_manifest, alphasort) : -1;
	int rc = 0;

	if (n < 0 && errno != ENOENT && errno != ENOTDIR)
		rc = err_sys(err, ERR_io, "%s", dir);
	for (int i = 0; i < n; i++) {
		char *path = xasprintf("%s/%s", real, names[i]->d_name);

		if (!rc)
			rc = add(t, path, err);
		free(path);
		free(names[i]);
	}
	free(names);
	free(real);
	return rc;
}

static bool takes(const struct tool *t, const char *arg)
{
	for (size_t i = 0; i < t->n_args; i++)
		if (!strcmp(t->args[i].name, arg))
			return true;
	return false;
}

/* The second step of each that has two: there, and able to be one. */
static int pair(struct tools *t, struct err *err)
{
	for (size_t i = 0; i < t->n; i++) {
		const struct tool_stage *s = &t->all[i]->stage;
		struct tool *next;

		if (!s->promote)
			continue;
		next = (struct tool *)named(t, s->promote);
		if (!next || next == t->all[i] ||
		    next->level != LEVEL_EXTERNAL_PUBLISH ||
		    !takes(next, s->argument) || !takes(next, s->result))
			return err_set(err, ERR_bad_config, "%s: [stage]: "
				"promote: %s is no other external_publish "
				"that takes %s and %s", t->all[i]->file,
				s->promote, s->result, s->argument);
		next->promotes = true;
	}
	return 0;
}

int tools_load(struct tools **out, const char *const *dirs,
	       int64_t timeout_us, struct err *err)
{
	struct tools *t = xcalloc(1, sizeof(*t));

	atomic_init(&t->refs, 1);
	for (; *dirs; dirs++)
		if (add_folder(t, *dirs, err)) {
			tools_unref(t);
			return -1;
		}
	for (size_t i = 0; i < t->n; i++)
		if (!t->all[i]->timeout_us)
			t->all[i]->timeout_us = timeout_us;
	if (t->n)
		qsort(t->all, t->n, sizeof(*t->all), by_name);
	if (pair(t, err)) {
		tools_unref(t);
		return -1;
	}
	*out = t;
	return 0;
}

struct tools *tools_ref(struct tools *t)
{
	atomic_fetch_add(&t->refs, 1);
	return t;
}

void tools_unref(struct tools *t)
{
	if (!t || atomic_fetch_sub(&t->refs, 1) > 1)
		return;
	for (size_t i = 0; i < t->n; i++)
		tool_free(t->all[i]);
	free(t->all);
	free(t);
}

const struct tool *tools_find(const struct tools *t, const char *name)
{
	return name ? named(t, name) : NULL;
}

static json_t *arg_json(const struct tool_arg *a)
{
	json_t *o = json_object();

	json_set_str(o, "name", a->name);
	json_set_str(o, "type", arg_type_name(a->type));
	json_object_set_new(o, "required", json_boolean(a->required));
	if (a->has_min)
		json_set_int(o, "min", a->min);
	if (a->has_max)
		json_set_int(o, "max", a->max);
	if (a->max_length)
		json_set_int(o, "max_length", a->max_length);
	if (a->type == TOOL_ENUM)
		json_object_set_new(o, "values", arg_values(a));
	if (a->fallback)
		json_object_set_new(o, "default", arg_fallback(a));
	json_object_set_new(o, "secret", json_boolean(a->secret));
	json_set_str(o, "summary", a->summary);
	return o;
}

json_t *tool_json(const struct tool *t)
{
	json_t *o = json_object(), *args = json_array();

	for (size_t i = 0; i < t->n_args; i++)
		json_array_append_new(args, arg_json(&t->args[i]));
	json_set_str(o, "name", t->name);
	json_set_str(o, "summary", t->summary);
	json_set_str(o, "side_effect_level", level_name(t->level));
	json_set_str(o, "reversibility", reversibility_name(t->reversibility));
	json_set_int(o, "timeout_s", t->timeout_us / 1000000);
	json_object_set_new(o, "reconcile", json_boolean(t->reconcile));
	if (t->stage.promote)
		json_object_set_new(o, "stage", json_pack("{s:s,s:s,s:s,s:s}",
			"argument", t->stage.argument, "value",
			t->stage.value, "promote", t->stage.promote, "result",
			t->stage.result));
	json_object_set_new(o, "args", args);
	return o;
}

json_t *tools_json(const struct tools *t)
{
	json_t *out = json_array();

	for (size_t i = 0; i < t->n; i++)
		json_array_append_new(out, tool_json(t->all[i]));
	return out;
}
