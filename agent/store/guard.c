/*
 * See guard.h. It is the open file that is asked about, never its path, which
 * may lead elsewhere a moment later.
 */
#include "agent/store/guard.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "common/mem.h"

static bool is_below(const char *home, int fd)
{
	char link[48], real[PATH_MAX];
	size_t len = strlen(home);
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, real, sizeof(real));
	return n < 0 || ((size_t)n > len && real[len] == '/' &&
			 !memcmp(real, home, len));
}

static bool has_entry(DIR *dir, const struct stat *st)
{
	const struct dirent *e;
	struct stat own;

	while ((e = readdir(dir)))
		if (!fstatat(dirfd(dir), e->d_name, &own,
			     AT_SYMLINK_NOFOLLOW) &&
		    own.st_ino == st->st_ino && own.st_dev == st->st_dev)
			return true;
	return false;
}

/* A folder that cannot be read has nothing that could be compared. */
static bool is_in(const char *folder, const struct stat *st)
{
	DIR *dir = opendir(folder);
	bool found = dir && has_entry(dir, st);

	if (dir)
		closedir(dir);
	return found;
}

/* A second name of a secret is as good as its first. */
static bool is_linked(const char *home, int fd)
{
	char keys[PATH_MAX];
	struct stat st;

	if (fstat(fd, &st))
		return true;
	snprintf(keys, sizeof(keys), "%s/keys", home);
	return st.st_nlink > 1 && (is_in(home, &st) || is_in(keys, &st));
}

bool guard_covers(const char *home, int fd)
{
	return is_below(home, fd) || is_linked(home, fd);
}

bool guard_is(const char *path, int fd)
{
	struct stat it, own;

	return !stat(path, &it) && !fstat(fd, &own) &&
	       it.st_ino == own.st_ino && it.st_dev == own.st_dev;
}

bool guard_made_up(int fd)
{
	static const long kinds[] = {
		PROC_SUPER_MAGIC, SYSFS_MAGIC, DEBUGFS_MAGIC, TRACEFS_MAGIC,
		SECURITYFS_MAGIC, SELINUX_MAGIC, CGROUP_SUPER_MAGIC,
		CGROUP2_SUPER_MAGIC, BPF_FS_MAGIC, NSFS_MAGIC,
	};
	struct statfs fs;

	if (fstatfs(fd, &fs))
		return true;
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if ((long)fs.f_type == kinds[i])
			return true;
	return false;
}
