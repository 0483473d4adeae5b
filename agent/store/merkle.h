/*
 * The Merkle tree of RFC 6962, section 2.1, with SHA-256: hashes in, hashes
 * out, nothing kept but what the caller holds. A leaf hash is sha256_leaf()
 * of the entry; an odd node is neither padded nor doubled.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/sha256.h"

#define MERKLE_PROOF_MAX 64		/* hashes, for any 64-bit size */

/* SHA-256(0x01 || left || right); out may be one of them. */
void merkle_node(const uint8_t left[SHA256_RAW],
		 const uint8_t right[SHA256_RAW], uint8_t out[SHA256_RAW]);

/*
 * A tree that only grows: for every bit of size the root of that full
 * subtree. Zeroed memory is the empty tree.
 */
struct merkle {
	uint64_t size;
	uint8_t node[64][SHA256_RAW];
};
void merkle_add(struct merkle *m, const uint8_t leaf[SHA256_RAW]);
/*
 * The same, and full (may be NULL) is given each full subtree that has its
 * last leaf now, from level 0, the leaf itself, upward.
 */
typedef void merkle_full(void *data, int level,
			 const uint8_t hash[SHA256_RAW]);
void merkle_grow(struct merkle *m, const uint8_t leaf[SHA256_RAW],
		 merkle_full *full, void *data);
/* Of no leaves at all: SHA-256 of nothing. */
void merkle_root(const struct merkle *m, uint8_t root[SHA256_RAW]);

/*
 * RFC 9162, section 2.1.3.2: is leaf (a hash) at index of the tree of this
 * size and root? proof goes from the leaf's sibling upward.
 */
bool merkle_check_inclusion(uint64_t index, uint64_t size,
			    const uint8_t leaf[SHA256_RAW],
			    const uint8_t (*proof)[SHA256_RAW], size_t n,
			    const uint8_t root[SHA256_RAW]);
/*
 * RFC 9162, section 2.1.4.2: is the tree of size `from` the beginning of the
 * other? Of nothing every tree is one: from 0 takes the root of nothing and
 * no proof.
 */
bool merkle_check_consistency(uint64_t from, uint64_t size,
			      const uint8_t root_from[SHA256_RAW],
			      const uint8_t root[SHA256_RAW],
			      const uint8_t (*proof)[SHA256_RAW], size_t n);
