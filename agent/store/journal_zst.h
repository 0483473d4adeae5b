/*
 * A sealed segment, compressed: the zstd seekable format (facebook/zstd,
 * contrib/seekable_format). Frames of 256 KiB, each with its checksum and
 * size, then a table of them in a skippable frame, so that `zstd -d`, zstdcat
 * and zstdgrep read it, and we read any part without what is before it.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct err;
struct zst;			/* one open file; one thread at a time */

/*
 * fd stays the caller's and has to stay open. Reads the table, of which no
 * byte is trusted: it has to agree with the file's size and with every
 * frame's own header. -1: *err, also for a .zst that somebody else wrote.
 */
int zst_open(struct zst **out, int fd, struct err *err);
void zst_close(struct zst *z);			/* NULL is fine */
uint64_t zst_size(const struct zst *z);		/* decompressed */
/* Exactly len bytes at off, or -1. Keeps the last frame for the next call. */
int zst_pread(struct zst *z, uint64_t off, size_t len, char *out,
	      struct err *err);

/* The whole of in, from its start, to where out is. Nothing is synced. */
int zst_write(int in, int out, struct err *err);
