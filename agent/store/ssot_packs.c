/* See ssot_packs.h. */
#include "agent/store/ssot_packs.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "agent/store/ssot_git.h"
#include "common/err.h"
#include "common/log.h"
#include "common/mem.h"

#define IDX_HEAD (8 + 1024)	/* magic, version, fan-out */
#define TAIL (2 * GIT_RAW)	/* two checksums end an index */
#define SAMPLES 16		/* of a repacked pack most are deltas */
#define PER_OBJECT (GIT_RAW + 8)
#define A_DAY 86400

struct idx {
	const uint8_t *bytes;
	size_t len;
	uint32_t n;
};

static uint32_t be32(const uint8_t *b)
{
	return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 |
	       (uint32_t)b[2] << 8 | b[3];
}

static void idx_fini(struct idx *x)
{
	if (x->bytes)
		munmap((void *)x->bytes, x->len);
}

static int open_part(const char *folder, const char *name, const char *ext)
{
	char *path = xasprintf("%s/%s%s", folder, name, ext);
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	free(path);
	return fd;
}

/* Its fan-out only grows, and it is as long as that many objects need. */
static bool sound(const struct idx *x)
{
	if (x->len < IDX_HEAD + TAIL || memcmp(x->bytes, "\377tOc\0\0\0\2", 8))
		return false;
	for (size_t i = 1; i < 256; i++)
		if (be32(x->bytes + 8 + 4 * i) < be32(x->bytes + 4 + 4 * i))
			return false;
	return x->len - IDX_HEAD - TAIL >=
	       (size_t)be32(x->bytes + IDX_HEAD - 4) * PER_OBJECT;
}

static bool idx_open(struct idx *x, const char *folder, const char *name)
{
	int fd = open_part(folder, name, ".idx");
	struct stat st;
	void *at = MAP_FAILED;

	*x = (struct idx){0};
	if (fd < 0)
		return false;
	if (!fstat(fd, &st) && st.st_size > 0)
		at = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd,
			  0);
	close(fd);
	if (at == MAP_FAILED)
		return false;
	x->bytes = at;
	x->len = (size_t)st.st_size;
	if (sound(x)) {
		x->n = be32(x->bytes + IDX_HEAD - 4);
		return true;
	}
	idx_fini(x);
	return false;
}

static const uint8_t *id_at(const struct idx *x, uint32_t i)
{
	return x->bytes + IDX_HEAD + (size_t)i * GIT_RAW;
}

static bool idx_has(const struct idx *x, const uint8_t *id)
{
	const uint8_t *fan = x->bytes + 8;
	uint32_t low = *id ? be32(fan + 4 * (*id - 1)) : 0;
	uint32_t high = be32(fan + 4 * *id);

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;
		int order = memcmp(id_at(x, mid), id, GIT_RAW);

		if (!order)
			return true;
		if (order < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return false;
}

/* Of some objects all over the pack: are they all stored as they are? */
static bool is_whole(const struct idx *x, int pack)
{
	const uint8_t *offsets = id_at(x, x->n) + 4 * (size_t)x->n;

	for (uint32_t i = 0; i < SAMPLES; i++) {
		size_t at = (size_t)x->n * i / SAMPLES;
		uint32_t off = x->n ? be32(offsets + 4 * at) : 0;
		uint8_t first;

		if (off >> 31 || (x->n && pread(pack, &first, 1, off) != 1))
			return false;
		if (x->n && (first >> 4 & 7) > PACK_BLOB)
			return false;
	}
	return true;
}

static bool has_part(int dir, const char *name, const char *ext)
{
	char file[PACK_NAME + 8];

	snprintf(file, sizeof(file), "%s%s", name, ext);
	return !faccessat(dir, file, F_OK, 0);
}

/* False: no pack, or one that is just coming or going. */
static bool look(const char *folder, int dir, const char *file,
		 struct pack_facts *f)
{
	size_t len = strlen(file);
	struct stat st;
	struct idx x;
	int fd;

	if (len != PACK_NAME - 1 + 5 || strncmp(file, "pack-", 5) ||
	    strcmp(file + PACK_NAME - 1, ".pack"))
		return false;
	*f = (struct pack_facts){0};
	memcpy(f->name, file, PACK_NAME - 1);
	fd = open_part(folder, f->name, ".pack");
	if (fd < 0 || fstat(fd, &st) || !idx_open(&x, folder, f->name)) {
		if (fd >= 0)
			close(fd);
		return false;
	}
	f->bytes = (uint64_t)st.st_size + x.len;
	f->objects = x.n;
	f->changed_ns = st.st_mtim.tv_sec * 1000000000LL + st.st_mtim.tv_nsec;
	f->kept = has_part(dir, f->name, ".keep");
	f->whole = is_whole(&x, fd);
	idx_fini(&x);
	close(fd);
	return true;
}

static int by_objects(const void *a, const void *b)
{
	const struct pack_facts *x = a, *y = b;

	return x->objects != y->objects ?
	       (x->objects > y->objects) - (x->objects < y->objects) :
	       strcmp(x->name, y->name);
}

int packs_list(const char *folder, struct pack_facts **out, size_t *n,
	       struct err *err)
{
	DIR *d = opendir(folder);
	struct pack_facts *list = NULL;
	struct dirent *e;
	size_t room = 0;

	*n = 0;
	if (!d)
		return err_sys(err, ERR_io, "%s", folder);
	while ((e = readdir(d))) {
		if (*n == room) {
			room = room ? 2 * room : 64;
			list = xrealloc(list, room * sizeof(*list));
		}
		*n += look(folder, dirfd(d), e->d_name, &list[*n]);
	}
	closedir(d);
	if (*n)
		qsort(list, *n, sizeof(*list), by_objects);
	*out = list;
	return 0;
}

int pack_covers(const char *folder, const char *by, const char *name,
		struct err *err)
{
	struct idx all = {0}, some = {0};
	int has = 1;

	if (!idx_open(&all, folder, by) || !idx_open(&some, folder, name)) {
		idx_fini(&all);
		return err_set(err, ERR_io, "%s: the index of %s or %s cannot "
			       "be read", folder, by, name);
	}
	for (uint32_t i = 0; has && i < some.n; i++)
		has = idx_has(&all, id_at(&some, i));
	idx_fini(&all);
	idx_fini(&some);
	return has;
}

/* The index first: without it the pack is not there any more. */
void pack_drop(const char *folder, const char *name)
{
	static const char *const parts[] = {".idx", ".rev", ".bitmap",
					    ".mtimes", ".pack"};

	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		char *path = xasprintf("%s/%s%s", folder, name, parts[i]);

		unlink(path);
		free(path);
	}
}

