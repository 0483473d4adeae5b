/*
 * The operator's policy: [policy], [policy "TOOL"] and [policy-args "TOOL"]
 * of agent.conf, compiled into a table that never changes after, with the
 * line that set each value. One that is in use stays as it was when the file
 * is read again.
 */
#pragma once
#include <jansson.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "common/sha256.h"

struct err;

enum rule { RULE_ALLOW, RULE_APPROVE, RULE_DENY };	/* ascending */

/* The rows of settings.def: POLICY_KEY_grace ... */
enum policy_key {
#define SET(...)
#define RETENTION(...)
#define TOOL(...)
#define POLICY(key_, field, ...) POLICY_KEY_##field,
#include "agent/store/settings.def"
#undef SET
#undef RETENTION
#undef TOOL
#undef POLICY
	POLICY_KEYS
};

/* Where a value comes from; line 0: it is the default. */
struct policy_from {
	int line;
	bool own;		/* said for this tool, not for all */
	const char *as;		/* the key of another section, or NULL */
	char *text;		/* as written; owned */
};

/* [policy-args "TOOL"]: what one argument may be. */
struct policy_arg {
	char *name;		/* of the key: lower case, _ written - */
	char *words;		/* parted by one space; never empty */
	int line;
};

struct policy_hours { int from, to; };	/* minutes of the day, to exclusive */
#define POLICY_HOURS_MAX 8

struct policy {
	char *tool;		/* NULL: all tools */
	int read_only, local_write, external_publish;	/* enum rule */
	int64_t approvals_required;
	int64_t approval_ttl, grace;		/* us */
	bool signed_decisions;
	char *allowed_signers;	/* a path; NULL or "": none */
	bool reminders, stage;
	int64_t max_per_minute, max_per_day, max_size;	/* 0: no limit */
	char *quiet_hours, *actors, *channels;	/* words; never NULL */
	struct policy_hours hours[POLICY_HOURS_MAX];
	size_t n_hours;
	struct policy_arg *args;		/* sorted by name */
	size_t n_args;
	struct policy_from from[POLICY_KEYS];
};

struct policy_table {		/* immutable, counted */
	atomic_int refs;
	char *file;		/* absolute, whether it exists or not */
	char file_sha256[SHA256_HEX];	/* of its bytes; empty: no file */
	char sha256[SHA256_HEX];	/* of all that counts, canonical */
	size_t rules;		/* lines that say something */
	struct policy all;
	struct policy *tools;	/* whole, merged; sorted by name */
	size_t n_tools;
};

/*
 * Compile the policy of a file; without the file all is default. Other
 * sections are not looked at. ERR_bad_config names file, line and key; ERR_io.
 */
int policy_read(struct policy_table **out, const char *file, struct err *err);
struct policy_table *policy_ref(struct policy_table *t);
void policy_unref(struct policy_table *t);

/* What counts for this tool: its own section over the general one. */
const struct policy *policy_for(const struct policy_table *t,
				const char *tool);
/* What is said of this argument of the tool, or NULL: anything goes. */
const struct policy_arg *policy_arg_for(const struct policy *p,
					const char *arg);
/* Is minute (of the day) in one of its quiet hours? */
bool policy_quiet(const struct policy *p, int minute);
/*
 * The line that decided, as text: "agent.conf:12 policy.x.grace = 1s", or
 * "default policy.grace = 10s". Caller frees.
 */
char *policy_line(const struct policy_table *t, const struct policy *p,
		  enum policy_key key);
char *policy_arg_line(const struct policy_table *t, const struct policy *p,
		      const struct policy_arg *arg);
const char *policy_key_name(enum policy_key key);
/* Every key with its default and help, as settings_list() has it. */
void policy_list(FILE *out);
