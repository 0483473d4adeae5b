/*
 * See tree.h. Readers hold the lock shared and look below the size only, so
 * that adding behind it needs no lock but to tell the new size.
 */
#include "agent/store/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/store/tree_inner.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/fs.h"
#include "common/mem.h"

int tree_is_damaged(struct tree *t, struct err *err)
{
	atomic_store(&t->damaged, true);
	err_set(err, ERR_overloaded, "%s is damaged, and made anew from the "
		"journal", t->dir);
	return err_hint(err, "Try again in a moment; see checkpoint in GET "
			"/api/health. If it comes back, look at the disk.");
}

bool tree_damaged(const struct tree *t)
{
	return atomic_load(&t->damaged);
}

int tree_read(struct tree *t, int level, uint64_t first, size_t n,
	      uint8_t (*out)[SHA256_RAW], struct err *err)
{
	char *at = (char *)out;
	off_t off = (off_t)(first * SHA256_RAW);
	size_t left = n * SHA256_RAW;

	while (left) {
		ssize_t got = pread(t->fd[level], at, left, off);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return tree_is_damaged(t, err);
		at += got;
		off += got;
		left -= (size_t)got;
	}
	return 0;
}

int tree_subtree(struct tree *t, int bits, uint64_t index,
		 uint8_t out[SHA256_RAW], struct err *err)
{
	uint8_t row[1 << (HEIGHT - 1)][SHA256_RAW];
	const int level = bits / HEIGHT;
	size_t n = (size_t)1 << bits % HEIGHT;

	if (tree_read(t, level, index * n, n, row, err))
		return -1;
	for (; n > 1; n /= 2)
		for (size_t i = 0; i < n / 2; i++)
			merkle_node(row[2 * i], row[2 * i + 1], row[i]);
	memcpy(out, row[0], SHA256_RAW);
	return 0;
}

static uint64_t in_level(uint64_t size, int level)
{
	return size >> (HEIGHT * level);
}

/* How many leaves all levels together can vouch for. */
static int usable(struct tree *t, uint64_t *size, struct err *err)
{
	uint64_t most = INT64_MAX;

	for (int l = 0; l < LEVELS; l++) {
		struct stat st = {0};
		uint64_t n;

		if (t->fd[l] >= 0 && fstat(t->fd[l], &st))
			return err_sys(err, ERR_io, "%s/%d", t->dir, l);
		n = (uint64_t)st.st_size / SHA256_RAW;
		if (n < in_level(most, l))
			most = ((n + 1) << (HEIGHT * l)) - 1;
	}
	*size = most;
	return 0;
}

/* All below size is read again; what is behind it goes. */
static int cut(struct tree *t, uint64_t size, struct err *err)
{
	struct merkle top = {.size = size};

	for (int bits = 0; bits < 64; bits++)
		if (size >> bits & 1 &&
		    tree_subtree(t, bits, (size >> bits) - 1, top.node[bits],
				 err))
			return -1;
	for (int l = 0; l < LEVELS; l++)
		if (t->fd[l] >= 0 && ftruncate(t->fd[l], (off_t)
				(in_level(size, l) * SHA256_RAW)))
			return err_sys(err, ERR_io, "cutting %s/%d", t->dir,
				       l);
	t->top = top;
	if (!size)
		atomic_store(&t->damaged, false);
	return 0;
}

int tree_cut(struct tree *t, uint64_t size, struct err *err)
{
	int rc;

	if (size > t->top.size)
		return err_set(err, ERR_internal, "the tree has no %llu "
			       "leaves", (unsigned long long)size);
	pthread_rwlock_wrlock(&t->lock);
	rc = cut(t, size, err);
	pthread_rwlock_unlock(&t->lock);
	return rc;
}

static int open_level(struct tree *t, int level, int flags, struct err *err)
{
	char *path = xasprintf("%s/%d", t->dir, level);
	int rc = 0;

	t->fd[level] = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | flags,
			    0600);
	if (t->fd[level] < 0 && (errno != ENOENT || flags))
		rc = err_sys(err, ERR_io, "%s", path);
	free(path);
	return rc;
}

