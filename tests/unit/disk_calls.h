/* The calls of disk.h, as --wrap wants them. Included by one file. */
#pragma once
#include "tests/unit/disk.h"

#define DISK_PLAIN(type, name, params, args)				\
	type __wrap_##name params;					\
	type __wrap_##name params					\
	{								\
		type rc;						\
									\
		if (disk_fails(__func__))					\
			return -1;					\
		rc = __real_##name args;				\
		disk_did();						\
		return rc;						\
	}

/*
 * Where a write would be short a file has been cut: there is no more. A disk
 * that lies reads another bit.
 */
#define DISK_READ(name, params, args)					\
	ssize_t __wrap_##name params;					\
	ssize_t __wrap_##name params					\
	{								\
		ssize_t n;						\
									\
		if (disk_fails(__func__))					\
			return -1;					\
		n = disk_now(DISK_SHORT) ? 0 : __real_##name args;	\
		if (n > 0 && disk_now(DISK_LIES))			\
			((char *)data)[n / 2] ^= 4;			\
		disk_did();						\
		return n;						\
	}

DISK_READ(read, (int fd, void *data, size_t len), (fd, data, len))
DISK_READ(pread, (int fd, void *data, size_t len, off_t at),
	  (fd, data, len, at))
DISK_PLAIN(int, fstat, (int fd, struct stat *st), (fd, st))
DISK_PLAIN(int, stat, (const char *path, struct stat *st), (path, st))

int __wrap_openat(int dir, const char *path, int flags, ...);
int __wrap_openat(int dir, const char *path, int flags, ...)
{
	char full[PATH_MAX];
	va_list ap;
	bool new;
	mode_t mode;
	int fd;

	va_start(ap, flags);
	mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(ap, mode_t) : 0;
	va_end(ap);
	if (disk_fails(__func__))
		return -1;
	disk_path(dir, path, full);
	new = flags & O_CREAT && access(full, F_OK);
	fd = __real_openat(dir, path, flags, mode);
	if (disk.on && fd >= 0 && new) {
		disk_file(fd, true);
		disk_name(NAME_MADE, full, NULL, false);
	}
	disk_did();
	return fd;
}

int __wrap_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...)
{
	mode_t mode;
	va_list ap;

	va_start(ap, flags);
	mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(ap, mode_t) : 0;
	va_end(ap);
	return __wrap_openat(AT_FDCWD, path, flags, mode);
}

int __wrap_mkostemp(char *path, int flags);
int __wrap_mkostemp(char *path, int flags)
{
	int fd;

	if (disk_fails(__func__))
		return -1;
	fd = __real_mkostemp(path, flags);
	if (disk.on && fd >= 0) {
		disk_file(fd, true);
		disk_name(NAME_MADE, path, NULL, false);
	}
	disk_did();
	return fd;
}

/* A write that is cut short, or stops, has done half of it. */
static size_t disk_part(size_t len)
{
	return len > 1 && (disk_now(DISK_SHORT) ||
			   disk_now(DISK_STOPS_AFTER)) ? len / 2 : len;
}

ssize_t __wrap_write(int fd, const void *data, size_t len);
ssize_t __wrap_write(int fd, const void *data, size_t len)
{
	ssize_t n;

	if (disk_fails(__func__))
		return -1;
	if (disk.on)
		disk_file(fd, false);
	n = __real_write(fd, data, disk_part(len));
	disk_did();
	return n;
}

ssize_t __wrap_pwrite(int fd, const void *data, size_t len, off_t at);
ssize_t __wrap_pwrite(int fd, const void *data, size_t len, off_t at)
{
	ssize_t n;

	if (disk_fails(__func__))
		return -1;
	if (disk.on)
		disk_file(fd, false);
	n = __real_pwrite(fd, data, disk_part(len), at);
	disk_did();
	return n;
}

int __wrap_ftruncate(int fd, off_t size);
int __wrap_ftruncate(int fd, off_t size)
{
	int rc;

	if (disk_fails(__func__))
		return -1;
	if (disk.on)
		disk_file(fd, false);
	rc = __real_ftruncate(fd, size);
	disk_did();
	return rc;
}

#define DISK_SYNC(name)							\
	int __wrap_##name(int fd);					\
	int __wrap_##name(int fd)					\
	{								\
		int rc;							\
									\
		if (disk_fails(__func__))					\
			return -1;					\
		rc = __real_##name(fd);					\
		if (disk.on && !rc)					\
			disk_synced(fd);				\
		disk_did();						\
		return rc;						\
	}

DISK_SYNC(fsync)
DISK_SYNC(fdatasync)

int __wrap_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to)
{
	int rc;

	if (disk_fails(__func__))
		return -1;
	if (disk.on)
		disk_name(NAME_MOVED, to, from, true);
	rc = __real_rename(from, to);
	if (disk.on && rc)
		disk.n_names--;
	for (size_t i = 0; !rc && i < disk.n_files; i++)
		if (!strcmp(disk.files[i].path, from))
			strcpy(disk.files[i].path, to);
	disk_did();
	return rc;
}

int __wrap_linkat(int from_dir, const char *from, int to_dir, const char *to,
		  int flags);
int __wrap_linkat(int from_dir, const char *from, int to_dir, const char *to,
		  int flags)
{
	char full[PATH_MAX];
	int rc;

	if (disk_fails(__func__))
		return -1;
	disk_path(to_dir, to, full);
	rc = __real_linkat(from_dir, from, to_dir, to, flags);
	if (disk.on && !rc)
		disk_name(NAME_MADE, full, NULL, false);
	disk_did();
	return rc;
}

int __wrap_unlinkat(int dir, const char *path, int flags);
int __wrap_unlinkat(int dir, const char *path, int flags)
{
	char full[PATH_MAX];
	int rc;

	if (disk_fails(__func__))
		return -1;
	disk_path(dir, path, full);
	if (disk.on)
		disk_name(NAME_GONE, full, NULL, true);
	rc = __real_unlinkat(dir, path, flags);
	if (disk.on && rc)
		disk.n_names--;
	disk_did();
	return rc;
}

int __wrap_unlink(const char *path);
int __wrap_unlink(const char *path)
{
	return __wrap_unlinkat(AT_FDCWD, path, 0);
}
