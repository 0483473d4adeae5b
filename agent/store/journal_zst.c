/*
 * See journal_zst.h. Reading is strict: every frame but the last holds
 * exactly FRAME bytes and says so itself, so no size that a file names makes
 * memory, and a table that was changed has nothing to point at.
 */
#include "agent/store/journal_zst.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/fs.h"
#include "common/mem.h"

#define FRAME (256u << 10)	/* decompressed bytes of a frame */
#define LEVEL 3
#define SKIPPABLE 0x184d2a5eu	/* the table's frame */
#define SEEKABLE 0x8f92eab1u	/* its last four bytes */
#define SKIP_HEAD 8u		/* magic, size */
#define ENTRY 8u		/* compressed, decompressed */
#define FOOT 9u			/* count, descriptor, magic */
#define HEAD_MAX 18u		/* of a zstd frame */
#define HAS_CHECKSUM 4		/* in its fifth byte */
#define FRAMES_MAX 65536u	/* four times the largest segment's */
#define NO_FRAME UINT64_MAX

struct zst {
	int fd;
	uint64_t n, size;
	uint64_t *start;	/* of each frame in the file; [n]: the table */
	ZSTD_DCtx *ctx;
	uint64_t have;		/* the frame that is in frame */
	char *packed, *frame;
	size_t packed_max;
};

