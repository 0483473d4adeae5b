/*
 * See evidence.h. DIR/ab/<sha256> holds the files, DIR/tmp those being
 * written, each under a lock of its writer so that what a crash left behind
 * is told from what is in use. A name is linked, never renamed over: what is
 * stored once stays as it is.
 */
#include "agent/store/evidence.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/store/evidence_inner.h"
#include "agent/store/guard.h"
#include "common/err.h"
#include "common/fs.h"
#include "common/id.h"
#include "common/json.h"
#include "common/mem.h"

#define CHUNK (1 << 18)

struct evidence_file {
	struct evidence *store;
	struct sha256 *hash;
	uint64_t size;
	int fd;
	char name[24];		/* in tmp */
};

/* Only a file that nobody holds the lock of was left behind. */
void evidence_sweep(struct evidence *store)
{
	int tmp = store->tmp;
	DIR *d = fdopendir(openat(tmp, ".", O_RDONLY | O_DIRECTORY |
				  O_CLOEXEC));
	struct dirent *e;

	while (d && (e = readdir(d))) {
		int fd = openat(tmp, e->d_name,
				O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

		if (fd < 0)
			continue;
		if (*e->d_name != '.' && !flock(fd, LOCK_EX | LOCK_NB))
			unlinkat(tmp, e->d_name, 0);
		close(fd);
	}
	if (d)
		closedir(d);
}

int evidence_look(struct evidence **out, const char *dir, struct err *err)
{
	struct evidence *e = xcalloc(1, sizeof(*e));
	int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;

	e->path = xstrdup(dir);
	e->dir = e->tmp = -1;
	e->held = json_object();
	pthread_mutex_init(&e->lock, NULL);
	if (fs_mkdir(dir, 0700, err)) {
		evidence_close(e);
		return -1;
	}
	e->dir = open(dir, flags);
	if (e->dir >= 0 && (!mkdirat(e->dir, "tmp", 0700) || errno == EEXIST))
		e->tmp = openat(e->dir, "tmp", flags | O_NOFOLLOW);
	if (e->tmp < 0) {
		err_sys(err, ERR_io, "opening the evidence store %s", dir);
		evidence_close(e);
		return -1;
	}
	*out = e;
	return 0;
}

int evidence_open(struct evidence **out, const char *dir, struct err *err)
{
	if (evidence_look(out, dir, err))
		return -1;
	evidence_sweep(*out);
	return 0;
}

void evidence_close(struct evidence *e)
{
	if (!e)
		return;
	if (e->dir >= 0)
		close(e->dir);
	if (e->tmp >= 0)
		close(e->tmp);
	pthread_mutex_destroy(&e->lock);
	json_decref(e->held);
	free(e->guarded);
	json_decref(e->guarded_files);
	free(e->path);
	free(e);
}

void evidence_guard(struct evidence *e, const char *dir)
{
	free(e->guarded);
	e->guarded = realpath(dir, NULL);
}

void evidence_guard_file(struct evidence *e, const char *path)
{
	if (!e->guarded_files)
		e->guarded_files = json_array();
	json_array_append_new(e->guarded_files, json_string(path));
}

bool evidence_guards(const struct evidence *e, int fd)
{
	json_t *path;
	size_t i;

	json_array_foreach (e->guarded_files, i, path)
		if (guard_is(json_string_value(path), fd))
			return true;
	return e->guarded && guard_covers(e->guarded, fd);
}

/* Open and lock a new file; again if it was swept away in between. */
static int new_file(struct evidence *e, char *name)
{
	struct stat st;
	int fd;

	for (;;) {
		random_base62(name, 20);
		fd = openat(e->tmp, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC,
			    0600);
		if (fd < 0)
			return -1;
		if (!flock(fd, LOCK_EX) && !fstat(fd, &st) && st.st_nlink)
			return fd;
		close(fd);
	}
}

int evidence_scratch(struct evidence *e, struct err *err)
{
	char name[24];
	int fd = new_file(e, name);

	if (fd < 0)
		return err_sys(err, ERR_io, "a new file in %s/tmp", e->path);
	unlinkat(e->tmp, name, 0);
	return fd;
}

struct evidence_file *evidence_begin(struct evidence *e, struct err *err)
{
	struct evidence_file *f = xcalloc(1, sizeof(*f));

	f->store = e;
	f->fd = new_file(e, f->name);
	if (f->fd < 0) {
		err_sys(err, ERR_io, "a new file in %s/tmp", e->path);
		free(f);
		return NULL;
	}
	f->hash = sha256_new();
	return f;
}

int evidence_write(struct evidence_file *f, const void *data, size_t len,
		   struct err *err)
{
	if (fs_write_all(f->fd, data, len))
		return err_sys(err, ERR_io, "writing evidence in %s",
			       f->store->path);
	sha256_add(f->hash, data, len);
	f->size += len;
	return 0;
}

size_t evidence_head(const struct evidence_file *f, void *out, size_t len)
{
	ssize_t n = pread(f->fd, out, len, 0);

	return n > 0 ? (size_t)n : 0;
}

int evidence_shelf(struct evidence *e, const char *sha256, bool make)
{
	char name[3] = {sha256[0], sha256[1], 0};
	int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

	if (make && mkdirat(e->dir, name, 0700) && errno != EEXIST)
		return -1;
	if (make && fsync(e->dir))	/* whoever made it */
		return -1;
	return openat(e->dir, name, flags);
}

/* What is there already stays, if it can be what it is called. */
static int same_size(int shelf, const char *sha256, uint64_t size,
		     struct err *err)
{
	struct stat st;

	if (fstatat(shelf, sha256, &st, AT_SYMLINK_NOFOLLOW))
		return err_sys(err, ERR_io, "evidence %s", sha256);
	if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size != size)
		return err_set(err, ERR_evidence_corrupt,
			       "%s is stored with %lld bytes and has %llu",
			       sha256, (long long)st.st_size,
			       (unsigned long long)size);
	return 0;
}

