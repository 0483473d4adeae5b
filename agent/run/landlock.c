/*
 * See landlock.h. Numbers are of the kernel's ABI (Documentation/userspace-api/
 * landlock.rst); headers of an older kernel lack the newer ones.
 */
#include "agent/run/landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/err.h"

#define TRUNCATE (1ULL << 14)		/* LANDLOCK_ACCESS_FS_TRUNCATE, ABI 3 */
#define SCOPE_SIGNAL (1ULL << 1)	/* LANDLOCK_SCOPE_SIGNAL, ABI 6 */

struct rules { uint64_t fs, net, scoped; };

/* What of writing can be withheld from this version on. */
static const struct { int abi; uint64_t rights; } writing[] = {
	{1, LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |
	    LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_CHAR |
	    LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |
	    LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO |
	    LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM},
	{2, LANDLOCK_ACCESS_FS_REFER},
	{3, TRUNCATE},
};

static uint64_t rights_of(int abi)
{
	uint64_t all = 0;

	for (size_t i = 0; i < sizeof(writing) / sizeof(*writing); i++)
		if (writing[i].abi <= abi)
			all |= writing[i].rights;
	return all;
}

static int create(const struct rules *r, int abi)
{
	size_t size = abi >= LANDLOCK_SIGNALS ? sizeof(*r) : sizeof(r->fs);

	return (int)syscall(SYS_landlock_create_ruleset, r, size, 0);
}

int landlock_abi(void)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0,
			   LANDLOCK_CREATE_RULESET_VERSION);

	return abi < 0 ? 0 : (int)abi;
}

/* A file takes fewer rights than a folder. */
static int allow(int rules, const char *path, uint64_t rights,
		 struct err *err)
{
	struct landlock_path_beneath_attr at = {.allowed_access = rights};
	struct stat st;
	int rc;

	at.parent_fd = open(path, O_PATH | O_CLOEXEC);
	if (at.parent_fd < 0 || fstat(at.parent_fd, &st)) {
		err_sys(err, ERR_bad_config, "sandbox.write: %s", path);
		return err_hint(err, "Make it, or take it out of "
				"sandbox.write.");
	}
	if (!S_ISDIR(st.st_mode))
		at.allowed_access &= LANDLOCK_ACCESS_FS_WRITE_FILE | TRUNCATE;
	rc = (int)syscall(SYS_landlock_add_rule, rules,
			  LANDLOCK_RULE_PATH_BENEATH, &at, 0);
	if (rc)
		err_sys(err, ERR_bad_config, "sandbox.write: %s", path);
	close(at.parent_fd);
	return rc;
}

int landlock_writes(const char *const paths[], size_t n, struct err *err)
{
	const int abi = landlock_abi();
	const struct rules r = {.fs = rights_of(abi)};
	int fd = create(&r, abi), rc = fd < 0 ? -1 : 0;

	if (rc)
		err_sys(err, ERR_bad_config, "Landlock");
	for (size_t i = 0; !rc && i < n; i++)
		rc = allow(fd, paths[i], r.fs, err);
	if (!rc && (rc = (int)syscall(SYS_landlock_restrict_self, fd, 0)))
		err_sys(err, ERR_bad_config, "Landlock");
	if (fd >= 0)
		close(fd);
	return rc ? -1 : 0;
}

int landlock_signals(void)
{
	static const struct rules r = {.scoped = SCOPE_SIGNAL};
	const int abi = landlock_abi();
	int fd, rc;

	if (abi < LANDLOCK_SIGNALS)
		return -1;
	fd = create(&r, abi);
	if (fd < 0)
		return -1;
	rc = (int)syscall(SYS_landlock_restrict_self, fd, 0);
	close(fd);
	return rc;
}
