/* See route.h. A literal segment wins over a {name}. */
#include "agent/net/route.h"

#include <string.h>

#include "agent/ops/op.h"
#include "common/buf.h"
#include "common/mem.h"

/* How well does path fit the route? -1: not; else its literal segments. */
static int fits(const char *route, const char *path)
{
	int literal = 0;

	while (*route && *path) {
		size_t r = strcspn(route + 1, "/"), p = strcspn(path + 1, "/");

		if (route[1] == '{') {
			if (!p)
				return -1;
		} else if (r != p || strncmp(route + 1, path + 1, r)) {
			return -1;
		} else {
			literal++;
		}
		route += r + 1;
		path += p + 1;
	}
	return *route || *path ? -1 : literal;
}

static void take_names(struct call *c, const char *route, const char *path)
{
	while (*route && *path) {
		size_t r = strcspn(route + 1, "/"), p = strcspn(path + 1, "/");

		if (route[1] == '{') {
			char *name = xstrndup(route + 2, r - 2);
			char *value = xstrndup(path + 1, p);

			call_param_add(c, name, value);
			free(name);
			free(value);
		}
		route += r + 1;
		path += p + 1;
	}
}

static int best_fit(const char *path)
{
	int best = -1;

	for (size_t i = 0; i < ops_count; i++) {
		int fit = ops[i].route ? fits(ops[i].route, path) : -1;

		if (fit > best)
			best = fit;
	}
	return best;
}

static char *allowed(const char *path, int best)
{
	struct buf b = {0};

	for (size_t i = 0; i < ops_count; i++) {
		if (!ops[i].route || fits(ops[i].route, path) != best)
			continue;
		buf_addf(&b, "%s, ", ops[i].method);
		if (!strcmp(ops[i].method, "GET"))
			buf_adds(&b, "HEAD, ");
	}
	buf_adds(&b, "OPTIONS");
	return buf_take(&b, NULL);
}

static const struct op *refuse(struct call *c, const char *method,
			       const char *path, int best)
{
	c->allow = allowed(path, best);
	if (!strcmp(method, "OPTIONS"))
		c->status = 204;
	else
		err_set(&c->err, ERR_method_not_allowed,
			"%s is not for this path; it takes %s", method,
			c->allow);
	return NULL;
}

const struct op *route_find(struct call *c, const char *method,
			    const char *path)
{
	const char *as = strcmp(method, "HEAD") ? method : "GET";
	int best = best_fit(path);

	if (best < 0) {
		err_set(&c->err, ERR_not_found, "nothing is at this path");
		return NULL;
	}
	for (size_t i = 0; i < ops_count; i++) {
		const struct op *op = &ops[i];

		if (op->route && !strcmp(op->method, as) &&
		    fits(op->route, path) == best) {
			take_names(c, op->route, path);
			return op;
		}
	}
	return refuse(c, method, path, best);
}
