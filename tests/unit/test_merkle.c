/* The Merkle tree of RFC 6962, against its own words, for all small sizes. */
#include "tests/unit/unit.h"

#include <string.h>

#include "agent/store/merkle.h"

#define MOST 70

typedef uint8_t hash[SHA256_RAW];

/* Section 2.1: k is the largest power of two smaller than n. */
static size_t split(size_t n)
{
	size_t k = 1;

	while (2 * k < n)
		k *= 2;
	return k;
}

static void tree_hash(const hash *d, size_t n, hash out)
{
	hash left, right;

	if (n < 2) {
		if (n)
			memcpy(out, d[0], SHA256_RAW);
		else
			sha256_raw("", 0, out);
		return;
	}
	tree_hash(d, split(n), left);
	tree_hash(d + split(n), n - split(n), right);
	merkle_node(left, right, out);
}

/* Section 2.1.1: PATH(m, D[n]). */
static size_t path(size_t m, const hash *d, size_t n, hash *out)
{
	size_t k = split(n), len;

	if (n < 2)
		return 0;
	if (m < k) {
		len = path(m, d, k, out);
		tree_hash(d + k, n - k, out[len]);
	} else {
		len = path(m - k, d + k, n - k, out);
		tree_hash(d, k, out[len]);
	}
	return len + 1;
}

/* Section 2.1.2: SUBPROOF(m, D[n], b). */
static size_t subproof(size_t m, const hash *d, size_t n, bool b, hash *out)
{
	size_t k = split(n), len;

	if (m == n) {
		if (!b)
			tree_hash(d, n, out[0]);
		return !b;
	}
	if (m <= k) {
		len = subproof(m, d, k, b, out);
		tree_hash(d + k, n - k, out[len]);
	} else {
		len = subproof(m - k, d + k, n - k, false, out);
		tree_hash(d, k, out[len]);
	}
	return len + 1;
}

static void leaves(hash *d)
{
	for (unsigned char i = 0; i < MOST; i++)
		sha256_leaf(&i, 1, d[i]);
}

START_TEST(roots_are_those_that_others_publish)
{
	/* The entries and roots that certificate logs are tested with. */
	static const struct { const char *entry; size_t len; } entries[] = {
		{"", 0}, {"\0", 1}, {"\x10", 1}, {"\x20\x21", 2},
		{"\x30\x31", 2}, {"\x40\x41\x42\x43", 4},
		{"\x50\x51\x52\x53\x54\x55\x56\x57", 8},
		{"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d"
		 "\x6e\x6f", 16},
	};
	static const char *const roots[] = {
		"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852"
		"b855",
		"6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617af"
		"a01d",
		"fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3"
		"c125",
		"aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e0"
		"6e77",
		"d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd952096"
		"14b7",
		"4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a862"
		"64d4",
		"76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f20"
		"87ef",
		"ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a7"
		"4c8c",
		"5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff460"
		"4328",
	};
	struct merkle m = {0};
	char hex[SHA256_HEX];
	hash root, leaf;

	for (size_t i = 0; i < ARRAY_LEN(roots); i++) {
		merkle_root(&m, root);
		hex_of(root, SHA256_RAW, hex);
		ck_assert_str_eq(hex, roots[i]);
		if (i == ARRAY_LEN(entries))
			break;
		sha256_leaf(entries[i].entry, entries[i].len, leaf);
		merkle_add(&m, leaf);
	}
}
END_TEST

START_TEST(a_root_that_grows_is_the_root_of_all_leaves)
{
	struct merkle m = {0};
	hash d[MOST], root, want;

	leaves(d);
	for (size_t n = 0; n <= MOST; n++) {
		merkle_root(&m, root);
		tree_hash(d, n, want);
		ck_assert_mem_eq(root, want, SHA256_RAW);
		ck_assert_uint_eq(m.size, n);
		if (n < MOST)
			merkle_add(&m, d[n]);
	}
}
END_TEST

