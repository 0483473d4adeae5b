/* What the two files of the chain share. */
#pragma once
#include "agent/store/ssot_chain.h"
#include "agent/store/ssot_mark.h"

struct tree;

struct chain {
	struct ssot_repo *repo;
	struct tree *tree;
	struct pack *pack;
	struct ssot_point end;
	char log_id[SSOT_LOG];
	bool remote;
	char asked[SSOT_HEX];	/* the commit that was asked for last */
	bool has;		/* is it in this line? */
	/* The newest checkpoint; and the one when all was written last. */
	struct ssot_mark mark, kept;
};

/* The tree as the end has it. */
void chain_tree_again(struct chain *c);
/* A README.md that an agent wrote goes with the times. */
int chain_readme(struct chain *c, struct err *err);
/* One commit of the tree as it is, behind the end and other (or NULL). */
void chain_commit(struct chain *c, const struct record *r,
		  const git_oid *other);
/* The record says that this commit is part of our history now. */
int chain_take_in(struct chain *c, const struct record *r,
		  const char *commit, struct err *err);
/* Did its documents come with a commit that is in our line? 1, 0, -1. */
int chain_came(struct chain *c, const struct record *r, struct err *err);
