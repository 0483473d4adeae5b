/*
 * What a commit of somebody else changed, checked on the thread that found
 * it, then decided document by document on the writer: taken, or a clash.
 */
#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/store/ssot_diff.h"

struct agent;
struct err;

#define INTAKE_MAX 50000		/* documents */
#define INTAKE_BYTES ((size_t)64 << 20)	/* of their texts */

struct intake_doc {
	char path[SSOT_PATH];
	const char *kind;
	json_t *doc;
	char base[41];		/* canonical blob id before; "": it is new */
	char sha[41];		/* canonical blob id of doc */
	bool canonical;		/* the file has exactly these bytes */
	json_t *changed;	/* names of members, or NULL */
	json_t *was;		/* what was in them: a person's edit only */
	bool passed;		/* ours goes on from it */
	bool joins;		/* its correlation id is in use */
};

struct intake {
	const char *from;	/* "main" or "remote" */
	bool peer;		/* an agent's, or a person's */
	bool theirs;		/* who wins a clash */
	bool keep_ours;		/* nothing is taken but their history */
	char commit[41], base[41];	/* base: "" if they have none */
	char by[130];		/* the commit's author */
	char correlation_id[129];
	size_t commits;		/* in commit and not in base */
	struct intake_doc *docs;
	size_t n, room, bytes;
	uint64_t seq;		/* of ssot_merged; the writer's answer */
};

struct intake *intake_new(void);
void intake_free(void *intake);
/*
 * Check a changed file and add its document. Files elsewhere are let through.
 * ERR_overloaded: too much for one call; else what is wrong with the file.
 */
int intake_add(struct intake *in, const struct ssot_change *f,
	       struct err *err);
/*
 * The newest intake from "main" or "remote": {"state","commit","base","from",
 * "strategy","seq"}. Its state is "open" if a crash cut it off. NULL: there
 * was none. Writer.
 */
const json_t *intake_last(struct agent *a, const char *from);
