/*
 * What went wrong, in one row per code: status, wire string and the hint that
 * a person reads live in err.def and nowhere else. Errors are values: a
 * function returns -1 and fills the struct err that it was given last.
 */
#pragma once
#include <jansson.h>
#include <stdbool.h>

enum err_code {
	ERR_none,
#define ERR(code, status, retry, title, hint) ERR_##code,
#include "common/err.def"
#undef ERR
	ERR_count
};

struct err_row {
	const char *code;	/* wire string, snake_case */
	int status;		/* HTTP */
	bool retryable;
	const char *title;
	const char *hint;
};

/* Zeroed memory is "no error". */
struct err {
	enum err_code code;
	char detail[480];
	char hint[320];		/* empty: the row's */
	json_t *members;	/* owned; extra members of the problem object */
};

const struct err_row *err_row(enum err_code code);

/* Fill *err (which may be NULL) and return -1, so `return err_set(...)`. */
int err_set(struct err *err, enum err_code code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* The same with strerror(errno) behind the text. */
int err_sys(struct err *err, enum err_code code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* Replace the row's hint. Returns -1. */
int err_hint(struct err *err, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* Add a member to the problem object; takes value's reference. Returns -1. */
int err_member(struct err *err, const char *name, json_t *value);
const char *err_hint_of(const struct err *err);
void err_fini(struct err *err);

/*
 * The problem object of RFC 9457 with error_code, remediation_hint,
 * retryable and correlation_id. Returns a new reference.
 */
json_t *err_problem(const struct err *err, const char *correlation_id);
