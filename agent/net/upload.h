/*
 * A file on its way in: from the socket to the evidence store's disk by a
 * worker, one piece at a time; while two pieces wait, nothing is read.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "agent/net/server.h"

struct evidence_file;
struct peer;

/* -1: whoever asks may not; the gate will say why. */
int upload_begin(struct peer *p);
void upload_data(struct peer *p, const void *data, size_t len);
/* All is here: once it is on disk, the call is submitted. */
void upload_end(struct peer *p);
/* Has enough come since the last time this was asked? */
bool upload_goes_on(struct peer *p);
/* Nobody wants it any more; the bytes go away. */
void upload_abort(struct peer *p);
/* Throw a file away on a worker; NULL is fine. */
void upload_discard(struct net *n, struct evidence_file *file);
