/* One argument of a tool: its type, its default, its check. */
#pragma once
#include <jansson.h>

#include "agent/run/tool.h"

struct err;

const char *arg_type_name(int type);		/* enum arg_type */
/* What values lists, as an array of strings. New reference. */
json_t *arg_values(const struct tool_arg *a);
/* The default as a value of the arg's type; NULL if it is none. New. */
json_t *arg_fallback(const struct tool_arg *a);
/* ERR_invalid_args naming the argument and what it has to be. */
int arg_check(const struct tool_arg *a, const json_t *value, struct err *err);
