/*
 * The bytes of one record: what is written and what is accepted, side by
 * side. Compact JSON with the members in one order and nothing optional, so
 * that it is read without a parser and a byte that differs stands out.
 */
#pragma once
#include <stdint.h>

#include "common/json_span.h"
#include "agent/store/record.h"

struct buf;
struct err;

/* Between "ts" and "data", in this order; names are those of struct entry. */
#define LINE_FIELDS(TEXT, NUMBER)					\
	TEXT(type) TEXT(actor) TEXT(scope) TEXT(transport)		\
	TEXT(method) TEXT(route) NUMBER(status)				\
	TEXT(correlation_id) TEXT(task_id) TEXT(run_id)

#define LINE_ENUM(name) LINE_##name,
enum line_field { LINE_FIELDS(LINE_ENUM, LINE_ENUM) LINE_COUNT };
#undef LINE_ENUM

struct line {			/* points into the bytes it was made of */
	uint64_t seq;
	int64_t ts_us;
	int status;
	struct span field[LINE_COUNT];	/* as written: "..." or null */
	struct span data;		/* {...}, not looked into */
	uint8_t prev[SHA256_RAW];
};

/* Append the line to b. */
void line_render(struct buf *b, const struct entry *e, uint64_t seq,
		 int64_t ts_us, const uint8_t prev[SHA256_RAW]);
/* Take a line apart. 0, or -1 and ERR_invalid_json. */
int line_scan(struct span text, struct line *line, struct err *err);
