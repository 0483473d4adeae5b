/* Which records a subscriber wants. */
#pragma once
#include <stdbool.h>

struct record;

struct filter {
	char *types;		/* comma separated; NULL: all but request */
	char *task_id;		/* NULL: any */
};

void filter_init(struct filter *f, const char *types, const char *task_id);
void filter_fini(struct filter *f);
bool filter_wants(const struct filter *f, const struct record *r);
/* Are request records among the types? */
bool filter_requests(const struct filter *f);
