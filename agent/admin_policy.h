/* `kircerta-agent policy`: its two halves, for who has read the files. */
#pragma once
#include <stdbool.h>

#include "agent/store/home.h"
#include "agent/store/settings.h"

struct policy_table;
struct tools;

struct policy_files {		/* what both look at */
	struct home home;
	struct settings settings;
	struct policy_table *table;
	struct tools *tools;
};

struct explain {		/* the call that is asked about; or NULL */
	const char *tool, *args, *actor, *level, *mode, *at;
	bool as_json;
};

/* The exit status. */
int policy_explain(const struct policy_files *f, const struct explain *x);
int policy_show(const struct policy_table *t, bool as_json);
/* Say what in the policy cannot be meant for these tools; rows of check. */
int policy_check(const struct policy_table *t, const struct tools *tools,
		 void (*say)(const char *what, const char *hint));
