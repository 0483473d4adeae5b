/*
 * See manifest.h. Two tables say which keys there are; what a table cannot
 * say (missing keys, bounds the wrong way round, a default that its own
 * argument would refuse) is checked when the file has been read.
 */
#include "agent/run/manifest.h"

#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/run/tool_args.h"
#include "common/buf.h"
#include "common/conf.h"
#include "common/err.h"
#include "common/json.h"
#include "common/mem.h"
#include "common/utf8.h"

#define NAME_MAX_BYTES 64

struct draft_arg {
	struct tool_arg a;
	unsigned seen;			/* bits of arg_keys */
};

struct draft {
	struct tool t;
	char *command, *pass_env;
	unsigned seen;			/* bits of tool_keys */
	struct draft_arg *args;
	size_t n_args;
};

#define T(field) offsetof(struct draft, t.field)
#define D(field) offsetof(struct draft, field)
#define A(field) offsetof(struct draft_arg, a.field)

static const struct conf_key tool_keys[] = {
	{"tool", "name", CONF_TEXT, T(name)},
	{"tool", "side-effect-level", CONF_CHOICE, T(level),
	 .choices = "read_only|local_write|external_publish"},
	{"tool", "command", CONF_TEXT, D(command)},
	{"tool", "summary", CONF_TEXT, T(summary), .fallback = ""},
	{"tool", "timeout", CONF_TIME, T(timeout_us),
	 .min = 1000000, .max = 86400000000},
	{"tool", "reconcile", CONF_BOOL, T(reconcile), .fallback = "false"},
	{"tool", "config", CONF_TEXT, T(config)},
	{"tool", "pass-env", CONF_TEXT, D(pass_env)},
	{"stage", "argument", CONF_TEXT, T(stage.argument)},
	{"stage", "value", CONF_TEXT, T(stage.value)},
	{"stage", "promote", CONF_TEXT, T(stage.promote)},
	{"stage", "result", CONF_TEXT, T(stage.result)},
	{"tool", "reversibility", CONF_CHOICE, T(reversibility),
	 .choices = "reversible|compensable|irreversible", .min = REVERSIBLE},
};
#define REQUIRED 3			/* the first rows of tool_keys */

enum arg_row { ROW_TYPE, ROW_REQUIRED, ROW_MIN, ROW_MAX };

static const struct conf_key arg_keys[] = {
	[ROW_TYPE] = {"arg", "type", CONF_CHOICE, A(type),
	 .choices = "string|integer|number|boolean|file|sha256|enum"},
	[ROW_REQUIRED] = {"arg", "required", CONF_BOOL, A(required)},
	[ROW_MIN] = {"arg", "min", CONF_INT, A(min), .min = -JSON_SAFE_INT,
		     .max = JSON_SAFE_INT},
	[ROW_MAX] = {"arg", "max", CONF_INT, A(max), .min = -JSON_SAFE_INT,
		     .max = JSON_SAFE_INT},
	{"arg", "max-length", CONF_INT, A(max_length), .min = 1,
	 .max = 1 << 20},
	{"arg", "values", CONF_TEXT, A(values)},
	{"arg", "default", CONF_TEXT, A(fallback)},
	{"arg", "secret", CONF_BOOL, A(secret)},
	{"arg", "summary", CONF_TEXT, A(summary), .fallback = ""},
};

/* The bytes of one word, quotes taken off; *at moves behind it. */
static char *word(const char **at)
{
	struct buf out = {0};
	char quote = 0;

	buf_add(&out, "", 0);
	for (; **at && (quote || !strchr(" \t\r\n", **at)); (*at)++) {
		if (**at == quote)
			quote = 0;
		else if (!quote && (**at == '"' || **at == '\''))
			quote = **at;
		else if (**at == '\\' && quote != '\'' && (*at)[1])
			buf_add(&out, ++*at, 1);
		else
			buf_add(&out, *at, 1);
	}
	if (!quote)
		return buf_take(&out, NULL);
	buf_fini(&out);
	return NULL;
}

char **words_split(const char *text)
{
	char **out = xcalloc(1, sizeof(*out));
	size_t n = 0;

	for (;;) {
		text += strspn(text, " \t\r\n");
		if (!*text)
			return out;
		out = xrealloc(out, (n + 2) * sizeof(*out));
		out[n] = word(&text);
		if (!out[n]) {
			words_free(out);
			return NULL;
		}
		out[++n] = NULL;
	}
}