/* One more (or less) of this hash is stored and not recorded. */
static void hold(struct evidence *e, const char *sha256, int change)
{
	json_int_t n;

	pthread_mutex_lock(&e->lock);
	n = json_int(e->held, sha256, 0) + change;
	if (n > 0)
		json_set_int(e->held, sha256, n);
	else
		json_object_del(e->held, sha256);
	pthread_mutex_unlock(&e->lock);
}

void evidence_recorded(struct evidence *e, const char *sha256)
{
	hold(e, sha256, -1);
}

bool evidence_held(struct evidence *e, const char *sha256)
{
	bool held;

	pthread_mutex_lock(&e->lock);
	held = json_object_get(e->held, sha256) != NULL;
	pthread_mutex_unlock(&e->lock);
	return held;
}

/* Durable bytes, then the name, then the name durable. */
static int place(struct evidence_file *f, const char *sha256, struct err *err)
{
	struct evidence *e = f->store;
	int shelf = -1, rc = -1;

	if (!fchmod(f->fd, 0400) && !fsync(f->fd))
		shelf = evidence_shelf(e, sha256, true);
	if (shelf < 0)
		return err_sys(err, ERR_io, "storing evidence %s", sha256);
	if (!linkat(e->tmp, f->name, shelf, sha256, 0))
		rc = 0;
	else if (errno == EEXIST)
		rc = same_size(shelf, sha256, f->size, err);
	else
		err_sys(err, ERR_io, "storing evidence %s", sha256);
	if (!rc && fsync(shelf))
		rc = err_sys(err, ERR_io, "storing evidence %s", sha256);
	close(shelf);
	return rc;
}

int evidence_commit(struct evidence_file *f, char sha256[SHA256_HEX],
		    uint64_t *size, struct err *err)
{
	uint8_t raw[SHA256_RAW];
	int rc;

	sha256_end(f->hash, raw);
	f->hash = NULL;
	hex_of(raw, sizeof(raw), sha256);
	if (size)
		*size = f->size;
	hold(f->store, sha256, 1);	/* before it has its name */
	rc = place(f, sha256, err);
	if (rc)
		hold(f->store, sha256, -1);
	evidence_abort(f);
	return rc;
}

void evidence_abort(struct evidence_file *f)
{
	uint8_t raw[SHA256_RAW];

	if (!f)
		return;
	if (f->hash)
		sha256_end(f->hash, raw);
	unlinkat(f->store->tmp, f->name, 0);
	close(f->fd);
	free(f);
}

/* Everything that fd gives into f. */
static int pour(struct evidence_file *f, int fd, struct err *err)
{
	char *chunk = xmalloc(CHUNK);
	ssize_t n;
	int rc = 0;

	do {
		n = read(fd, chunk, CHUNK);
		if (n > 0)
			rc = evidence_write(f, chunk, (size_t)n, err);
	} while (!rc && (n > 0 || (n < 0 && errno == EINTR)));
	if (!rc && n < 0)
		rc = err_sys(err, ERR_io, "reading what is to be stored");
	free(chunk);
	return rc;
}

int evidence_store_fd(struct evidence *e, int fd, char sha256[SHA256_HEX],
		      uint64_t *size, struct err *err)
{
	struct evidence_file *f = evidence_begin(e, err);

	if (!f)
		return -1;
	if (!pour(f, fd, err))
		return evidence_commit(f, sha256, size, err);
	evidence_abort(f);
	return -1;
}

int evidence_store(struct evidence *e, const void *data, size_t len,
		   char sha256[SHA256_HEX], struct err *err)
{
	struct evidence_file *f = evidence_begin(e, err);

	if (!f)
		return -1;
	if (!evidence_write(f, data, len, err))
		return evidence_commit(f, sha256, NULL, err);
	evidence_abort(f);
	return -1;
}

/* Out of its shelf; nobody waits for the bytes of a large file to be freed. */
static int take_away(struct evidence *e, const char *sha256, struct err *err)
{
	int shelf = evidence_shelf(e, sha256, false), rc = 0;
	char name[24];

	random_base62(name, 20);
	if (shelf < 0 || renameat(shelf, sha256, e->tmp, name))
		rc = errno == ENOENT ? 0 : -1;
	if (rc)
		err_sys(err, ERR_io, "removing evidence %s", sha256);
	if (shelf >= 0)
		close(shelf);
	return rc;
}

int evidence_remove(struct evidence *e, const char *sha256, struct err *err)
{
	int rc;

	if (!is_hex(sha256, SHA256_HEX - 1))
		return err_set(err, ERR_not_found, "no SHA-256 in hex");
	pthread_mutex_lock(&e->lock);
	rc = json_object_get(e->held, sha256) ? 1 : take_away(e, sha256, err);
	pthread_mutex_unlock(&e->lock);
	return rc;
}
