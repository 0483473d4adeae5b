/* What the journal says was taken in, and history has not come to yet. */
#pragma once
#include <stdint.h>

struct core;

/*
 * The newest ssot_merged record of this commit (40 hex) among those that are
 * not in history; 0: there is none, or nobody knows. Waits for the index.
 * Thread ssot.
 */
uint64_t taken_seq(struct core *k, const char *commit);
