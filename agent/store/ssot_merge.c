/*
 * See ssot_merge.h. The merged pack is durable before the others go, and
 * every object is checked on the way, so that damage stays where it is.
 */
#include "agent/store/ssot_merge.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "agent/store/ssot_pack.h"
#include "agent/store/ssot_packs.h"
#include "common/err.h"
#include "common/fs.h"
#include "common/mem.h"

#define MANY 32			/* packs of one class */
#define MOST 256		/* at a time */
#define MOST_BYTES (64 << 20)
#define IDX_HEAD (8 + 1024)	/* magic, version, fan-out */
#define TAIL (2 * GIT_RAW)	/* two checksums end an index */

/* Up to this size each; larger packs are not touched. */
static const off_t classes[] = {256 << 10, 4 << 20};

struct names {
	char *list[MOST];	/* without extension */
	size_t n;
};

static void names_fini(struct names *s)
{
	while (s->n)
		free(s->list[--s->n]);
}

static size_t class_of(off_t size)
{
	size_t c = 0;

	while (c < ARRAY_LEN(classes) && size > classes[c])
		c++;
	return c;
}

static bool touched_by(const struct stat *st, int64_t ns)
{
	return st->st_mtim.tv_sec * 1000000000LL + st->st_mtim.tv_nsec <= ns;
}

/* The packs of one class; those with a .keep are somebody's. */
static int list_packs(const char *folder, size_t want, int64_t since_ns,
		      struct names *out, struct err *err)
{
	DIR *d = opendir(folder);
	struct dirent *e;

	if (!d)
		return err_sys(err, ERR_io, "%s", folder);
	while (out->n < MOST && (e = readdir(d))) {
		size_t len = strlen(e->d_name);
		struct stat st;
		char *name;

		if (len < 6 || strncmp(e->d_name, "pack-", 5) ||
		    strcmp(e->d_name + len - 5, ".pack") ||
		    fstatat(dirfd(d), e->d_name, &st, 0) ||
		    class_of(st.st_size) != want || touched_by(&st, since_ns))
			continue;
		name = xasprintf("%s/%.*s", folder, (int)len - 5, e->d_name);
		memcpy(e->d_name + len - 5, ".keep", 5);
		if (faccessat(dirfd(d), e->d_name, F_OK, 0))
			out->list[out->n++] = name;
		else
			free(name);
	}
	closedir(d);
	return 0;
}

static uint32_t be32(const char *at)
{
	const uint8_t *b = (const uint8_t *)at;

	return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 |
	       (uint32_t)b[2] << 8 | b[3];
}

static char *read_part(const char *name, const char *ext, size_t *len,
		       struct err *err)
{
	char *path = xasprintf("%s%s", name, ext);
	char *bytes = fs_read(path, (size_t)2 * classes[1], len, err);

	free(path);
	return bytes;
}

struct place { uint32_t at, end, crc; const char *id; };

static int by_place(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	return (x->at > y->at) - (x->at < y->at);
}

/* Where each object lies, in order; NULL if the index does not fit. */
static struct place *places(const char *idx, size_t idx_len, size_t pack_len,
			    uint32_t *n)
{
	const char *ids = idx + IDX_HEAD, *crcs, *ats;
	struct place *list;

	if (idx_len < IDX_HEAD + TAIL || memcmp(idx, "\377tOc\0\0\0\2", 8))
		return NULL;
	*n = be32(ids - 4);
	if (idx_len != IDX_HEAD + TAIL + (size_t)*n * (GIT_RAW + 8))
		return NULL;
	crcs = ids + (size_t)*n * GIT_RAW;
	ats = crcs + (size_t)*n * 4;
	list = xcalloc(*n + 1, sizeof(*list));
	for (uint32_t i = 0; i < *n; i++)
		list[i] = (struct place){.id = ids + (size_t)i * GIT_RAW,
					 .at = be32(ats + 4 * (size_t)i),
					 .crc = be32(crcs + 4 * (size_t)i)};
	qsort(list, *n, sizeof(*list), by_place);
	for (uint32_t i = 0; i < *n; i++)
		list[i].end = i + 1 < *n ? list[i + 1].at :
			      (uint32_t)(pack_len - GIT_RAW);
	return list;
}

/* A whole object: of a plain type, in its bounds, with its checksum. */
static bool sound(const struct place *p, const char *pack, size_t pack_len)
{
	unsigned type;

	if (p->at < 12 || p->end <= p->at || p->end > pack_len - GIT_RAW)
		return false;
	type = (uint8_t)pack[p->at] >> 4 & 7;
	return type >= PACK_COMMIT && type <= PACK_BLOB &&
	       crc32(0, (const Bytef *)pack + p->at, p->end - p->at) == p->crc;
}

/* All objects of a pack into into, or none: false leaves the pack alone. */
static bool take(struct pack *into, const char *name, struct err *err)
{
	size_t pack_len = 0, idx_len = 0;
	char *pack = read_part(name, ".pack", &pack_len, err);
	char *idx = pack ? read_part(name, ".idx", &idx_len, err) : NULL;
	struct place *list = NULL;
	uint32_t n = 0;
	bool ok;

	if (idx && pack_len > 12 + GIT_RAW)
		list = places(idx, idx_len, pack_len, &n);
	ok = list && be32(pack + 8) == n;
	for (uint32_t i = 0; ok && i < n; i++)
		ok = sound(&list[i], pack, pack_len);
	for (uint32_t i = 0; ok && i < n; i++)
		pack_add_packed(into, (const uint8_t *)list[i].id,
				pack + list[i].at, list[i].end - list[i].at);
	free(list);
	free(idx);
	free(pack);
	return ok;
}

/* Gather what can be; the names of the others are forgotten. */
static void take_all(struct pack *into, struct names *names)
{
	size_t kept = 0;

	for (size_t i = 0; i < names->n; i++) {
		char *name = names->list[i];

		if (pack_bytes(into) < MOST_BYTES && take(into, name, NULL))
			names->list[kept++] = name;
		else
			free(name);
	}
	names->n = kept;
}

static int merge(const char *folder, struct names *names, struct err *err)
{
	struct pack *into = pack_new(PACK_TEMP);
	char name[PACK_NAME];
	int rc = 0;

	take_all(into, names);
	if (names->n >= MANY / 2)
		rc = pack_write(into, folder, name, err) ? -1 : 1;
	for (size_t i = 0; i < names->n && rc > 0; i++)
		if (strcmp(strrchr(names->list[i], '/') + 1, name))
			pack_drop(folder,
				  strrchr(names->list[i], '/') + 1);
	pack_free(into);
	return rc;
}

int ssot_merge_packs(const char *folder, int64_t since_ns, struct err *err)
{
	int merged = 0;

	for (size_t c = 0; c < ARRAY_LEN(classes); c++) {
		struct names names = {0};
		int rc = list_packs(folder, c, since_ns, &names, err);

		if (!rc && names.n >= MANY)
			rc = merge(folder, &names, err);
		names_fini(&names);
		if (rc < 0)
			return -1;
		merged |= rc;
	}
	return merged;
}
