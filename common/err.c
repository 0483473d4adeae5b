/* See err.h: the rows, and the problem object that every transport sends. */
#include "common/err.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/json.h"

static const struct err_row rows[ERR_count] = {
	[ERR_none] = {"ok", 200, false, "OK", ""},
#define ERR(code, status, retry, title, hint) \
	[ERR_##code] = {#code, status, retry, title, hint},
#include "common/err.def"
#undef ERR
};

const struct err_row *err_row(enum err_code code)
{
	return &rows[code < ERR_count ? code : ERR_internal];
}

static void fill(struct err *err, enum err_code code, const char *fmt,
		 va_list ap)
{
	err_fini(err);
	err->code = code;
	vsnprintf(err->detail, sizeof(err->detail), fmt, ap);
}

int err_set(struct err *err, enum err_code code, const char *fmt, ...)
{
	va_list ap;

	if (!err)
		return -1;
	va_start(ap, fmt);
	fill(err, code, fmt, ap);
	va_end(ap);
	return -1;
}

int err_sys(struct err *err, enum err_code code, const char *fmt, ...)
{
	int saved = errno;
	va_list ap;
	size_t len;

	if (!err)
		return -1;
	va_start(ap, fmt);
	fill(err, code, fmt, ap);
	va_end(ap);
	len = strlen(err->detail);
	snprintf(err->detail + len, sizeof(err->detail) - len, ": %s",
		 strerror(saved));
	return -1;
}

int err_hint(struct err *err, const char *fmt, ...)
{
	va_list ap;

	if (!err)
		return -1;
	va_start(ap, fmt);
	vsnprintf(err->hint, sizeof(err->hint), fmt, ap);
	va_end(ap);
	return -1;
}

int err_member(struct err *err, const char *name, json_t *value)
{
	if (!err) {
		json_decref(value);
		return -1;
	}
	if (!err->members)
		err->members = json_object();
	json_object_set_new(err->members, name, value);
	return -1;
}

const char *err_hint_of(const struct err *err)
{
	return *err->hint ? err->hint : err_row(err->code)->hint;
}

void err_fini(struct err *err)
{
	if (!err)
		return;
	json_decref(err->members);
	*err = (struct err){0};
}

json_t *err_problem(const struct err *err, const char *correlation_id)
{
	const struct err_row *row = err_row(err->code);
	json_t *p = json_object();
	char type[96];

	snprintf(type, sizeof(type), "urn:kircerta:error:%s", row->code);
	json_object_set_new(p, "type", json_string(type));
	json_object_set_new(p, "title", json_string(row->title));
	json_object_set_new(p, "status", json_integer(row->status));
	json_object_set_new(p, "detail",
			    json_lossy(*err->detail ? err->detail :
						row->title));
	json_object_set_new(p, "error_code", json_string(row->code));
	json_object_set_new(p, "remediation_hint",
			    json_lossy(err_hint_of(err)));
	json_object_set_new(p, "retryable", json_boolean(row->retryable));
	if (correlation_id)
		json_object_set_new(p, "correlation_id",
				    json_string(correlation_id));
	if (err->members)
		json_object_update_missing(p, err->members);
	return p;
}