static int open_all(struct tree *t, struct err *err)
{
	uint64_t size = 0;

	if (fs_mkdir(t->dir, 0700, err))
		return -1;
	for (int l = 0; l < LEVELS; l++)
		if (open_level(t, l, 0, err))
			return -1;
	if (usable(t, &size, err))
		return -1;
	if (cut(t, size, NULL))		/* what cannot be read is no cache */
		return cut(t, 0, err);
	return 0;
}

/* Who adds is not kept waiting by ever more who read. */
static void new_lock(pthread_rwlock_t *lock)
{
	pthread_rwlockattr_t attr;

	pthread_rwlockattr_init(&attr);
	pthread_rwlockattr_setkind_np(&attr,
			PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	pthread_rwlock_init(lock, &attr);
	pthread_rwlockattr_destroy(&attr);
}

int tree_open(struct tree **out, const char *dir, struct err *err)
{
	struct tree *t = xcalloc(1, sizeof(*t));

	t->dir = xstrdup(dir);
	new_lock(&t->lock);
	for (int l = 0; l < LEVELS; l++)
		t->fd[l] = -1;
	if (open_all(t, err)) {
		err_hint(err, "It may be removed: it is made anew from the "
			 "journal.");
		tree_close(t);
		return -1;
	}
	*out = t;
	return 0;
}

void tree_close(struct tree *t)
{
	if (!t)
		return;
	for (int l = 0; l < LEVELS; l++)
		if (t->fd[l] >= 0)
			close(t->fd[l]);
	pthread_rwlock_destroy(&t->lock);
	free(t->dir);
	free(t);
}

uint64_t tree_size(const struct tree *t)
{
	struct tree *own = (struct tree *)t;	/* the lock is not its value */
	uint64_t size;

	pthread_rwlock_rdlock(&own->lock);
	size = t->top.size;
	pthread_rwlock_unlock(&own->lock);
	return size;
}

uint64_t tree_head(struct tree *t, uint8_t root[SHA256_RAW])
{
	struct merkle top;

	pthread_rwlock_rdlock(&t->lock);
	top = t->top;
	pthread_rwlock_unlock(&t->lock);
	merkle_root(&top, root);
	return top.size;
}

/* What the levels get for the leaves that are being added. */
struct growth { struct buf level[LEVELS]; };

static void grown(void *data, int level, const uint8_t hash[SHA256_RAW])
{
	struct growth *g = data;

	if (level % HEIGHT == 0)
		buf_add(&g->level[level / HEIGHT], hash, SHA256_RAW);
}

static int write_level(struct tree *t, int level, const struct buf *b,
		       struct err *err)
{
	off_t off = (off_t)(in_level(t->top.size, level) * SHA256_RAW);
	size_t done = 0;

	if (b->len && t->fd[level] < 0 &&
	    open_level(t, level, O_CREAT, err))
		return -1;
	while (done < b->len) {
		ssize_t n = pwrite(t->fd[level], b->data + done,
				   b->len - done, off + (off_t)done);

		if (n < 0 && errno != EINTR)
			return err_sys(err, ERR_io, "writing %s/%d", t->dir,
				       level);
		done += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

int tree_add(struct tree *t, const uint8_t (*leaves)[SHA256_RAW], size_t n,
	     struct err *err)
{
	struct merkle top = t->top;	/* nobody else changes it */
	struct growth g = {0};
	int rc = 0;

	for (size_t i = 0; i < n; i++)
		merkle_grow(&top, leaves[i], grown, &g);
	for (int l = 0; l < LEVELS && !rc; l++)
		rc = write_level(t, l, &g.level[l], err);
	if (!rc) {
		pthread_rwlock_wrlock(&t->lock);
		t->top = top;
		pthread_rwlock_unlock(&t->lock);
	}
	for (int l = 0; l < LEVELS; l++)
		buf_fini(&g.level[l]);
	return rc;
}