static uint32_t get32(const uint8_t *at)
{
	return (uint32_t)at[0] | (uint32_t)at[1] << 8 |
	       (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static void put32(struct buf *b, uint32_t n)
{
	const uint8_t le[4] = {(uint8_t)n, (uint8_t)(n >> 8),
			       (uint8_t)(n >> 16), (uint8_t)(n >> 24)};

	buf_add(b, le, sizeof(le));
}

/* Up to len bytes at off; how many, or -1 and *err. */
static ssize_t get_some(int fd, uint64_t off, void *out, size_t len,
			struct err *err)
{
	size_t got = 0;

	while (got < len) {
		ssize_t n = pread(fd, (char *)out + got, len - got,
				  (off_t)(off + got));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, ERR_io, "reading");
		if (!n)
			break;
		got += (size_t)n;
	}
	return (ssize_t)got;
}

static int get(int fd, uint64_t off, void *out, size_t len, struct err *err)
{
	ssize_t n = get_some(fd, off, out, len, err);

	if (n >= 0 && (size_t)n < len)
		return err_set(err, ERR_io, "it was cut while it was read");
	return n < 0 ? -1 : 0;
}

static int no_table(struct err *err)
{
	err_set(err, ERR_io, "it has no good table of frames at its end");
	return err_hint(err, "It was cut or damaged, or not compressed by "
			"`kircerta-agent audit compress`. If `zstd -t` says "
			"it is whole, decompress it.");
}

static int bad_frame(uint64_t i, struct err *err)
{
	return err_set(err, ERR_io, "frame %llu of it is damaged",
		       (unsigned long long)i);
}

/* The count of frames, from the file's last bytes. -1: there is no table. */
static int read_foot(struct zst *z, uint64_t file, struct err *err)
{
	uint8_t foot[FOOT], head[SKIP_HEAD];
	uint64_t table;

	if (file < SKIP_HEAD + FOOT)
		return no_table(err);
	if (get(z->fd, file - FOOT, foot, FOOT, err))
		return -1;
	z->n = get32(foot);
	table = SKIP_HEAD + z->n * ENTRY + FOOT;
	if (get32(foot + 5) != SEEKABLE || foot[4] || table > file ||
	    z->n > FRAMES_MAX)
		return no_table(err);
	if (get(z->fd, file - table, head, SKIP_HEAD, err))
		return -1;
	if (get32(head) != SKIPPABLE || get32(head + 4) != table - SKIP_HEAD)
		return no_table(err);
	z->start = xcalloc(z->n + 1, sizeof(*z->start));
	z->start[z->n] = file - table;
	return 0;
}

/* Frame i is as long as the table says: full, or the last. */
static int add_entry(struct zst *z, uint64_t i, const uint8_t *entry,
		     uint64_t *at, struct err *err)
{
	const uint32_t packed = get32(entry), plain = get32(entry + 4);

	if (!plain || plain > FRAME || (plain < FRAME && i + 1 < z->n) ||
	    !packed || packed > ZSTD_compressBound(FRAME))
		return no_table(err);
	z->start[i] = *at;
	*at += packed;
	z->size += plain;
	if (packed > z->packed_max)
		z->packed_max = packed;
	return 0;
}

static int read_entries(struct zst *z, struct err *err)
{
	const uint64_t table = z->start[z->n];
	uint8_t some[512 * ENTRY];
	uint64_t at = 0;

	for (uint64_t i = 0; i < z->n; i++) {
		const uint64_t k = i % 512;
		const uint64_t left = z->n - i < 512 ? z->n - i : 512;

		if (!k && get(z->fd, table + SKIP_HEAD + i * ENTRY, some,
			      left * ENTRY, err))
			return -1;
		if (add_entry(z, i, some + k * ENTRY, &at, err))
			return -1;
	}
	return at == table ? 0 : no_table(err);
}

static uint64_t plain_of(const struct zst *z, uint64_t i)
{
	return i + 1 < z->n ? FRAME : z->size - i * FRAME;
}

/* The frame says the same of itself, and has a checksum. */
static bool head_fits(const struct zst *z, uint64_t i, const void *head,
		      size_t len)
{
	return len > 4 && get32(head) == ZSTD_MAGICNUMBER &&
	       ((const uint8_t *)head)[4] & HAS_CHECKSUM &&
	       ZSTD_getFrameContentSize(head, len) == plain_of(z, i);
}

static int check_heads(struct zst *z, struct err *err)
{
	uint8_t head[HEAD_MAX];

	for (uint64_t i = 0; i < z->n; i++) {
		ssize_t n = get_some(z->fd, z->start[i], head, HEAD_MAX, err);

		if (n < 0)
			return -1;
		if (!head_fits(z, i, head, (size_t)n))
			return bad_frame(i, err);
	}
	return 0;
}

int zst_open(struct zst **out, int fd, struct err *err)
{
	struct zst *z = xcalloc(1, sizeof(*z));
	struct stat st;

	z->fd = fd;
	z->have = NO_FRAME;
	if (fstat(fd, &st)) {
		err_sys(err, ERR_io, "reading");
		goto failed;
	}
	if (read_foot(z, (uint64_t)st.st_size, err) || read_entries(z, err) ||
	    check_heads(z, err))
		goto failed;
	z->ctx = mem_have(ZSTD_createDCtx());
	z->packed = xmalloc(z->packed_max + 1);
	z->frame = xmalloc(FRAME);
	*out = z;
	return 0;
failed:
	zst_close(z);
	return -1;
}

void zst_close(struct zst *z)
{
	if (!z)
		return;
	ZSTD_freeDCtx(z->ctx);
	free(z->packed);
	free(z->frame);
	free(z->start);
	free(z);
}

uint64_t zst_size(const struct zst *z)
{
	return z->size;
}

static int load(struct zst *z, uint64_t i, struct err *err)
{
	const size_t len = (size_t)(z->start[i + 1] - z->start[i]);
	size_t n;

	if (z->have == i)
		return 0;
	z->have = NO_FRAME;
	if (get(z->fd, z->start[i], z->packed, len, err))
		return -1;
	if (!head_fits(z, i, z->packed, len))
		return bad_frame(i, err);
	n = ZSTD_decompressDCtx(z->ctx, z->frame, FRAME, z->packed, len);
	if (ZSTD_isError(n) || n != plain_of(z, i))
		return bad_frame(i, err);
	z->have = i;
	return 0;
}

int zst_pread(struct zst *z, uint64_t off, size_t len, char *out,
	      struct err *err)
{
	if (off > z->size || len > z->size - off)
		return err_set(err, ERR_io, "it ends before byte %llu",
			       (unsigned long long)off + len);
	while (len) {
		const uint64_t in = off % FRAME;
		size_t n = FRAME - (size_t)in < len ? FRAME - (size_t)in : len;

		if (load(z, off / FRAME, err))
			return -1;
		memcpy(out, z->frame + in, n);
		out += n;
		off += n;
		len -= n;
	}
	return 0;
}

static void table_end(struct buf *table)
{
	const uint32_t n = (uint32_t)((table->len - SKIP_HEAD) / ENTRY);
	struct buf head = {0};

	put32(table, n);
	buf_add(table, "", 1);
	put32(table, SEEKABLE);
	put32(&head, SKIPPABLE);
	put32(&head, (uint32_t)(table->len - SKIP_HEAD));
	memcpy(table->data, head.data, SKIP_HEAD);
	buf_fini(&head);
}

/* One frame, and its row in the table. 1: written. 0: in is at its end. */
static int add_frame(ZSTD_CCtx *ctx, int in, int out, uint64_t off,
		     char *plain, struct buf *packed, struct buf *table,
		     struct err *err)
{
	const size_t room = ZSTD_compressBound(FRAME);
	ssize_t len = get_some(in, off, plain, FRAME, err);
	size_t n;

	if (len <= 0)
		return (int)len;
	n = ZSTD_compress2(ctx, buf_room(packed, room), room, plain,
			   (size_t)len);
	if (ZSTD_isError(n))
		return err_set(err, ERR_io, "zstd: %s", ZSTD_getErrorName(n));
	put32(table, (uint32_t)n);
	put32(table, (uint32_t)len);
	return fs_write_all(out, packed->data, n) ?
		       err_sys(err, ERR_io, "writing") : 1;
}

static int check_length(int in, struct err *err)
{
	struct stat st;

	if (fstat(in, &st))
		return err_sys(err, ERR_io, "reading");
	return st.st_size <= (off_t)FRAMES_MAX * FRAME ? 0 :
	       err_set(err, ERR_io, "it is too long to be a segment");
}

int zst_write(int in, int out, struct err *err)
{
	char *plain = xmalloc(FRAME);
	struct buf packed = {0}, table = {0};
	ZSTD_CCtx *ctx = mem_have(ZSTD_createCCtx());
	int rc = check_length(in, err) ? -1 : 1;

	ZSTD_CCtx_setParameter(ctx, ZSTD_c_compressionLevel, LEVEL);
	ZSTD_CCtx_setParameter(ctx, ZSTD_c_checksumFlag, 1);
	buf_add(&table, "01234567", SKIP_HEAD);
	for (uint64_t off = 0; rc > 0; off += FRAME)
		rc = add_frame(ctx, in, out, off, plain, &packed, &table, err);
	table_end(&table);
	if (!rc && fs_write_all(out, table.data, table.len))
		rc = err_sys(err, ERR_io, "writing");
	ZSTD_freeCCtx(ctx);
	buf_fini(&packed);
	buf_fini(&table);
	free(plain);
	return rc;
}
