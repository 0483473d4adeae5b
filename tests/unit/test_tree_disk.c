/*
 * The files of the tree on a disk that fails at each call, and is cut while
 * it is read: what is given out is right, or an error.
 */
#include "tests/unit/journals.h"

#include <string.h>

#include "agent/store/tree.h"
#include "common/err.h"
#include "common/fs.h"
#include "tests/unit/disk_calls.h"

#define LEAVES 600u		/* two full blocks, and a part of one */

typedef uint8_t hash[SHA256_RAW];

static hash roots[LEAVES + 1], leaves[LEAVES];

static void make_leaves(void)
{
	struct merkle m = {0};

	for (unsigned i = 0; i < LEAVES; i++) {
		merkle_root(&m, roots[i]);
		sha256_leaf(&i, sizeof(i), leaves[i]);
		merkle_add(&m, leaves[i]);
	}
	merkle_root(&m, roots[LEAVES]);
}

/* Fewer than all if it said that it cannot. Never others. */
static void grow(struct tree *t)
{
	unsigned from = (unsigned)tree_size(t), to;
	hash root;

	for (; from < LEAVES; from = to) {
		to = from + 250 < LEAVES ? from + 250 : LEAVES;
		if (tree_add(t, (const uint8_t (*)[SHA256_RAW])leaves + from,
			     to - from, NULL))
			break;
	}
	if (tree_size(t) != from || tree_head(t, root) != from ||
	    memcmp(root, roots[from], sizeof(root)))
		_exit(DISK_WRONG);
}

static void ask(struct tree *t)
{
	static const unsigned sizes[] = {1, 200, 256, 257, 512, 599, 600};
	uint8_t proof[TREE_PROOF_MAX][SHA256_RAW];
	struct err err = {0};
	hash root;
	size_t n;

	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		unsigned size = sizes[i], at = size / 2;

		if (!tree_root(t, size, root, &err) &&
		    memcmp(root, roots[size], sizeof(root)))
			_exit(DISK_WRONG);
		if (!tree_inclusion(t, at, size, proof, &n, &err) &&
		    !merkle_check_inclusion(at, size, leaves[at],
				(const uint8_t (*)[SHA256_RAW])proof, n,
				roots[size]))
			_exit(DISK_WRONG);
	}
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		unsigned from = sizes[i] % LEAVES, size = sizes[(i + 3) % 7];

		if (from <= size &&
		    !tree_consistency(t, from, size, proof, &n, &err) &&
		    !merkle_check_consistency(from, size, roots[from],
				roots[size],
				(const uint8_t (*)[SHA256_RAW])proof, n))
			_exit(DISK_WRONG);
	}
	if (err.code && err.code != ERR_overloaded &&
	    err.code != ERR_not_found)
		_exit(DISK_WRONG);
}

static void work(void *arg)
{
	struct err err = {0};
	struct tree *t;

	if (tree_open(&t, arg, &err)) {
		if (err.code != ERR_io || !*err.hint)
			_exit(DISK_WRONG);
		return;
	}
	grow(t);
	ask(t);
	tree_cut(t, tree_size(t) / 2, NULL);
	grow(t);
	ask(t);
	tree_close(t);
}

