/* See filter.h. */
#include "agent/net/filter.h"

#include <stdlib.h>
#include <string.h>

#include "agent/store/record.h"
#include "common/mem.h"

void filter_init(struct filter *f, const char *types, const char *task_id)
{
	f->types = types && *types ? xstrdup(types) : NULL;
	f->task_id = task_id && *task_id ? xstrdup(task_id) : NULL;
}

void filter_fini(struct filter *f)
{
	xfree(f->types);
	xfree(f->task_id);
}

static bool has_type(const char *types, const char *type)
{
	size_t len = strlen(type);

	while (*types) {
		size_t n = strcspn(types, ",");

		if (n == len && !strncmp(types, type, n))
			return true;
		types += n + (types[n] == ',');
	}
	return false;
}

bool filter_requests(const struct filter *f)
{
	return f->types && has_type(f->types, "request");
}

bool filter_wants(const struct filter *f, const struct record *r)
{
	if (f->task_id && (!r->task_id || strcmp(f->task_id, r->task_id)))
		return false;
	if (f->types)
		return has_type(f->types, r->type);
	return strcmp(r->type, "request") != 0;
}