/* No other index, size, length or bit is good with this proof. */
static void only_this(size_t i, size_t n, const hash *d, hash *p, size_t len,
		      hash root)
{
	const size_t step = n <= 20 ? 1 : 37;
	hash leaf;

	for (size_t other = 0; other <= MOST; other++)
		ck_assert(other == i || !merkle_check_inclusion(other, n, d[i],
				(const hash *)p, len, root));
	ck_assert(!merkle_check_inclusion(n, n, d[i], (const hash *)p, len,
					  root));
	for (size_t cut = 0; cut < len; cut++)
		ck_assert(!merkle_check_inclusion(i, n, d[i], (const hash *)p,
						  cut, root));
	memcpy(p[len], d[i], SHA256_RAW);
	ck_assert(!merkle_check_inclusion(i, n, d[i], (const hash *)p,
					  len + 1, root));
	for (size_t bit = 0; bit < len * 256; bit += step) {
		p[bit / 256][bit / 8 % 32] ^= (uint8_t)(1 << bit % 8);
		ck_assert(!merkle_check_inclusion(i, n, d[i], (const hash *)p,
						  len, root));
		p[bit / 256][bit / 8 % 32] ^= (uint8_t)(1 << bit % 8);
	}
	for (size_t bit = 0; bit < 256; bit += step) {
		memcpy(leaf, d[i], SHA256_RAW);
		leaf[bit / 8] ^= (uint8_t)(1 << bit % 8);
		ck_assert(!merkle_check_inclusion(i, n, leaf, (const hash *)p,
						  len, root));
		root[bit / 8] ^= (uint8_t)(1 << bit % 8);
		ck_assert(!merkle_check_inclusion(i, n, d[i], (const hash *)p,
						  len, root));
		root[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
}

START_TEST(every_record_is_proven_and_none_other_by_it)
{
	hash d[MOST], p[MERKLE_PROOF_MAX], root;

	leaves(d);
	for (size_t n = 1; n <= MOST; n++) {
		tree_hash(d, n, root);
		for (size_t i = 0; i < n; i++) {
			size_t len = path(i, d, n, p);

			ck_assert_msg(merkle_check_inclusion(i, n, d[i],
				(const hash *)p, len, root), "%zu of %zu", i,
				n);
			only_this(i, n, d, p, len, root);
		}
	}
	ck_assert(!merkle_check_inclusion(0, 0, d[0], NULL, 0, root));
}
END_TEST

static bool consistent(size_t m, size_t n, const hash from, const hash root,
		       hash *p, size_t len)
{
	return merkle_check_consistency(m, n, from, root, (const hash *)p,
					len);
}

static void only_these(size_t m, size_t n, hash from, hash root, hash *p,
		       size_t len)
{
	const size_t step = n <= 20 ? 1 : 37;
	hash *const both[] = {(hash *)from, (hash *)root};

	for (size_t cut = 0; cut < len; cut++)
		ck_assert(!consistent(m, n, from, root, p, cut));
	memcpy(p[len], from, SHA256_RAW);
	ck_assert(!consistent(m, n, from, root, p, len + 1));
	for (size_t bit = 0; bit < len * 256; bit += step) {
		p[bit / 256][bit / 8 % 32] ^= (uint8_t)(1 << bit % 8);
		ck_assert(!consistent(m, n, from, root, p, len));
		p[bit / 256][bit / 8 % 32] ^= (uint8_t)(1 << bit % 8);
	}
	for (size_t bit = 0; bit < 512; bit += step) {
		uint8_t *at = &(*both[bit / 256])[bit / 8 % 32];

		*at ^= (uint8_t)(1 << bit % 8);
		ck_assert(!consistent(m, n, from, root, p, len));
		*at ^= (uint8_t)(1 << bit % 8);
	}
}

START_TEST(every_size_is_the_beginning_of_every_later_one)
{
	hash d[MOST], p[MERKLE_PROOF_MAX], from, root;

	leaves(d);
	for (size_t n = 0; n <= MOST; n++) {
		tree_hash(d, n, root);
		for (size_t m = 0; m <= n; m++) {
			size_t len = m ? subproof(m, d, n, true, p) : 0;

			tree_hash(d, m, from);
			ck_assert_msg(consistent(m, n, from, root, p, len),
				      "%zu of %zu", m, n);
			if (m == n)
				continue;
			ck_assert(!consistent(n, m, root, from, p, len));
			if (m)
				only_these(m, n, from, root, p, len);
		}
	}
}
END_TEST

START_TEST(of_nothing_there_is_one_root)
{
	hash d[MOST], nothing, root;

	leaves(d);
	sha256_raw("", 0, nothing);
	tree_hash(d, 5, root);
	ck_assert(consistent(0, 5, nothing, root, NULL, 0));
	ck_assert(consistent(0, 0, nothing, nothing, NULL, 0));
	ck_assert(!consistent(0, 5, root, root, NULL, 0));
	ck_assert(!consistent(0, 5, nothing, root, d, 1));
	ck_assert(!consistent(0, 0, nothing, nothing, d, 1));
	ck_assert(!consistent(5, 5, root, root, d, 1));
	ck_assert(!consistent(5, 5, root, nothing, NULL, 0));
	ck_assert(!consistent(4, 5, root, root, NULL, 0));
}
END_TEST

TESTS("merkle", roots_are_those_that_others_publish,
      a_root_that_grows_is_the_root_of_all_leaves,
      every_record_is_proven_and_none_other_by_it,
      every_size_is_the_beginning_of_every_later_one,
      of_nothing_there_is_one_root)
