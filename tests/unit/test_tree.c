/* The files of the tree: right for every size, and never believed. */
#include "tests/unit/journals.h"

#include <sys/stat.h>

#include "agent/store/merkle.h"
#include "agent/store/tree.h"

#define MANY 70000			/* three levels of blocks */

typedef uint8_t hash[SHA256_RAW];
typedef const uint8_t (*proof_of)[SHA256_RAW];

static void leaf_of(uint64_t i, hash out)
{
	sha256_leaf(&i, sizeof(i), out);
}

static char *new_dir(char dir[40])
{
	strcpy(dir, access("/dev/shm", W_OK) ? "/tmp/kircerta-tree-XXXXXX" :
		       "/dev/shm/kircerta-tree-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	return dir;
}

static struct tree *open_tree(const char *dir)
{
	struct tree *t = NULL;
	struct err err = {0};

	ck_assert_msg(!tree_open(&t, dir, &err), "%s", err.detail);
	return t;
}

static void grow(struct tree *t, uint64_t to)
{
	hash some[1000];

	while (tree_size(t) < to) {
		size_t n = 0;

		for (uint64_t i = tree_size(t); i < to && n < 1000; i++)
			leaf_of(i, some[n++]);
		ck_assert(!tree_add(t, (proof_of)some, n, NULL));
	}
}

static void root_of(uint64_t size, hash out)
{
	struct merkle m = {0};
	hash leaf;

	for (uint64_t i = 0; i < size; i++) {
		leaf_of(i, leaf);
		merkle_add(&m, leaf);
	}
	merkle_root(&m, out);
}

static void check_inclusion(struct tree *t, uint64_t i, uint64_t n,
			    const hash root)
{
	hash proof[TREE_PROOF_MAX], leaf, own;
	struct err err = {0};
	size_t len;

	ck_assert_msg(!tree_inclusion(t, i, n, proof, &len, &err), "%s",
		      err.detail);
	leaf_of(i, leaf);
	ck_assert_msg(merkle_check_inclusion(i, n, leaf, (proof_of)proof, len,
					     root), "%d of %d", (int)i,
		      (int)n);
	ck_assert(!tree_leaf(t, i, own, NULL));
	ck_assert_mem_eq(own, leaf, SHA256_RAW);
}

static void check_consistency(struct tree *t, uint64_t m, uint64_t n,
			      const hash from, const hash root)
{
	hash proof[TREE_PROOF_MAX];
	struct err err = {0};
	size_t len;

	ck_assert_msg(!tree_consistency(t, m, n, proof, &len, &err), "%s",
		      err.detail);
	ck_assert_msg(merkle_check_consistency(m, n, from, root,
					       (proof_of)proof, len),
		      "%d of %d", (int)m, (int)n);
}

START_TEST(all_proofs_of_all_small_trees_are_right)
{
	char dir[40];
	struct tree *t = open_tree(new_dir(dir));
	hash roots[71], root;

	for (uint64_t n = 0; n <= 70; n++)
		root_of(n, roots[n]);
	grow(t, 70);
	for (uint64_t n = 0; n <= 70; n++) {
		ck_assert(!tree_root(t, n, root, NULL));
		ck_assert_mem_eq(root, roots[n], SHA256_RAW);
		for (uint64_t i = 0; i < n; i++)
			check_inclusion(t, i, n, roots[n]);
		for (uint64_t m = 0; m <= n; m++)
			check_consistency(t, m, n, roots[m], roots[n]);
	}
	tree_close(t);
	fs_remove_tree(dir);
}
END_TEST

START_TEST(proofs_reach_over_blocks)
{
	static const uint64_t sizes[] = {
		1, 255, 256, 257, 511, 512, 513, 65535, 65536, 65537, 65792,
		66000, MANY - 1, MANY,
	};
	static const uint64_t at[] = {0, 1, 254, 255, 256, 257, 511, 512,
		32768, 65535, 65536, 65791, 65792, MANY - 2, MANY - 1};
	char dir[40];
	struct tree *t = open_tree(new_dir(dir));
	hash roots[ARRAY_LEN(sizes)];

	grow(t, MANY);
	for (size_t n = 0; n < ARRAY_LEN(sizes); n++) {
		root_of(sizes[n], roots[n]);
		for (size_t i = 0; i < ARRAY_LEN(at) && at[i] < sizes[n]; i++)
			check_inclusion(t, at[i], sizes[n], roots[n]);
		for (size_t m = 0; m <= n; m++)
			check_consistency(t, sizes[m], sizes[n], roots[m],
					  roots[n]);
	}
	tree_close(t);
	fs_remove_tree(dir);
}
END_TEST

START_TEST(what_is_not_there_is_not_proven)
{
	hash proof[TREE_PROOF_MAX], root;
	char dir[40];
	struct tree *t = open_tree(new_dir(dir));
	struct err err = {0};
	size_t len;

	ck_assert(!tree_root(t, 0, root, &err));
	ck_assert(tree_root(t, 1, root, &err));
	ck_assert_int_eq(err.code, ERR_not_found);
	grow(t, 5);
	ck_assert(tree_inclusion(t, 5, 5, proof, &len, &err));
	ck_assert_int_eq(err.code, ERR_not_found);
	ck_assert(tree_inclusion(t, 0, 0, proof, &len, &err));
	ck_assert(tree_inclusion(t, 0, 6, proof, &len, &err));
	ck_assert(tree_consistency(t, 1, 6, proof, &len, &err));
	ck_assert_int_eq(err.code, ERR_not_found);
	ck_assert(tree_consistency(t, 3, 2, proof, &len, &err));
	ck_assert_int_eq(err.code, ERR_invalid_request);
	ck_assert(tree_cut(t, 6, &err));
	ck_assert(!tree_damaged(t));
	tree_close(t);
	tree_close(NULL);
	fs_remove_tree(dir);
}
END_TEST

START_TEST(a_tree_goes_on_where_it_was)
{
	static const uint64_t sizes[] = {0, 1, 255, 256, 257, 65535, 65536,
					 65537, MANY};
	char dir[40];
	hash root, want;

	new_dir(dir);
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		struct tree *t = open_tree(dir);

		ck_assert_uint_eq(tree_size(t), i ? sizes[i - 1] : 0);
		grow(t, sizes[i]);
		ck_assert_uint_eq(tree_head(t, root), sizes[i]);
		root_of(sizes[i], want);
		ck_assert_mem_eq(root, want, SHA256_RAW);
		tree_close(t);
	}
	for (size_t i = ARRAY_LEN(sizes); i-- > 0;) {
		struct tree *t = open_tree(dir);

		ck_assert(!tree_cut(t, sizes[i], NULL));
		ck_assert_uint_eq(tree_head(t, root), sizes[i]);
		root_of(sizes[i], want);
		ck_assert_mem_eq(root, want, SHA256_RAW);
		tree_close(t);
	}
	fs_remove_tree(dir);
}
END_TEST

