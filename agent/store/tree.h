/*
 * The Merkle tree over the journal, kept so that roots and proofs of ten
 * million records cost milliseconds: leaf i is record i + 1. DIR/0 holds all
 * leaf hashes, 32 bytes each; DIR/l the roots of the full blocks of 256
 * hashes of DIR/l-1. The files are a cache. What is true is in memory: the
 * frontier, which was compared with a signed root when the tree was opened
 * and has since grown by the journal's records only. Nothing is given out
 * that does not lead to it.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/store/merkle.h"

#define TREE_PROOF_MAX MERKLE_PROOF_MAX

struct err;
struct journal;
struct tree;

/*
 * What does not fit together at the end of the files is cut off. ERR_io if
 * they cannot be made or read.
 */
int tree_open(struct tree **out, const char *dir, struct err *err);
void tree_close(struct tree *t);

uint64_t tree_size(const struct tree *t);	/* any thread */
/* Add leaf hashes, all or none. One thread, as for tree_cut and tree_fill. */
int tree_add(struct tree *t, const uint8_t (*leaves)[SHA256_RAW], size_t n,
	     struct err *err);
/* Forget all but the first size leaves; 0: begin anew, believing nothing. */
int tree_cut(struct tree *t, uint64_t size, struct err *err);
/*
 * Add what the tree lacks from the journal's own lines, read from the start,
 * until it has size leaves. go_on (NULL is fine) is asked now and then: 1 if
 * it says no. ERR_io where the journal has no such record.
 */
int tree_fill(struct tree *t, struct journal *j, uint64_t size,
	      bool (*go_on)(void *data), void *data, struct err *err);

/*
 * The following may be called by any thread. They fail with ERR_not_found
 * where the tree is smaller than what is asked, with ERR_overloaded where
 * the files turn out to be damaged; tree_damaged says so too, until tree_cut
 * begins anew.
 */
int tree_root(struct tree *t, uint64_t size, uint8_t root[SHA256_RAW],
	      struct err *err);
/* The newest root, from memory; returns the size. */
uint64_t tree_head(struct tree *t, uint8_t root[SHA256_RAW]);
int tree_leaf(struct tree *t, uint64_t index, uint8_t leaf[SHA256_RAW],
	      struct err *err);
/* Room for TREE_PROOF_MAX; see merkle.h for the order. */
int tree_inclusion(struct tree *t, uint64_t index, uint64_t size,
		   uint8_t proof[][SHA256_RAW], size_t *n, struct err *err);
int tree_consistency(struct tree *t, uint64_t from, uint64_t size,
		     uint8_t proof[][SHA256_RAW], size_t *n,
		     struct err *err);
bool tree_damaged(const struct tree *t);
