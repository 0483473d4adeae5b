/*
 * See ssot_pack_file.h. Both are written under names that git does not take
 * for those of a pack, then named as it finds them, the index last. A pack that has no index yet is nothing;
 * if that is how it stays, the index under its other name tells whose it was.
 */
#include "agent/store/ssot_pack_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/store/ssot_pack.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/fs.h"
#include "common/mem.h"
#include "common/sha256.h"

struct names { char *pack, *idx; };

/* dot: '.', or '_' while they are not whole. */
static struct names names_of(const char *folder, const char *name, char dot)
{
	return (struct names){xasprintf("%s/%s%cpack", folder, name, dot),
			      xasprintf("%s/%s%cidx", folder, name, dot)};
}

static void names_fini(struct names *n)
{
	free(n->pack);
	free(n->idx);
}

static void drop_alone(const char *folder, const char *name)
{
	struct names n = names_of(folder, name, '.');

	if (access(n.idx, F_OK) && errno == ENOENT)
		unlink(n.pack);
	names_fini(&n);
}

/* An index ends with the checksum that names its pack, and one of its own. */
static bool name_in(const char *idx, char name[PACK_NAME])
{
	int fd = open(idx, O_RDONLY | O_CLOEXEC);
	uint8_t sums[2 * GIT_RAW];
	bool ok = fd >= 0 && lseek(fd, -(off_t)sizeof(sums), SEEK_END) >= 0 &&
		  read(fd, sums, sizeof(sums)) == (ssize_t)sizeof(sums);

	if (ok) {
		strcpy(name, "pack-");
		hex_of(sums, GIT_RAW, name + 5);
	}
	if (fd >= 0)
		close(fd);
	return ok;
}

static void clear(const char *folder, const struct names *temp)
{
	char name[PACK_NAME];

	if (name_in(temp->idx, name))
		drop_alone(folder, name);
	unlink(temp->pack);
	unlink(temp->idx);
}

static int write_file(const char *path, const struct buf *b)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444);
	int rc;

	if (fd < 0)
		return -1;
	rc = fs_write_all(fd, b->data, b->len) || fsync(fd) ? -1 : 0;
	close(fd);
	return rc;
}

int pack_file_write(const char *folder, const char *temp, const char *name,
		    const struct buf *pack, const struct buf *index,
		    struct err *err)
{
	struct names from = names_of(folder, temp, '_');
	struct names to = names_of(folder, name, '.');
	int rc = 0;

	clear(folder, &from);
	if (write_file(from.pack, pack) || write_file(from.idx, index) ||
	    rename(from.pack, to.pack) || rename(from.idx, to.idx))
		rc = err_sys(err, ERR_io, "writing %s", to.pack);
	else
		rc = fs_sync_dir(folder, err);
	if (rc)
		clear(folder, &from);
	names_fini(&from);
	names_fini(&to);
	return rc;
}