/* Whatever length a crash leaves, what is opened is a beginning of it. */
START_TEST(files_that_do_not_fit_each_other_are_cut)
{
	static const struct { int level; off_t len; uint64_t size; } cases[] = {
		{0, 0, 0}, {0, 31, 0}, {0, 32, 1}, {0, 33, 1},
		{0, 256 * 32, 256}, {0, 600 * 32 + 31, 600},
		{0, (MANY + 1) * 32L, 0},	/* see below */
		{1, 0, 255}, {1, 31, 255}, {1, 32, 511},
		{1, 255 * 32, 65535}, {1, 256 * 32, 65791},
		{1, 5000 * 32, MANY}, {2, 0, 65535}, {2, 31, 65535},
		{2, 64 * 32, MANY},
	};
	char dir[40], path[64];
	hash root, want;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct tree *t = open_tree(new_dir(dir));

		grow(t, MANY);
		tree_close(t);
		snprintf(path, sizeof(path), "%s/%d", dir, cases[i].level);
		ck_assert(!truncate(path, cases[i].len));
		t = open_tree(dir);
		if (cases[i].len == (MANY + 1) * 32L) {
			/* One too many, of zeros: the caller finds it out. */
			ck_assert_uint_eq(tree_size(t), MANY + 1);
			ck_assert(!tree_cut(t, MANY, NULL));
		} else {
			ck_assert_uint_eq(tree_size(t), cases[i].size);
		}
		root_of(tree_head(t, root), want);
		ck_assert_mem_eq(root, want, SHA256_RAW);
		grow(t, MANY + 300);
		root_of(tree_head(t, root), want);
		ck_assert_mem_eq(root, want, SHA256_RAW);
		check_inclusion(t, 65792, MANY, (root_of(MANY, want), want));
		tree_close(t);
		fs_remove_tree(dir);
	}
}
END_TEST

static void flip(const char *dir, int level, off_t at)
{
	char path[64], byte;
	int fd;

	snprintf(path, sizeof(path), "%s/%d", dir, level);
	fd = open(path, O_RDWR);
	ck_assert_int_eq(pread(fd, &byte, 1, at), 1);
	byte ^= 4;
	ck_assert_int_eq(pwrite(fd, &byte, 1, at), 1);
	close(fd);
}

/* Every leaf and every root of a block, one after the other. */
START_TEST(a_damaged_file_gives_no_wrong_proof)
{
	char dir[40];
	struct tree *t = open_tree(new_dir(dir));
	int found = 0;

	grow(t, 600);
	for (int k = 0; k < 602; k++) {
		const int level = k >= 600;
		const uint64_t at = level ? (uint64_t)k - 600 : (uint64_t)k;
		const uint64_t size = 560, i = level ? 300 - 256 * at : at;
		hash proof[TREE_PROOF_MAX], leaf, root;
		struct err err = {0};
		size_t len;

		flip(dir, level, (off_t)(at * 32 + at % 32));
		root_of(size, root);
		leaf_of(i, leaf);
		if (!tree_inclusion(t, i, size, proof, &len, &err)) {
			ck_assert(merkle_check_inclusion(i, size, leaf,
					(proof_of)proof, len, root));
		} else {
			ck_assert_int_eq(err.code, ERR_overloaded);
			ck_assert(tree_damaged(t));
			found++;
		}
		ck_assert(tree_leaf(t, i, leaf, NULL));
		flip(dir, level, (off_t)(at * 32 + at % 32));
	}
	ck_assert_int_gt(found, 560);
	ck_assert(!tree_cut(t, 0, NULL));
	ck_assert(!tree_damaged(t));
	tree_close(t);
	fs_remove_tree(dir);
}
END_TEST

