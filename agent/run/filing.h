/* What a run leaves, put into evidence. */
#pragma once
#include <jansson.h>

#include "common/err.h"

struct run;
struct run_report;

struct filed {
	json_t *artifacts;	/* as in struct run_report */
	char *last_words;	/* the end of stderr, secrets cut; or NULL */
	struct err err;		/* what could not be stored, if anything */
};

/*
 * Store the artifacts that the tool declared, and log.txt where it printed
 * anything else. A declared artifact that is no regular file in the folder
 * is said_wrong where the tool reported a result.
 */
void filing_store(struct run *r, struct filed *f);
/* What a tool read back when asked to reconcile, as one more artifact. */
int filing_read_back(struct run *r, struct run_report *end, struct err *err);
/* The evidence package of a run that ended: into end, and into evidence. */
int filing_package(struct run *r, struct run_report *end, struct err *err);
