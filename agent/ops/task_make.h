/*
 * A new task of its parts: what task.create is given, by whoever it is.
 * Writer only, unless said.
 */
#pragma once
#include <jansson.h>

struct call;
struct err;

/*
 * The document of a new task, pending at attempt 1, of parts as task.create
 * takes them; what is not among them has its default. Without an id it gets
 * one, which the call keeps (made_id). Created by who the call is from.
 */
json_t *task_make(struct call *c, const json_t *parts);
