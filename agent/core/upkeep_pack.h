/* What stock git does to the packs of the repository, in a child. */
#pragma once
#include <stddef.h>

#include "agent/core/upkeep_plan.h"

struct err;

struct upkeep_where {
	char *path;		/* the repository */
	char *folder;		/* its objects/pack */
	int stop_fd;		/* ends a git that is at work when readable */
};

/*
 * Write one pack, durable, of these and for PLAN_NEW of the loose objects as
 * well; its name. -1: it could not be made, or lacks an object of theirs.
 */
int upkeep_pack(const struct upkeep_where *w, const struct pack_facts *list,
		size_t n, enum plan plan, char name[PACK_NAME],
		struct err *err);
/* When the old ones are gone: loose objects that are packed, an index. */
int upkeep_finish(const struct upkeep_where *w, enum plan plan,
		  struct err *err);
