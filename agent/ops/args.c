/*
 * Arguments against an operation's table: one check for path, query, body
 * and websocket params, so that a member that is not in the table cannot be
 * smuggled in by another transport.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/ops/op.h"
#include "agent/store/index.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/id.h"
#include "common/json.h"
#include "common/sha256.h"
#include "common/words.h"

const struct arg *op_arg(const struct op *op, const char *name)
{
	for (const struct arg *a = op->args; a->name; a++)
		if (!strcmp(a->name, name))
			return a;
	return NULL;
}

static int wrong(const struct arg *a, struct err *err, const char *what)
{
	return err_set(err, ERR_invalid_request, "%s: %s", a->name, what);
}

/* A path or query parameter is text; the table says what it should be. */
static json_t *from_text(const struct arg *a, const char *text)
{
	char *end;
	long long n;

	if (a->kind == ARG_INT) {
		n = strtoll(text, &end, 10);
		return *text && !*end ? json_integer(n) : json_string(text);
	}
	if (a->kind == ARG_BOOL && !strcmp(text, "true"))
		return json_true();
	if (a->kind == ARG_BOOL && !strcmp(text, "false"))
		return json_false();
	return json_string(text);
}

static int add_params(struct call *c, json_t *args, struct err *err)
{
	for (size_t i = 0; i < c->n_params; i++) {
		const struct call_param *p = &c->params[i];
		const struct arg *a = op_arg(c->op, p->name);
		json_t *v;

		if (!a)
			return err_set(err, ERR_invalid_request,
				       "%s: no such parameter", p->name);
		if (json_object_get(args, p->name))
			return wrong(a, err, "given twice");
		v = from_text(a, p->value);
		if (!v)
			return wrong(a, err, "not UTF-8");
		json_object_set_new(args, p->name, v);
	}
	return 0;
}

static int check_text(const struct arg *a, const json_t *v, struct err *err)
{
	size_t len = json_string_length(v);
	char what[80];

	if (!json_is_string(v))
		return wrong(a, err, "must be a string");
	if ((int64_t)len < a->min || (a->max && (int64_t)len > a->max)) {
		snprintf(what, sizeof(what), "must have %lld to %lld bytes",
			 (long long)a->min, (long long)a->max);
		return wrong(a, err, what);
	}
	return 0;
}

static int check_int(const struct arg *a, const json_t *v, struct err *err)
{
	json_int_t n = json_integer_value(v);
	char what[96];

	if (json_is_integer(v) && n >= a->min && n <= a->max)
		return 0;
	snprintf(what, sizeof(what), "must be a whole number from %lld to %lld",
		 (long long)a->min, (long long)a->max);
	return wrong(a, err, what);
}

static int check_number(const struct arg *a, const json_t *v, struct err *err)
{
	double n = json_number_value(v);
	char what[96];

	if (json_is_number(v) && n >= (double)a->min && n <= (double)a->max)
		return 0;
	snprintf(what, sizeof(what), "must be a number from %lld to %lld",
		 (long long)a->min, (long long)a->max);
	return wrong(a, err, what);
}

static int check_enum(const struct arg *a, const json_t *v, struct err *err)
{
	char what[160];

	if (json_is_string(v) && words_index(a->of, '|', json_string_value(v)) >= 0)
		return 0;
	snprintf(what, sizeof(what), "must be one of %s", a->of);
	return wrong(a, err, what);
}

static int check_time(const struct arg *a, const json_t *v, struct err *err)
{
	int64_t us;

	if (json_is_string(v) &&
	    clock_parse(json_string_value(v), clock_wall_us(), &us))
		return 0;
	return wrong(a, err, "must be an RFC 3339 time, or 2h, 7d and so on");
}

/*
 * A change is looked up by the writer, where the truth is, so all that is
 * asked here is whether the id is complete: a made one is, and one that some
 * document has, however old the index's word of it.
 */
static bool is_whole(struct call *c, const struct arg *a, const char *text)
{
	if (c->op->effect == EFFECT_READ)
		return false;
	return (strlen(text) == ID_MADE - 1 && text[1] == '-') ||
	       reader_has(c->reader, a->of, text);
}

static int check_id(struct agent *g, struct call *c, const struct arg *a,
		    const json_t *v, json_t *args, struct err *err)
{
	const char *text = json_string_value(v);
	char id[ID_MAX + 1];

	if (!text || !id_valid(text))
		return wrong(a, err, "is not an id");
	if (is_whole(c, a, text))
		return 0;
	if (g->read_wait(g->core, false, err))
		return -1;
	if (reader_has(c->reader, a->of, text))
		return 0;
	if (reader_resolve(c->reader, a->of, text, id, err))
		return -1;
	json_object_set_new(args, a->name, json_string(id));
	return 0;
}