void words_free(char **words)
{
	for (char **w = words; w && *w; w++)
		free(*w);
	free(words);
}

static bool name_ok(const char *name, const char *more)
{
	static const char alnum[] = "abcdefghijklmnopqrstuvwxyz0123456789";
	size_t len = strlen(name), n = 0;

	if (!len || len > NAME_MAX_BYTES || !strchr(alnum, *name))
		return false;
	while (n < len && (strchr(alnum, name[n]) || strchr(more, name[n])))
		n++;
	return n == len;
}

/* conf_set, but the second value of a key is an error, not a replacement. */
static int set_once(const struct conf_key *keys, size_t n,
		    const struct conf_entry *e, void *into, unsigned *seen,
		    struct err *err)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(keys[i].section, e->section) &&
		    !strcmp(keys[i].key, e->key)) {
			if (*seen & 1u << i)
				return conf_error(e, err, "given twice");
			*seen |= 1u << i;
		}
	return conf_set(keys, n, e, into, err);
}

static struct draft_arg *arg_of(struct draft *d, const char *name)
{
	struct draft_arg *a;

	for (size_t i = 0; i < d->n_args; i++)
		if (!strcmp(d->args[i].a.name, name))
			return &d->args[i];
	d->args = xrealloc(d->args, (d->n_args + 1) * sizeof(*d->args));
	a = &d->args[d->n_args++];
	*a = (struct draft_arg){0};
	conf_defaults(arg_keys, ARRAY_LEN(arg_keys), a);
	a->a.name = xstrdup(name);
	return a;
}

static int take(const struct conf_entry *e, void *data, struct err *err)
{
	struct draft *d = data;
	struct draft_arg *a;

	/* its digest is of text: two that are none would be alike */
	if (e->value && !utf8_valid(e->value, strlen(e->value)))
		return conf_error(e, err, "this is not UTF-8");
	if (!e->sub)
		return set_once(tool_keys, ARRAY_LEN(tool_keys), e, d,
				&d->seen, err);
	if (strcmp(e->section, "arg"))
		return conf_error(e, err, "unknown section");
	if (!name_ok(e->sub, "_-"))
		return conf_error(e, err,
				  "an argument's name is made of a-z 0-9 _ -");
	a = arg_of(d, e->sub);
	return set_once(arg_keys, ARRAY_LEN(arg_keys), e, a, &a->seen, err);
}

static const char *arg_problem(const struct tool_arg *a)
{
	bool number = a->type == TOOL_INTEGER || a->type == TOOL_NUMBER;
	json_t *fallback, *values = arg_values(a);
	bool listed = json_array_size(values) > 0, good = true;

	json_decref(values);
	if ((a->type == TOOL_ENUM) != listed)
		return "values and type = enum belong together";
	if ((a->has_min || a->has_max) && !number)
		return "min and max are for integer and number";
	if (a->has_min && a->has_max && a->min > a->max)
		return "min is over max";
	if (a->secret && !number && a->type != TOOL_STRING)
		return "only a string or a number can be secret";
	if (a->max_length && a->type != TOOL_STRING)
		return "max-length is for string";
	if (!a->fallback)
		return NULL;
	if (a->secret)
		return "a secret cannot have a default";
	fallback = arg_fallback(a);
	good = fallback && !arg_check(a, fallback, NULL);
	json_decref(fallback);
	return good ? NULL : "the default is not what the argument takes";
}

static int finish_args(struct draft *d, struct err *err)
{
	d->t.args = xcalloc(d->n_args + 1, sizeof(*d->t.args));
	for (size_t i = 0; i < d->n_args; i++) {
		struct tool_arg *a = &d->t.args[i];
		const char *wrong;

		*a = d->args[i].a;
		d->args[i].a = (struct tool_arg){0};
		d->t.n_args++;
		a->has_min = d->args[i].seen & 1u << ROW_MIN;
		a->has_max = d->args[i].seen & 1u << ROW_MAX;
		wrong = arg_problem(a);
		if (wrong)
			return err_set(err, ERR_bad_config,
				       "%s: [arg \"%s\"]: %s", d->t.file,
				       a->name, wrong);
	}
	return 0;
}

static const struct tool_arg *arg_named(const struct tool *t,
					const char *name)
{
	for (size_t i = 0; i < t->n_args; i++)
		if (!strcmp(t->args[i].name, name))
			return &t->args[i];
	return NULL;
}

