/*
 * A disk that fails, stops and forgets. A program that includes this is
 * linked with --wrap of each call below (see the Makefile). What is tried on
 * the disk is a child: at the call that the plan names the call fails, or
 * the child is gone; and, where the power is said to be lost, so is any part
 * of what was not synced: sectors of files, sizes, and the newest names.
 */
#pragma once
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/mem.h"

struct disk_plan {
	enum { DISK_WELL, DISK_FAILS, DISK_FAILS_ON, DISK_SHORT, DISK_LIES,
	       DISK_STOPS, DISK_STOPS_AFTER } what;
	unsigned at;		/* the call, counted from 1 */
	int error;		/* what it fails with */
	unsigned lose;		/* seed of what is lost at the end; 0: none */
	const char *only;	/* of this call alone, if it FAILS */
};

/* How a child ended. */
enum disk_end { DISK_DONE, DISK_WRONG, DISK_MISSED = 40, DISK_STOPPED };

#define DISK_SECTOR 512
#define DISK_FILES 64
#define DISK_NAMES 256

struct disk_file {		/* what of it is durable */
	dev_t dev;
	ino_t ino;
	char path[PATH_MAX];
	char *data;
	size_t size;
};

struct disk_name {		/* made, moved or gone, and not synced */
	enum { NAME_MADE, NAME_MOVED, NAME_GONE } how;
	char path[PATH_MAX], from[PATH_MAX];
	char *data;		/* what was at path; NULL: nothing */
	size_t size;
};

static struct {
	struct disk_plan plan;
	bool on, hit;
	unsigned calls;
	uint64_t random;
	pthread_mutex_t mutex;
	struct disk_file files[DISK_FILES];
	struct disk_name names[DISK_NAMES];
	size_t n_files, n_names;
} disk = {.mutex = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP};

void __gcov_dump(void) __attribute__((weak));	/* counted branches */
int __real_open(const char *path, int flags, ...);
int __real_openat(int dir, const char *path, int flags, ...);
int __real_mkostemp(char *path, int flags);
ssize_t __real_write(int fd, const void *data, size_t len);
ssize_t __real_pwrite(int fd, const void *data, size_t len, off_t at);
ssize_t __real_read(int fd, void *data, size_t len);
ssize_t __real_pread(int fd, void *data, size_t len, off_t at);
int __real_ftruncate(int fd, off_t size);
int __real_fsync(int fd);
int __real_fdatasync(int fd);
int __real_fstat(int fd, struct stat *st);
int __real_stat(const char *path, struct stat *st);
int __real_rename(const char *from, const char *to);
int __real_linkat(int from_dir, const char *from, int to_dir, const char *to,
		  int flags);
int __real_unlink(const char *path);
int __real_unlinkat(int dir, const char *path, int flags);

static inline unsigned disk_random(unsigned below)
{
	disk.random ^= disk.random << 13;
	disk.random ^= disk.random >> 7;
	disk.random ^= disk.random << 17;
	return (unsigned)(disk.random >> 11) % below;
}

static inline void disk_path(int dir, const char *name, char out[PATH_MAX])
{
	char link[64];
	ssize_t n = 0;

	if (*name != '/' && dir != AT_FDCWD) {
		snprintf(link, sizeof(link), "/proc/self/fd/%d", dir);
		n = readlink(link, out, PATH_MAX - 2);
		n = n < 0 ? 0 : n;
		if (*name)
			out[n++] = '/';
	}
	snprintf(out + n, (size_t)(PATH_MAX - n), "%s", name);
}

/* The whole file at this path; NULL if there is none. */
static inline char *disk_slurp(const char *path, size_t *size)
{
	int fd = __real_open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	char *data;

	*size = 0;
	if (fd < 0 || __real_fstat(fd, &st) || !S_ISREG(st.st_mode)) {
		if (fd >= 0)
			close(fd);
		return NULL;
	}
	data = xmalloc((size_t)st.st_size + 1);
	while (*size < (size_t)st.st_size) {
		ssize_t n = __real_read(fd, data + *size,
					(size_t)st.st_size - *size);
		if (n <= 0)
			break;
		*size += (size_t)n;
	}
	close(fd);
	return data;
}

static inline void disk_spill(const char *path, const char *data, size_t size)
{
	int fd = __real_open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
			     0600);

	for (size_t at = 0; fd >= 0 && at < size;) {
		ssize_t n = __real_write(fd, data + at, size - at);

		if (n <= 0)
			abort();
		at += (size_t)n;
	}
	close(fd);
}

/* The file behind fd; as it is now if it was not known before. */
static inline struct disk_file *disk_file(int fd, bool empty)
{
	struct disk_file *f;
	struct stat st;

	if (__real_fstat(fd, &st) || !S_ISREG(st.st_mode))
		return NULL;
	for (size_t i = 0; i < disk.n_files; i++)
		if (disk.files[i].dev == st.st_dev &&
		    disk.files[i].ino == st.st_ino)
			return &disk.files[i];
	if (disk.n_files == DISK_FILES)
		abort();
	f = &disk.files[disk.n_files++];
	f->dev = st.st_dev;
	f->ino = st.st_ino;
	disk_path(fd, "", f->path);
	f->data = empty ? NULL : disk_slurp(f->path, &f->size);
	return f;
}

