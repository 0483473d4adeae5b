/*
 * The line of commits that follows from the journal: each record in turn
 * makes a commit, takes others' commits in, or leaves it as it is. Everything
 * follows from the records and from the commits they name, so that the same
 * records make the same line again.
 */
#pragma once
#include <stdbool.h>

#include "agent/store/ssot_survey.h"

struct chain;
struct err;
struct pack;
struct record;
struct ssot_repo;

/* repo is borrowed. log_id may be "": learnt from record 1. */
struct chain *chain_new(struct ssot_repo *repo, const char *log_id,
			bool remote);
void chain_free(struct chain *c);
/*
 * Go on behind this point; what was made and not written is forgotten. The
 * records since are given again from any that is no younger than the first
 * that was given after chain_written.
 */
void chain_reset(struct chain *c, const struct ssot_point *at);
/* The next record. -1: the end is as it was; reset before going on. */
int chain_add(struct chain *c, const struct record *r, struct err *err);
const struct ssot_point *chain_end(const struct chain *c);
const char *chain_log(const struct chain *c);
/* What is new since it was last written. */
struct pack *chain_pack(struct chain *c);
/* All of it was written: a reset comes back to here. */
void chain_written(struct chain *c);

/* The commit that a ssot_merged record takes in (40 hex); else NULL. */
const char *chain_takes(const struct record *r);
