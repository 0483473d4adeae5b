/* Which operation a method and a path mean, out of the table ops[]. */
#pragma once

struct buf;
struct call;
struct op;

/*
 * The row for method and path, HEAD being GET; the path's {names} become
 * params of c. NULL with c->err not_found or method_not_allowed (and
 * c->allow), or, for OPTIONS, with status 204 and c->allow.
 */
const struct op *route_find(struct call *c, const char *method,
			    const char *path);