static void place(char dir[64], bool filled)
{
	struct tree *t;

	strcpy(dir, access("/dev/shm", W_OK) ? "/tmp/kircerta-tree-XXXXXX" :
		       "/dev/shm/kircerta-tree-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	ck_assert(!tree_open(&t, dir, NULL));
	if (filled)
		grow(t);
	tree_close(t);
}

/* The first are all different; what follows them is reading. */
static unsigned step(unsigned at)
{
	return at < 16 || getenv("KIRCERTA_EVERY") ? 1 : 61;
}

START_TEST(whichever_call_fails_nothing_wrong_is_given_out)
{
	static const struct disk_plan plans[] = {
		{DISK_FAILS, 0, EIO, 0}, {DISK_FAILS_ON, 0, EIO, 0},
		{DISK_FAILS, 0, EINTR, 0}, {DISK_FAILS, 0, ENOENT, 0},
		{DISK_SHORT, 0, 0, 0}, {DISK_STOPS_AFTER, 0, 0, 0},
	};
	unsigned cases = 0;
	struct tree *t;
	char dir[64];

	make_leaves();
	for (size_t i = 0; i < 2 * ARRAY_LEN(plans); i++) {
		struct disk_plan plan = plans[i / 2];
		enum disk_end end = DISK_DONE;

		for (plan.at = 1; end != DISK_MISSED;
		     plan.at += step(plan.at), cases++) {
			place(dir, i % 2);
			end = disk_try(&plan, work, dir);
			ck_assert_msg(end != DISK_WRONG, "call %u, plan %zu",
				      plan.at, i);
			ck_assert(!tree_open(&t, dir, NULL));
			grow(t);
			ck_assert_uint_eq(tree_size(t), LEAVES);
			ask(t);
			ck_assert(!tree_damaged(t));
			tree_close(t);
			fs_remove_tree(dir);
		}
	}
	printf("      %u faults\n", cases);
	ck_assert_int_gt(cases, 200);
}
END_TEST

START_TEST(what_cannot_be_a_folder_or_a_file_of_it_is_refused)
{
	char dir[64], path[80];
	struct err err = {0};
	struct tree *t;

	place(dir, false);
	snprintf(path, sizeof(path), "%s/1", dir);
	ck_assert_int_eq(symlink("/dev/null", path), 0);
	ck_assert_int_eq(tree_open(&t, dir, &err), -1);
	ck_assert(err.code == ERR_io && *err.hint);
	unlink(path);
	disk_spill(path, "", 0);
	strcat(path, "/x");
	ck_assert_int_eq(tree_open(&t, path, &err), -1);
	ck_assert(err.code == ERR_io && *err.hint);
	fs_remove_tree(dir);
}
END_TEST

START_TEST(a_bit_of_its_files_that_is_flipped_is_never_given_out)
{
	static const char *const names[] = {"0", "1"};
	unsigned flips = 0, noticed = 0;
	char dir[64], path[80];
	struct tree *t;

	make_leaves();
	place(dir, true);
	for (size_t f = 0; f < ARRAY_LEN(names); f++) {
		size_t size, skip = f ? 5 : 401;
		char *data;

		snprintf(path, sizeof(path), "%s/%s", dir, names[f]);
		data = disk_slurp(path, &size);
		for (size_t bit = 0; bit < size * 8; bit += skip, flips++) {
			int fd = open(path, O_WRONLY);
			char c = (char)(data[bit / 8] ^ 1 << bit % 8);
			hash root;

			ck_assert(!tree_open(&t, dir, NULL));
			ck_assert(pwrite(fd, &c, 1, (off_t)bit / 8) == 1);
			ask(t);
			noticed += tree_damaged(t);
			tree_head(t, root);
			ck_assert(!memcmp(root, roots[LEAVES], sizeof(root)));
			tree_close(t);
			ck_assert(pwrite(fd, data + bit / 8, 1,
					 (off_t)bit / 8) == 1);
			close(fd);
		}
		free(data);
	}
	printf("      %u bits flipped, %u noticed by seven proofs\n", flips,
	       noticed);
	fs_remove_tree(dir);
}
END_TEST

static void only_ask(void *arg)
{
	struct tree *t;

	disk.on = false;
	ck_assert(!tree_open(&t, arg, NULL));
	disk.on = true;
	ask(t);
	tree_close(t);
}

START_TEST(what_is_read_wrong_only_now_is_not_given_out_either)
{
	struct disk_plan plan = {.what = DISK_LIES};
	enum disk_end end = DISK_DONE;
	char dir[64];

	make_leaves();
	place(dir, true);
	for (plan.at = 1; end != DISK_MISSED; plan.at++) {
		end = disk_try(&plan, only_ask, dir);
		ck_assert_msg(end != DISK_WRONG, "call %u", plan.at);
	}
	printf("      %u lies\n", plan.at - 2);
	ck_assert_int_gt(plan.at, 100);
	fs_remove_tree(dir);
}
END_TEST

struct filling { struct place place; const char *dir; };

static bool yes(void *data)
{
	(void)data;
	return true;
}

static void fill_tree(void *arg)
{
	struct filling *f = arg;
	struct journal *j;
	struct tree *t;

	disk.on = false;		/* opening is not what is tried */
	j = open_ok(&f->place);
	ck_assert(!tree_open(&t, f->dir, NULL));
	disk.on = true;
	if (tree_fill(t, j, journal_head(j).seq, yes, NULL, NULL) &&
	    tree_size(t) == journal_head(j).seq)
		_exit(DISK_WRONG);
	tree_close(t);
	journal_close(j);
}

START_TEST(a_tree_that_could_not_be_filled_is_filled_the_next_time)
{
	static const struct disk_plan plans[] = {
		{DISK_FAILS, 0, EIO, 0}, {DISK_FAILS_ON, 0, ENOSPC, 0},
		{DISK_SHORT, 0, 0, 0},
	};
	struct filling f = {.place = place_new()};
	const int records = getenv("KIRCERTA_EVERY") ? 5000 : 500;
	unsigned cases = 0;
	char dir[64];

	fill(&f.place, records);
	f.dir = dir;
	for (size_t i = 0; i < ARRAY_LEN(plans); i++) {
		struct disk_plan plan = plans[i];
		enum disk_end end = DISK_DONE;

		for (plan.at = 1; end != DISK_MISSED; plan.at++, cases++) {
			struct journal *j;
			struct tree *t;

			place(dir, false);
			end = disk_try(&plan, fill_tree, &f);
			ck_assert_msg(end != DISK_WRONG, "call %u", plan.at);
			j = open_ok(&f.place);
			ck_assert(!tree_open(&t, dir, NULL));
			ck_assert(!tree_fill(t, j, records, NULL, NULL, NULL));
			ck_assert_uint_eq(tree_size(t), records);
			tree_close(t);
			fs_remove_tree(dir);
			journal_close(j);
		}
	}
	printf("      %u faults in filling\n", cases);
	fs_remove_tree(f.place.dir);
}
END_TEST

TESTS("tree on a bad disk",
      what_is_read_wrong_only_now_is_not_given_out_either,
      a_tree_that_could_not_be_filled_is_filled_the_next_time,
      whichever_call_fails_nothing_wrong_is_given_out,
      what_cannot_be_a_folder_or_a_file_of_it_is_refused,
      a_bit_of_its_files_that_is_flipped_is_never_given_out)
