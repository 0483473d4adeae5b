/* See journal_room.h. */
#include "agent/store/journal_room.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "common/err.h"
#include "common/fs.h"
#include "common/mem.h"

#define CHUNK (256u << 10)
#define PAGE 4096u

struct room { uint64_t free, floor; };

static struct room look(const char *dir)
{
	struct statvfs v;
	struct room r = {UINT64_MAX, 0};	/* the write will tell */

	if (statvfs(dir, &v))
		return r;
	r.free = (uint64_t)v.f_bavail * v.f_frsize;
	r.floor = (uint64_t)v.f_blocks * v.f_frsize / 16;
	r.floor = r.floor < RESERVE ? r.floor : RESERVE;
	return r;
}

uint64_t room_free(const char *dir)
{
	const struct room r = look(dir);

	return r.free > r.floor ? r.free - r.floor : 0;
}

bool room_low(const char *dir)
{
	const struct room r = look(dir);

	return r.free < r.floor / 2;
}

static int no_room(struct err *err)
{
	if (errno == ENOSPC || errno == EDQUOT)
		return err_set(err, ERR_audit_unavailable, "the disk is full");
	return err_sys(err, ERR_audit_unavailable, "the journal cannot grow");
}

static int write_fill(int fd, uint64_t *end, uint64_t to)
{
	char *fill = xmalloc(CHUNK);
	ssize_t n = 0;

	memset(fill, '\n', CHUNK);
	while (n >= 0 && *end < to) {
		n = pwrite(fd, fill, to - *end < CHUNK ? to - *end : CHUNK,
			   (off_t)*end);
		if (n < 0 && errno == EINTR)
			n = 0;
		*end += n > 0 ? (uint64_t)n : 0;
	}
	free(fill);
	return n < 0 ? -1 : 0;
}

int room_fill(int fd, const char *dir, uint64_t *end, uint64_t to,
	      struct err *err)
{
	const uint64_t left = room_free(dir), before = *end;
	const bool all = left >= to - before;
	int rc;

	if (!all)
		to = before + left / PAGE * PAGE;
	rc = write_fill(fd, end, to);
	if (rc)
		no_room(err);
	if (*end > before && fdatasync(fd)) {
		*end = before;
		return err_sys(err, ERR_audit_unavailable,
			       "the journal cannot grow");
	}
	return rc ? -1 : all ? 0 : (errno = ENOSPC, no_room(err));
}

static char *reserve_path(const char *dir)
{
	return xasprintf("%s/reserve", dir);
}

/* Data, not a hole; and nothing that a file system could make small. */
static int write_reserve(int fd)
{
	char block[PAGE];
	uint32_t x = 1;

	for (uint32_t done = 0; done < RESERVE; done += PAGE) {
		for (uint32_t i = 0; i < PAGE; i++)
			block[i] = (char)((x = x * 1103515245 + 12345) >> 24);
		if (fs_write_all(fd, block, PAGE))
			return -1;
	}
	return fsync(fd);
}

bool reserve_make(const char *dir)
{
	char *path = reserve_path(dir);
	struct stat st;
	bool there = !stat(path, &st) && st.st_size == RESERVE;
	int fd = -1;

	if (!there && room_free(dir) >= 8 * (uint64_t)RESERVE) {
		unlink(path);
		fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	}
	if (fd >= 0) {
		there = !write_reserve(fd);
		close(fd);
	}
	if (fd >= 0 && !there)
		unlink(path);
	free(path);
	return there;
}

void reserve_release(const char *dir)
{
	char *path = reserve_path(dir);

	unlink(path);
	free(path);
}