int op_arg_check(const struct arg *a, const json_t *v, struct err *err)
{
	if (json_is_null(v) && a->flags & ARG_NULL)
		return 0;
	switch (a->kind) {
	case ARG_TEXT:
		return check_text(a, v, err);
	case ARG_ID:
	case ARG_NAME:
		return json_is_string(v) && id_valid(json_string_value(v)) ?
			0 : wrong(a, err, "is not an id");
	case ARG_SHA256:
		return is_hex(json_string_value(v), 64) ? 0 :
			wrong(a, err, "must be 64 lower-case hex digits");
	case ARG_SHA1:
		return is_hex(json_string_value(v), 40) ? 0 :
			wrong(a, err, "must be 40 lower-case hex digits");
	case ARG_INT:
		return check_int(a, v, err);
	case ARG_NUMBER:
		return check_number(a, v, err);
	case ARG_BOOL:
		return json_is_boolean(v) ? 0 :
			wrong(a, err, "must be true or false");
	case ARG_TIME:
		return check_time(a, v, err);
	case ARG_ENUM:
		return check_enum(a, v, err);
	case ARG_OBJECT:
		return json_is_object(v) ? 0 : wrong(a, err,
						     "must be an object");
	case ARG_ARRAY:
		return json_is_array(v) && (!a->max ||
			json_array_size(v) <= (size_t)a->max) ? 0 :
			wrong(a, err, "must be an array, not too long");
	}
	return -1;
}

static int check_admin(const struct call *c, const struct arg *a,
		       struct err *err)
{
	if (a->flags & ARG_NEVER)
		return err_set(err, ERR_admin_field,
			       "%s is never written directly", a->name);
	if (a->flags & ARG_ADMIN && !(c->who.scopes & SCOPE_ADMIN))
		return err_set(err, ERR_admin_field, "%s is for admins only",
			       a->name);
	return 0;
}

int token_refused(const char *where, struct err *err)
{
	err_set(err, ERR_invalid_request, "%.100s: has a token in it", where);
	return err_hint(err, "Send tokens in the Authorization header alone; "
			"what is said elsewhere is recorded. Revoke one that "
			"was sent to anybody else.");
}

/* The body as an object; a call without one has no members. */
static json_t *body_object(struct call *c, struct err *err)
{
	if (!c->body_len || c->op->flags & (OP_RAW | OP_HOOK))
		return json_object();
	return json_parse(c->body, c->body_len, err);
}

/*
 * What is said here is recorded, all but the arguments of a tool that are
 * secret: those that are not are looked at when it is known which.
 */
static int check_tokens(const struct call *c, const json_t *args,
			struct err *err)
{
	bool tool = c->op->effect == EFFECT_TOOL;
	const char *key;
	json_t *v;

	json_object_foreach ((json_t *)args, key, v)
		if (token_in(key) || (!(tool && !strcmp(key, "args")) &&
				      token_in_json(v)))
			return token_refused(key, err);
	return 0;
}

static int check_all(struct agent *a, struct call *c, json_t *args,
		     struct err *err)
{
	const char *key;
	json_t *v;
	void *next;

	if (check_tokens(c, args, err))
		return -1;
	json_object_foreach (args, key, v)
		if (!op_arg(c->op, key))
			return err_set(err, ERR_invalid_request,
				       "%.100s: no such member", key);
	for (const struct arg *g = c->op->args; g->name; g++) {
		v = json_object_get(args, g->name);
		if (!v && g->flags & ARG_REQUIRED)
			return wrong(g, err, "is required");
		if (v && check_admin(c, g, err))
			return -1;
	}
	json_object_foreach_safe (args, next, key, v) {
		const struct arg *g = op_arg(c->op, key);

		if (g->kind == ARG_ID && !json_is_null(v) ?
		    check_id(a, c, g, v, args, err) : op_arg_check(g, v, err))
			return -1;
	}
	return 0;
}

int args_check(struct agent *a, struct call *c, json_t *object,
	       struct err *err)
{
	json_t *args = object ? json_copy(object) : body_object(c, err);

	if (!args)
		return -1;
	if (add_params(c, args, err) || check_all(a, c, args, err)) {
		json_decref(args);
		return -1;
	}
	c->args = args;
	return 0;
}
