/* See filter.h. */
#include "agent/net/filter.h"

#include <stdlib.h>
#include <string.h>

#include "agent/store/record.h"
#include "common/mem.h"
#include "common/words.h"

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

bool filter_requests(const struct filter *f)
{
	return f->types && words_index(f->types, ',', "request") >= 0;
}

bool filter_wants(const struct filter *f, const struct record *r)
{
	if (f->task_id && (!r->task_id || strcmp(f->task_id, r->task_id)))
		return false;
	if (f->types)
		return words_index(f->types, ',', r->type) >= 0;
	return strcmp(r->type, "request") != 0;
}