START_TEST(a_file_that_is_cut_under_it_is_noticed)
{
	char dir[40], path[64];
	struct tree *t = open_tree(new_dir(dir));
	struct err err = {0};
	hash proof[TREE_PROOF_MAX], root, want;
	size_t len;

	grow(t, 600);
	snprintf(path, sizeof(path), "%s/0", dir);
	ck_assert(!truncate(path, 100));
	ck_assert(tree_inclusion(t, 3, 600, proof, &len, &err));
	ck_assert_int_eq(err.code, ERR_overloaded);
	ck_assert(tree_root(t, 599, root, NULL));
	ck_assert(tree_leaf(t, 3, root, NULL));
	ck_assert(tree_consistency(t, 3, 600, proof, &len, NULL));
	ck_assert(tree_damaged(t));
	/* The newest root is not in any file. */
	root_of(600, want);
	ck_assert_uint_eq(tree_head(t, root), 600);
	ck_assert_mem_eq(root, want, SHA256_RAW);
	ck_assert(tree_cut(t, 300, NULL));
	ck_assert_uint_eq(tree_size(t), 600);
	tree_close(t);
	fs_remove_tree(dir);
}
END_TEST

START_TEST(what_cannot_be_written_is_not_in_it)
{
	char dir[40], path[64];
	struct tree *t;
	hash leaf;

	new_dir(dir);
	snprintf(path, sizeof(path), "%s/1", dir);
	ck_assert(!mkdir(path, 0700));
	ck_assert(tree_open(&t, dir, NULL));
	ck_assert(!rmdir(path));
	t = open_tree(dir);
	grow(t, 255);
	ck_assert(!mkdir(path, 0700));
	leaf_of(255, leaf);
	ck_assert(tree_add(t, (proof_of)&leaf, 1, NULL));
	ck_assert_uint_eq(tree_size(t), 255);
	ck_assert(!rmdir(path));
	grow(t, 257);
	check_inclusion(t, 256, 257, (root_of(257, leaf), leaf));
	tree_close(t);
	fs_remove_tree(dir);
}
END_TEST

static int add_leaf(struct record *r, void *m, struct err *err)
{
	(void)err;
	merkle_add(m, r->leaf);
	return 0;
}

static bool no(void *asked)
{
	++*(int *)asked;
	return false;
}

START_TEST(a_tree_is_filled_from_the_lines_of_a_journal)
{
	static const uint64_t has[] = {0, 1, 4999, 5000};
	struct place p = place_new();
	struct journal *j = open_ok(&p);
	struct merkle m = {0};
	struct err err = {0};
	hash root, want;
	char dir[40];
	int asked = 0;

	for (int i = 0; i < 5000; i++)
		append(j, "heartbeat", json_pack("{s:s}", "text",
			i % 7 ? "a" : "something that is a good deal longer"));
	commit(j);
	ck_assert(!journal_replay(j, 0, add_leaf, &m, NULL));
	merkle_root(&m, want);
	for (size_t i = 0; i < ARRAY_LEN(has); i++) {
		struct tree *t = open_tree(new_dir(dir));

		ck_assert_int_eq(tree_fill(t, j, 5000, no, &asked, &err), 1);
		ck_assert(!tree_fill(t, j, has[i], NULL, NULL, &err));
		ck_assert_uint_eq(tree_size(t), has[i]);
		ck_assert(!tree_fill(t, j, 5000, NULL, NULL, &err));
		ck_assert_uint_eq(tree_head(t, root), 5000);
		ck_assert_mem_eq(root, want, SHA256_RAW);
		ck_assert_int_eq(tree_fill(t, j, 5001, NULL, NULL, &err), -1);
		ck_assert_int_eq(err.code, ERR_io);
		ck_assert(!tree_fill(t, j, 7, no, &asked, &err));
		tree_close(t);
		fs_remove_tree(dir);
	}
	ck_assert_int_eq(asked, 4);
	journal_close(j);
	fs_remove_tree(p.dir);
}
END_TEST

TESTS("tree", all_proofs_of_all_small_trees_are_right,
      proofs_reach_over_blocks, what_is_not_there_is_not_proven,
      a_tree_goes_on_where_it_was, files_that_do_not_fit_each_other_are_cut,
      a_damaged_file_gives_no_wrong_proof,
      a_file_that_is_cut_under_it_is_noticed,
      what_cannot_be_written_is_not_in_it,
      a_tree_is_filled_from_the_lines_of_a_journal)
