/* See merkle.h. */
#include "agent/store/merkle.h"

#include <string.h>

void merkle_node(const uint8_t left[SHA256_RAW],
		 const uint8_t right[SHA256_RAW], uint8_t out[SHA256_RAW])
{
	uint8_t both[1 + 2 * SHA256_RAW] = {1};

	memcpy(both + 1, left, SHA256_RAW);
	memcpy(both + 1 + SHA256_RAW, right, SHA256_RAW);
	sha256_raw(both, sizeof(both), out);
}

void merkle_grow(struct merkle *m, const uint8_t leaf[SHA256_RAW],
		 merkle_full *full, void *data)
{
	uint8_t hash[SHA256_RAW];
	int level = 0;

	memcpy(hash, leaf, SHA256_RAW);
	for (;; level++) {
		if (full)
			full(data, level, hash);
		if (!(m->size >> level & 1))
			break;
		merkle_node(m->node[level], hash, hash);
	}
	memcpy(m->node[level], hash, SHA256_RAW);
	m->size++;
}

void merkle_add(struct merkle *m, const uint8_t leaf[SHA256_RAW])
{
	merkle_grow(m, leaf, NULL, NULL);
}

void merkle_root(const struct merkle *m, uint8_t root[SHA256_RAW])
{
	int level = 0;

	if (!m->size) {
		sha256_raw("", 0, root);
		return;
	}
	while (!(m->size >> level & 1))
		level++;
	memcpy(root, m->node[level], SHA256_RAW);
	while (++level < 64)
		if (m->size >> level & 1)
			merkle_node(m->node[level], root, root);
}

/* Where a path is in its level, and where the level ends. */
struct climb { uint64_t fn, sn; };

/* Is the next hash to the left of the path? Then moves past odd ends. */
static bool from_left(struct climb *c)
{
	const bool left = c->fn & 1 || c->fn == c->sn;

	while (left && !(c->fn & 1)) {	/* sn is not 0, nor then fn */
		c->fn >>= 1;
		c->sn >>= 1;
	}
	c->fn >>= 1;
	c->sn >>= 1;
	return left;
}

bool merkle_check_inclusion(uint64_t index, uint64_t size,
			    const uint8_t leaf[SHA256_RAW],
			    const uint8_t (*proof)[SHA256_RAW], size_t n,
			    const uint8_t root[SHA256_RAW])
{
	struct climb at = {index, size - 1};
	uint8_t r[SHA256_RAW];

	if (index >= size)
		return false;
	memcpy(r, leaf, SHA256_RAW);
	for (size_t i = 0; i < n; i++) {
		if (!at.sn)
			return false;
		if (from_left(&at))
			merkle_node(proof[i], r, r);
		else
			merkle_node(r, proof[i], r);
	}
	return !at.sn && !memcmp(r, root, SHA256_RAW);
}

static bool same(const uint8_t *a, const uint8_t *b)
{
	return !memcmp(a, b, SHA256_RAW);
}

/* Nothing to prove, or nothing that a proof could prove. */
static bool check_ends(uint64_t from, uint64_t size, const uint8_t *root_from,
		       const uint8_t *root, size_t n)
{
	uint8_t nothing[SHA256_RAW];

	if (from == size)
		return !n && same(root_from, root);
	sha256_raw("", 0, nothing);
	return !from && !n && same(root_from, nothing);
}

bool merkle_check_consistency(uint64_t from, uint64_t size,
			      const uint8_t root_from[SHA256_RAW],
			      const uint8_t root[SHA256_RAW],
			      const uint8_t (*proof)[SHA256_RAW], size_t n)
{
	const bool whole = !(from & (from - 1));	/* a full subtree */
	struct climb at = {from - 1, size - 1};
	uint8_t fr[SHA256_RAW], sr[SHA256_RAW];

	if (!from || from >= size || !n)
		return check_ends(from, size, root_from, root, n);
	for (; at.fn & 1; at.fn >>= 1)
		at.sn >>= 1;
	memcpy(fr, whole ? root_from : proof[0], SHA256_RAW);
	memcpy(sr, fr, SHA256_RAW);
	for (size_t i = !whole; i < n; i++) {
		if (!at.sn)
			return false;
		if (from_left(&at)) {
			merkle_node(proof[i], fr, fr);
			merkle_node(proof[i], sr, sr);
		} else {
			merkle_node(sr, proof[i], sr);
		}
	}
	return !at.sn && same(fr, root_from) && same(sr, root);
}
