/*
 * The tree over the lines read so far, with a memory: its root now and at
 * any of its last sizes. And what the agent's own files of the tree have, as
 * a witness for the single record.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "common/sha256.h"

struct past;

#define PAST_MEMORY 16384	/* how far back a root may be asked for */

/* leaves: the file with all leaf hashes; it may be missing. */
struct past *past_new(const char *leaves);
void past_free(struct past *p);			/* NULL is fine */
void past_add(struct past *p, const uint8_t leaf[SHA256_RAW]);
uint64_t past_size(const struct past *p);
/* False if that is too long ago, or was not reached yet. */
bool past_root(const struct past *p, uint64_t size, uint8_t root[SHA256_RAW]);

struct past_witness {
	uint64_t known;		/* leaves in the file when it was opened */
	uint64_t differs;	/* first record that it has otherwise; or 0 */
};
struct past_witness past_witness(const struct past *p);
