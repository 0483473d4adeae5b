/* agent.conf as a struct; what exists is in settings.def, with its help. */
#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "agent/store/settings_witness.h"
#include "common/sha256.h"

struct err;

enum rule { RULE_ALLOW, RULE_APPROVE, RULE_DENY };	/* ascending */

enum ssot_mode { SSOT_MIRROR, SSOT_SHARED };

struct policy {			/* [policy] and [policy "TOOL"] */
	char *tool;		/* NULL: all tools */
	int local_write, external_publish;	/* enum rule */
	int64_t approvals_required, approval_ttl, grace;
};

struct retention {		/* [retention "PATTERN"]; 0: no limit */
	char *pattern;		/* of media types, as for fnmatch */
	int64_t max_age, max_size;
};

struct settings {
	char *file;		/* absolute, whether it exists or not */
	char *name, *listen;
	char *hosts;		/* separated by spaces; never NULL */
	char *tools_dir;	/* or NULL */
	int log_debug;		/* 0 or 1 */
	int64_t max_runs, max_body, max_upload;
	int64_t lease;		/* us, as all times here */
	char *ssot_remote;	/* NULL or "": none. Nothing secret in it */
	int ssot_mode;		/* enum ssot_mode */
	char *ssot_token_file, *ssot_key_file, *ssot_known_hosts; /* or NULL */
	char *ssot_user;
	int64_t ssot_interval, ssot_timeout;
	int64_t ssot_repack;	/* bytes */
	char *stamp_url, *stamp_ca, *stamp_policy;	/* or NULL */
	int64_t stamp_every, stamp_timeout;
	struct witness_conf *witnesses;
	size_t n_witnesses;
	int64_t segment_size;	/* bytes */
	int64_t checkpoint_records, checkpoint_interval;
	struct policy policy;
	struct policy *tool_policies;	/* per tool; whole, merged */
	size_t n_tool_policies;
	int64_t retention_every;
	struct retention *retentions;	/* in the order of the file */
	size_t n_retentions;
	char policy_sha256[SHA256_HEX];	/* of all of it, canonical */
	json_t *sections;	/* {"youtube": {"key": "value"}}: for tools;
				   each that exists, with its defaults */
};

/*
 * Read file; a missing one gives the defaults. On -1 *s needs no fini.
 * ERR_bad_config names file, line and key; ERR_io if it cannot be read or
 * everybody may write it.
 */
int settings_read(struct settings *s, const char *file, struct err *err);
void settings_fini(struct settings *s);
/* The policy for one tool: its own section over the general one. */
const struct policy *settings_policy(const struct settings *s,
				     const char *tool);
/*
 * Every key with its default and one line of help, in the syntax of the file
 * itself, all of it as comments.
 */
void settings_list(FILE *out);