static inline void disk_name(unsigned how, const char *path, const char *from,
			     bool keep)
{
	struct disk_name *n = &disk.names[disk.n_names];

	if (disk.n_names++ == DISK_NAMES)
		abort();
	n->how = how;
	snprintf(n->path, sizeof(n->path), "%s", path);
	snprintf(n->from, sizeof(n->from), "%s", from ? from : "");
	n->size = 0;
	n->data = keep ? disk_slurp(path, &n->size) : NULL;
}

static inline bool disk_within(const char *path, const char *dir)
{
	const char *slash = strrchr(path, '/');

	return slash && (size_t)(slash - path) == strlen(dir) &&
	       !strncmp(path, dir, strlen(dir));
}

/* What was synced is safe: a file's bytes, or the names in a folder. */
static inline void disk_synced(int fd)
{
	struct disk_file *f = disk_file(fd, false);
	char path[PATH_MAX];
	size_t kept = 0;

	disk_path(fd, "", path);
	if (f) {
		free(f->data);
		f->data = disk_slurp(path, &f->size);
		return;
	}
	for (size_t i = 0; i < disk.n_names; i++)
		if (disk_within(disk.names[i].path, path))
			free(disk.names[i].data);
		else
			disk.names[kept++] = disk.names[i];
	disk.n_names = kept;
}

/* Of each sector any of what was there, and is; and either of the sizes. */
static inline void disk_mix(const struct disk_file *f)
{
	size_t size, end;
	char *now = disk_slurp(f->path, &size);

	if (!now)
		return;
	end = disk_random(2) ? size : f->size;
	now = xrealloc(now, (size > end ? size : end) + 1);
	if (end > size)
		memset(now + size, 0, end - size);
	for (size_t at = 0; at < end; at += DISK_SECTOR) {
		size_t len = end - at < DISK_SECTOR ? end - at : DISK_SECTOR;
		size_t old = at >= f->size ? 0 :
			     f->size - at < len ? f->size - at : len;

		if (at < size && disk_random(2))
			continue;
		memset(now + at, 0, len);
		if (old)
			memcpy(now + at, f->data + at, old);
	}
	disk_spill(f->path, now, end);
	free(now);
}

/* The newest names go first: folders are journals themselves. */
static inline void disk_undo(const struct disk_name *n)
{
	if (n->how == NAME_MADE)
		__real_unlink(n->path);
	else if (n->how == NAME_MOVED)
		__real_rename(n->path, n->from);
	if (n->data)
		disk_spill(n->path, n->data, n->size);
}

static inline void disk_lose(void)
{
	size_t keep = disk.n_names;

	disk.random = disk.plan.lose * 2654435761u + 88172645463325252u;
	for (size_t i = 0; i < disk.n_files; i++)
		disk_mix(&disk.files[i]);
	if (disk.n_names)
		keep = disk_random((unsigned)disk.n_names + 1);
	while (disk.n_names > keep)
		disk_undo(&disk.names[--disk.n_names]);
}

static inline void disk_stop(void)
{
	if (disk.plan.lose)
		disk_lose();
	_exit(DISK_STOPPED);
}

/*
 * Before each call: is it to fail? Holds the lock if not. Which they are is
 * printed where KIRCERTA_TRACE is set.
 */
static inline bool disk_fails(const char *name)
{
	unsigned n;

	pthread_mutex_lock(&disk.mutex);
	if (!disk.on || (disk.plan.only &&
			 strcmp(disk.plan.only, name + strlen("__wrap_"))))
		return false;
	n = ++disk.calls;
	if (n < disk.plan.at || disk.plan.what == DISK_WELL ||
	    (n > disk.plan.at && disk.plan.what != DISK_FAILS_ON))
		return false;
	disk.hit = true;
	if (getenv("KIRCERTA_TRACE"))
		fprintf(stderr, "call %u is %s\n", n, name);
	if (disk.plan.what == DISK_STOPS)
		disk_stop();
	if (disk.plan.what != DISK_FAILS && disk.plan.what != DISK_FAILS_ON)
		return false;
	errno = disk.plan.error;
	pthread_mutex_unlock(&disk.mutex);
	return true;
}

static inline bool disk_now(unsigned what)
{
	return disk.on && disk.plan.what == what &&
	       disk.calls == disk.plan.at;
}

static inline void disk_did(void)
{
	int saved = errno;

	if (disk_now(DISK_STOPS_AFTER))
		disk_stop();
	pthread_mutex_unlock(&disk.mutex);
	errno = saved;
}

/*
 * Do it in a child on a disk with this plan. DISK_MISSED: it came to its end
 * before the plan did; DISK_DONE: after; DISK_STOPPED: it did not.
 */
static inline enum disk_end disk_try(const struct disk_plan *plan,
				     void (*work)(void *arg), void *arg)
{
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (!pid) {
		disk.plan = *plan;
		disk.on = true;
		work(arg);
		disk.on = false;
		if (plan->lose && disk.hit)
			disk_lose();
		if (__gcov_dump)
			__gcov_dump();
		_exit(disk.hit ? DISK_DONE : DISK_MISSED);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		abort();
	return WIFEXITED(status) ? (enum disk_end)WEXITSTATUS(status) :
				   DISK_WRONG;
}

/* From now on; until the next, or disk_well(). */
static inline void disk_breaks(unsigned what, const char *only, unsigned at,
			       int error)
{
	disk.plan = (struct disk_plan){.what = what, .at = at, .only = only,
				       .error = error};
	disk.calls = 0;
	disk.on = true;
}

static inline void disk_well(void)
{
	disk.on = false;
}