/* What is wrong with [stage], or NULL. */
static const char *stage_problem(const struct tool *t)
{
	const struct tool_stage *s = &t->stage;
	const struct tool_arg *a = s->argument ? arg_named(t, s->argument) :
						 NULL;
	json_t *value;
	bool good;

	if (!s->argument && !s->value && !s->promote && !s->result)
		return NULL;
	if (!s->argument || !s->value || !s->promote || !s->result)
		return "argument, value, promote and result belong together";
	if (t->level != LEVEL_EXTERNAL_PUBLISH)
		return "only an external_publish has two steps";
	if (!a || (a->type != TOOL_STRING && a->type != TOOL_ENUM) ||
	    a->secret)
		return "argument is no string or enum of this tool";
	value = json_lossy(s->value);
	good = !arg_check(a, value, NULL);
	json_decref(value);
	return good ? NULL : "value is not what the argument takes";
}

static int finish_stage(struct draft *d, struct err *err)
{
	const char *wrong = stage_problem(&d->t);

	return wrong ? err_set(err, ERR_bad_config, "%s: [stage]: %s",
			       d->t.file, wrong) : 0;
}

/*
 * A program is relative to the manifest. A bare name is looked for there as
 * well; one that is not there stays bare, for PATH.
 */
static char *program_path(const char *file, const char *program)
{
	char *copy, *out;

	if (*program == '/')
		return xstrdup(program);
	copy = xstrdup(file);
	out = xasprintf("%s/%s", dirname(copy), program);
	free(copy);
	if (strchr(program, '/') || !access(out, X_OK))
		return out;
	free(out);
	return xstrdup(program);
}

static int finish_command(struct draft *d, struct err *err)
{
	char *program;

	d->t.argv = words_split(d->command);
	if (!d->t.argv || !d->t.argv[0] || !*d->t.argv[0])
		return err_set(err, ERR_bad_config,
			       "%s: tool.command: %s", d->t.file,
			       d->t.argv ? "names no program" :
					   "a quote is not closed");
	program = program_path(d->t.file, d->t.argv[0]);
	free(d->t.argv[0]);
	d->t.argv[0] = program;
	return 0;
}

static int finish(struct draft *d, struct err *err)
{
	for (size_t i = 0; i < REQUIRED; i++)
		if (!(d->seen & 1u << i))
			return err_set(err, ERR_bad_config,
				       "%s: tool.%s is missing", d->t.file,
				       tool_keys[i].key);
	if (!name_ok(d->t.name, ".-"))
		return err_set(err, ERR_bad_config,
			       "%s: tool.name: made of a-z 0-9 . - and at most %d long",
			       d->t.file, NAME_MAX_BYTES);
	if (!d->t.reversibility)
		d->t.reversibility = reversibility_of_level(d->t.level);
	for (char *c = d->pass_env; c && *c; c++)
		if (*c == ',')
			*c = ' ';
	d->t.pass_env = words_split(d->pass_env ? d->pass_env : "");
	if (!d->t.pass_env)
		return err_set(err, ERR_bad_config,
			       "%s: tool.pass-env: a quote is not closed",
			       d->t.file);
	return finish_command(d, err) || finish_args(d, err) ||
	       finish_stage(d, err) ? -1 : 0;
}

static void arg_free(struct tool_arg *a)
{
	free(a->name);
	free(a->summary);
	free(a->values);
	free(a->fallback);
}

static void tool_fini(struct tool *t)
{
	for (size_t i = 0; i < t->n_args; i++)
		arg_free(&t->args[i]);
	free(t->args);
	free(t->name);
	free(t->summary);
	free(t->file);
	free(t->config);
	free(t->stage.argument);
	free(t->stage.value);
	free(t->stage.promote);
	free(t->stage.result);
	words_free(t->argv);
	words_free(t->pass_env);
}

void tool_free(struct tool *t)
{
	if (t)
		tool_fini(t);
	free(t);
}

struct tool *manifest_read(const char *path, struct err *err)
{
	struct draft d = {.t.file = xstrdup(path)};
	struct tool *out = NULL;

	conf_defaults(tool_keys, ARRAY_LEN(tool_keys), &d);
	if (!conf_read(path, take, &d, err) && !finish(&d, err)) {
		out = xmalloc(sizeof(*out));
		*out = d.t;
	} else {
		tool_fini(&d.t);
	}
	for (size_t i = 0; i < d.n_args; i++)
		arg_free(&d.args[i].a);
	free(d.args);
	free(d.command);
	free(d.pass_env);
	return out;
}
