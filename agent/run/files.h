/* The files that a run's arguments name: by path, or out of evidence. */
#pragma once
#include <jansson.h>

struct err;
struct run;

/*
 * Copy them, hashed while copied, to DIR/in/ARG/NAME (0400); fills r->files
 * and r->given. Gives up with ERR_cancelled once r is cancelled. Else
 * ERR_invalid_args, ERR_unknown_evidence, ERR_evidence_corrupt, ERR_io.
 */
int files_take(struct run *r, struct err *err);
