/* Evidence, read: nothing is given out before its bytes were hashed. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/store/evidence_inner.h"
#include "common/err.h"
#include "common/fs.h"
#include "common/mem.h"

#define CHUNK (1 << 18)

/* An open regular file of that name, unread. */
static int open_named(struct evidence *e, const char *sha256, struct err *err)
{
	struct stat st;
	int shelf, fd = -1;

	if (!is_hex(sha256, SHA256_HEX - 1))
		return err_set(err, ERR_not_found, "no SHA-256 in hex");
	shelf = evidence_shelf(e, sha256, false);
	if (shelf >= 0)
		fd = openat(shelf, sha256,
			    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		err_set(err, ERR_not_found, "no evidence %s", sha256);
	else if (fd < 0 && errno != ELOOP && errno != ENOTDIR)
		err_sys(err, ERR_io, "evidence %s", sha256);
	else if (fd < 0 || fstat(fd, &st) || !S_ISREG(st.st_mode)) {
		err_set(err, ERR_evidence_corrupt, "%s is no file", sha256);
		if (fd >= 0)
			close(fd);
		fd = -1;
	}
	if (shelf >= 0)
		close(shelf);
	return fd;
}

bool evidence_has(struct evidence *e, const char *sha256)
{
	int fd = open_named(e, sha256, NULL);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static int not_what_it_says(const char *sha256, const char *is,
			    struct err *err)
{
	return err_set(err, ERR_evidence_corrupt,
		       "what is stored as %s has the SHA-256 %s", sha256, is);
}

int evidence_peek(struct evidence *e, const char *sha256, int *fd,
		  uint64_t *size, struct err *err)
{
	struct stat st;
	int in = open_named(e, sha256, err);

	if (in < 0)
		return -1;
	if (fstat(in, &st)) {
		close(in);
		return err_sys(err, ERR_io, "evidence %s", sha256);
	}
	*fd = in;
	*size = (uint64_t)st.st_size;
	return 0;
}

int evidence_get(struct evidence *e, const char *sha256, int *fd,
		 uint64_t *size, struct err *err)
{
	int in = open_named(e, sha256, err);
	char is[SHA256_HEX];
	uint64_t n;

	if (in < 0)
		return -1;
	if (sha256_fd(in, is, &n, err) ||
	    (strcmp(is, sha256) && not_what_it_says(sha256, is, err))) {
		close(in);
		return -1;
	}
	*fd = in;
	if (size)
		*size = n;
	return 0;
}

/* Copy in to out, both open; *is gets the hash of what was copied. */
static int copy(int in, int out, char is[SHA256_HEX], const char *path,
		struct err *err)
{
	struct sha256 *hash = sha256_new();
	char *chunk = xmalloc(CHUNK);
	uint8_t raw[SHA256_RAW];
	ssize_t n;
	int rc = 0;

	do {
		n = read(in, chunk, CHUNK);
		if (n > 0) {
			sha256_add(hash, chunk, (size_t)n);
			rc = fs_write_all(out, chunk, (size_t)n);
		}
	} while (!rc && (n > 0 || (n < 0 && errno == EINTR)));
	if (rc || n < 0)
		rc = err_sys(err, ERR_io, "copying evidence to %s", path);
	sha256_end(hash, raw);
	hex_of(raw, sizeof(raw), is);
	free(chunk);
	return rc;
}

int evidence_copy_out(struct evidence *e, const char *sha256,
		      const char *path, struct err *err)
{
	int in = open_named(e, sha256, err), out, rc;
	char is[SHA256_HEX];

	if (in < 0)
		return -1;
	out = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		   0600);
	if (out < 0) {
		close(in);
		return err_sys(err, ERR_io, "%s", path);
	}
	rc = copy(in, out, is, path, err);
	if (!rc && strcmp(is, sha256))
		rc = not_what_it_says(sha256, is, err);
	if (rc)
		unlink(path);
	close(out);
	close(in);
	return rc;
}
