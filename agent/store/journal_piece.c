/* See journal_piece.h. */
#include "agent/store/journal_piece.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/store/journal_segments.h"
#include "agent/store/journal_zst.h"
#include "common/err.h"
#include "common/mem.h"

struct piece {
	atomic_uint refs;
	int fd;
	char *path;
	struct zst *zst;		/* NULL: it is plain */
	pthread_mutex_t lock;		/* zst serves one at a time */
};

struct piece *piece_of(int fd, const char *path)
{
	struct piece *p = xcalloc(1, sizeof(*p));

	atomic_init(&p->refs, 1);
	p->fd = fd;
	p->path = xstrdup(path);
	pthread_mutex_init(&p->lock, NULL);
	return p;
}

struct piece *piece_ref(struct piece *p)
{
	atomic_fetch_add(&p->refs, 1);
	return p;
}

void piece_unref(struct piece *p)
{
	if (!p || atomic_fetch_sub(&p->refs, 1) != 1)
		return;
	zst_close(p->zst);
	close(p->fd);
	pthread_mutex_destroy(&p->lock);
	free(p->path);
	free(p);
}

static int open_file(const char *path)
{
	return open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
}

static int open_packed(struct piece **out, const char *dir, uint64_t first,
		       struct err *err)
{
	char *path = segment_path(dir, first, true);
	int fd = open_file(path), rc = -1;

	*out = NULL;
	if (fd < 0) {
		err_sys(err, ERR_audit_unavailable, "%s", path);
	} else {
		*out = piece_of(fd, path);
		rc = zst_open(&(*out)->zst, fd, err);
	}
	if (rc) {
		piece_unref(*out);
		*out = NULL;
	}
	free(path);
	return rc;
}

int piece_open(struct piece **out, const char *dir, uint64_t first,
	       struct err *err)
{
	char *path = segment_path(dir, first, false);
	int fd = open_file(path), rc = 0;

	if (fd >= 0)
		*out = piece_of(fd, path);
	else if (errno == ENOENT)
		rc = open_packed(out, dir, first, err);
	else
		rc = err_sys(err, ERR_audit_unavailable, "%s", path);
	free(path);
	return rc;
}

int piece_fd(const struct piece *p)
{
	return p->fd;
}

const char *piece_path(const struct piece *p)
{
	return p->path;
}

bool piece_gone(const struct piece *p)
{
	struct stat st;

	return !fstat(p->fd, &st) && !st.st_nlink;
}

int piece_size(const struct piece *p, uint64_t *size, struct err *err)
{
	struct stat st;

	if (!p->zst && fstat(p->fd, &st))
		return err_sys(err, ERR_audit_unavailable, "%s", p->path);
	*size = p->zst ? zst_size(p->zst) : (uint64_t)st.st_size;
	return 0;
}

static int read_plain(const struct piece *p, uint64_t off, size_t len,
		      char *out, struct err *err)
{
	while (len) {
		ssize_t n = pread(p->fd, out, len, (off_t)off);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, ERR_io, "reading %s", p->path);
		if (!n)
			return err_set(err, ERR_io, "%s was cut at byte %llu",
				       p->path, (unsigned long long)off);
		out += n;
		off += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

int piece_read(void *piece, uint64_t off, size_t len, char *out,
	       struct err *err)
{
	struct piece *p = piece;
	int rc;

	if (!p->zst)
		return read_plain(p, off, len, out, err);
	pthread_mutex_lock(&p->lock);
	rc = zst_pread(p->zst, off, len, out, err);
	pthread_mutex_unlock(&p->lock);
	return rc;
}

int piece_cut(struct piece *p, uint64_t end, struct err *err)
{
	int fd = open(p->path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW), rc;

	rc = fd < 0 || ftruncate(fd, (off_t)end) || fsync(fd);
	if (rc)
		err_sys(err, ERR_audit_unavailable, "cutting the fill off %s",
			p->path);
	if (fd >= 0)
		close(fd);
	return rc ? -1 : 0;
}
