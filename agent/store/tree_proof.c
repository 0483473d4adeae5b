/* Roots and proofs out of the tree's files; see tree.h. */
#include <string.h>

#include "agent/store/tree_inner.h"
#include "common/err.h"

/* For n > 1, the exponent of the largest power of two smaller than n. */
static int split(uint64_t n)
{
	return 63 - __builtin_clzll(n - 1);
}

/* The root over leaves from..to, where a subtree of the whole begins. */
static int range(struct tree *t, uint64_t from, uint64_t to,
		 uint8_t out[SHA256_RAW], struct err *err)
{
	uint8_t part[64][SHA256_RAW];
	int n = 0;

	for (; from < to; n++) {
		const int bits = 63 - __builtin_clzll(to - from);

		if (tree_subtree(t, bits, from >> bits, part[n], err))
			return -1;
		from += (uint64_t)1 << bits;
	}
	while (--n > 0)
		merkle_node(part[n - 1], part[n], part[n - 1]);
	memcpy(out, part[0], SHA256_RAW);
	return 0;
}

static void turn(uint8_t proof[][SHA256_RAW], size_t n)
{
	uint8_t hash[SHA256_RAW];

	for (size_t i = 0; i < n / 2; i++) {
		memcpy(hash, proof[i], SHA256_RAW);
		memcpy(proof[i], proof[n - 1 - i], SHA256_RAW);
		memcpy(proof[n - 1 - i], hash, SHA256_RAW);
	}
}

/* RFC 6962, section 2.1.1, from the top. */
static int path(struct tree *t, uint64_t index, uint64_t size,
		uint8_t proof[][SHA256_RAW], size_t *n, struct err *err)
{
	uint64_t from = 0, to = size;

	for (*n = 0; to - from > 1; ++*n) {
		const uint64_t mid = from + ((uint64_t)1 << split(to - from));
		const bool left = index < mid;

		if (range(t, left ? mid : from, left ? to : mid, proof[*n],
			  err))
			return -1;
		*(left ? &to : &from) = mid;
	}
	turn(proof, *n);
	return 0;
}

/* Section 2.1.2, from the top; 0 < m <= size. */
static int subproof(struct tree *t, uint64_t m, uint64_t size,
		    uint8_t proof[][SHA256_RAW], size_t *n, struct err *err)
{
	uint64_t from = 0, to = size;

	for (*n = 0; m != to; ++*n) {
		const uint64_t mid = from + ((uint64_t)1 << split(to - from));
		const bool left = m <= mid;

		if (range(t, left ? mid : from, left ? to : mid, proof[*n],
			  err))
			return -1;
		*(left ? &to : &from) = mid;
	}
	if (from && range(t, from, to, proof[(*n)++], err))
		return -1;
	turn(proof, *n);
	return 0;
}

/* The root at size, if it leads to the frontier. */
static int root_at(struct tree *t, uint64_t size, uint8_t root[SHA256_RAW],
		   struct err *err)
{
	uint8_t proof[TREE_PROOF_MAX][SHA256_RAW], top[SHA256_RAW];
	size_t n = 0;

	if (size > t->top.size)
		return err_set(err, ERR_not_found, "there are %llu records, "
			       "not %llu", (unsigned long long)t->top.size,
			       (unsigned long long)size);
	merkle_root(&t->top, top);
	if (size == t->top.size) {
		memcpy(root, top, SHA256_RAW);
		return 0;
	}
	if (!size) {
		sha256_raw("", 0, root);
		return 0;
	}
	if (range(t, 0, size, root, err) ||
	    subproof(t, size, t->top.size, proof, &n, err))
		return -1;
	return merkle_check_consistency(size, t->top.size, root, top,
			(const uint8_t (*)[SHA256_RAW])proof, n) ? 0 :
		tree_is_damaged(t, err);
}

int tree_root(struct tree *t, uint64_t size, uint8_t root[SHA256_RAW],
	      struct err *err)
{
	int rc;

	pthread_rwlock_rdlock(&t->lock);
	rc = root_at(t, size, root, err);
	pthread_rwlock_unlock(&t->lock);
	return rc;
}

static int inclusion(struct tree *t, uint64_t index, uint64_t size,
		     uint8_t proof[][SHA256_RAW], size_t *n,
		     uint8_t leaf[SHA256_RAW], struct err *err)
{
	uint8_t root[SHA256_RAW];

	if (root_at(t, size, root, err))
		return -1;
	if (index >= size)
		return err_set(err, ERR_not_found, "there is no record %llu "
			       "among %llu", (unsigned long long)index + 1,
			       (unsigned long long)size);
	if (path(t, index, size, proof, n, err) ||
	    tree_read(t, 0, index, 1, (uint8_t (*)[SHA256_RAW])leaf, err))
		return -1;
	return merkle_check_inclusion(index, size, leaf,
			(const uint8_t (*)[SHA256_RAW])proof, *n, root) ? 0 :
		tree_is_damaged(t, err);
}

int tree_inclusion(struct tree *t, uint64_t index, uint64_t size,
		   uint8_t proof[][SHA256_RAW], size_t *n, struct err *err)
{
	uint8_t leaf[SHA256_RAW];
	int rc;

	pthread_rwlock_rdlock(&t->lock);
	rc = inclusion(t, index, size, proof, n, leaf, err);
	pthread_rwlock_unlock(&t->lock);
	return rc;
}

int tree_leaf(struct tree *t, uint64_t index, uint8_t leaf[SHA256_RAW],
	      struct err *err)
{
	uint8_t proof[TREE_PROOF_MAX][SHA256_RAW];
	size_t n;
	int rc;

	pthread_rwlock_rdlock(&t->lock);
	rc = inclusion(t, index, t->top.size, proof, &n, leaf, err);
	pthread_rwlock_unlock(&t->lock);
	return rc;
}

static int consistency(struct tree *t, uint64_t from, uint64_t size,
		       uint8_t proof[][SHA256_RAW], size_t *n,
		       struct err *err)
{
	uint8_t before[SHA256_RAW], root[SHA256_RAW];

	*n = 0;
	if (from > size)
		return err_set(err, ERR_invalid_request, "from %llu is more "
			       "than size %llu", (unsigned long long)from,
			       (unsigned long long)size);
	if (root_at(t, from, before, err) || root_at(t, size, root, err) ||
	    (from && subproof(t, from, size, proof, n, err)))
		return -1;
	return merkle_check_consistency(from, size, before, root,
			(const uint8_t (*)[SHA256_RAW])proof, *n) ? 0 :
		tree_is_damaged(t, err);
}

int tree_consistency(struct tree *t, uint64_t from, uint64_t size,
		     uint8_t proof[][SHA256_RAW], size_t *n,
		     struct err *err)
{
	int rc;

	pthread_rwlock_rdlock(&t->lock);
	rc = consistency(t, from, size, proof, n, err);
	pthread_rwlock_unlock(&t->lock);
	return rc;
}