size_t packs_loose(const char *objects)
{
	size_t n = 0;

	for (unsigned i = 0; i < 256; i++) {
		char *path = xasprintf("%s/%02x", objects, i);
		DIR *d = opendir(path);
		struct dirent *e;

		while (d && (e = readdir(d)))
			n += strlen(e->d_name) == 2 * GIT_RAW - 2;
		if (d)
			closedir(d);
		free(path);
	}
	return n;
}

/*
 * Does anybody have it open? Only where nobody has can there be a lease of
 * this kind. Who opens it just now has us told by a signal that is ignored.
 */
static bool in_use(int dir, const char *name)
{
	int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	bool free_of_others = fd >= 0 && !fcntl(fd, F_SETSIG, SIGURG) &&
			      !fcntl(fd, F_SETLEASE, F_WRLCK);

	if (free_of_others)
		fcntl(fd, F_SETLEASE, F_UNLCK);
	if (fd >= 0)
		close(fd);
	return !free_of_others;
}

size_t packs_sweep(const char *folder, int64_t older_s)
{
	DIR *d = opendir(folder);
	struct dirent *e;
	size_t n = 0;

	while (d && (e = readdir(d))) {
		struct stat st;
		int64_t age;

		if ((strncmp(e->d_name, "tmp_", 4) &&
		     strncmp(e->d_name, ".tmp-", 5)) ||
		    !strncmp(e->d_name, PACK_TEMP "_",
			     sizeof(PACK_TEMP)))	/* its writer's */
			continue;
		if (fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) ||
		    !S_ISREG(st.st_mode))
			continue;
		age = time(NULL) - st.st_mtime;
		if (age < older_s ||
		    (age < A_DAY && in_use(dirfd(d), e->d_name)))
			continue;
		if (!unlinkat(dirfd(d), e->d_name, 0)) {
			log_info("%s/%s was left behind: removed", folder,
				 e->d_name);
			n++;
		}
	}
	if (d)
		closedir(d);
	return n;
}

/* What its owner has set stays. */
static int set_unset(git_config *config, const char *key, const char *value)
{
	git_config_entry *e = NULL;
	int rc = git_config_get_entry(&e, config, key);

	git_config_entry_free(e);
	return rc == GIT_ENOTFOUND ?
	       git_config_set_string(config, key, value) : rc;
}

int packs_own(const char *repo, struct err *err)
{
	char *path = xasprintf("%s/config", repo);
	git_config *config = NULL;
	int rc = 0;

	ssot_git_setup();
	if (git_config_open_ondisk(&config, path) ||
	    set_unset(config, "gc.auto", "0") ||
	    set_unset(config, "receive.autogc", "false") ||
	    set_unset(config, "receive.fsckObjects", "true"))
		rc = ssot_git_error(err, "the settings of %s", repo);
	git_config_free(config);
	free(path);
	return rc;
}
