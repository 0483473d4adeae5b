/*
 * One archive of evidence: files, records, their proofs, what signs them and
 * a script that verifies all of it on another machine.
 */
#pragma once
#include <jansson.h>
#include <stddef.h>

#include "agent/store/index.h"
#include "agent/store/note.h"
#include "agent/store/tar.h"
#include "common/buf.h"

struct agent;
struct err;

struct archive {
	struct agent *agent;
	struct tar tar;			/* fd is set by archive_begin */
	char folder[200];		/* that everything in it is in */
	const struct record_place *records;	/* by seq */
	size_t n_records;
	const json_t *artifacts;	/* documents */
	uint64_t size;			/* of the checkpoint */
	struct buf checkpoint;		/* the whole note */
	struct note_signer *signer;
	json_t *manifest;		/* with "missing" from the start */
};

/*
 * Write it all; what is missing or changed is named in the manifest and left
 * out. ERR_io, ERR_overloaded (the tree is being mended).
 */
int archive_write(struct archive *x, struct err *err);
/* Add to manifest.missing; more (taken over, or NULL) are other members. */
void archive_miss(struct archive *x, const char *what, const char *id,
		  const char *how, json_t *more);
/* verify.sh, as it is in every archive. */
extern const char archive_script[], archive_script_end[];
