/* See fs.h. */
#include "common/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/err.h"
#include "common/mem.h"

char *fs_read(const char *path, size_t max, size_t *len, struct err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *out = NULL;
	size_t n = 0;
	ssize_t got = -1;

	if (fd >= 0) {
		out = xmalloc(max + 2);
		while (n <= max && (got = read(fd, out + n, max + 1 - n)) > 0)
			n += (size_t)got;
	}
	if (fd < 0 || got < 0)
		err_sys(err, ERR_io, "%s", path);
	else if (n > max)
		err_set(err, ERR_io, "%s: over %zu bytes", path, max);
	if (fd >= 0)
		close(fd);
	if (fd < 0 || got < 0 || n > max) {
		free(out);
		return NULL;
	}
	out[n] = 0;
	if (len)
		*len = n;
	return xrealloc(out, n + 1);
}

int fs_write_all(int fd, const void *data, size_t len)
{
	const char *at = data;

	while (len) {
		ssize_t n = write(fd, at, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		at += n;
		len -= (size_t)n;
	}
	return 0;
}

int fs_sync_dir(const char *path, struct err *err)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc;

	rc = fd < 0 ? -1 : fsync(fd);
	if (rc)
		err_sys(err, ERR_io, "syncing %s", path);
	if (fd >= 0)
		close(fd);
	return rc;
}

int fs_replace(const char *path, const void *data, size_t len, mode_t mode,
	       struct err *err)
{
	char *beside = xasprintf("%s.XXXXXX", path), *copy = xstrdup(path);
	int fd = mkostemp(beside, O_CLOEXEC), rc = -1;

	if (fd >= 0 && !fchmod(fd, mode) && !fs_write_all(fd, data, len) &&
	    !fsync(fd) && !rename(beside, path))
		rc = fs_sync_dir(dirname(copy), err);
	else
		err_sys(err, ERR_io, "writing %s", path);
	if (rc && fd >= 0)
		unlink(beside);
	if (fd >= 0)
		close(fd);
	free(beside);
	free(copy);
	return rc;
}

int fs_mkdir(const char *path, mode_t mode, struct err *err)
{
	char *copy = xstrdup(path);
	int rc = 0;

	for (char *c = copy + 1; *c && !rc; c++)
		if (*c == '/') {
			*c = 0;
			rc = mkdir(copy, mode) && errno != EEXIST ? -1 : 0;
			*c = '/';
		}
	if (!rc && mkdir(copy, mode) && errno != EEXIST)
		rc = -1;
	if (rc)
		err_sys(err, ERR_io, "making the folder %s", path);
	free(copy);
	return rc;
}

static int remove_one(const char *path, const struct stat *st, int type,
		      struct FTW *at)
{
	(void)st, (void)type, (void)at;
	return remove(path);
}

int fs_remove_tree(const char *path)
{
	return nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}
