/*
 * Tar archives as POSIX.1-2017 (pax) has them, written to a file: ustar
 * headers, and an extended one where a name or a size does not fit. The same
 * members give the same bytes: every time, owner and mode is given or fixed.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct err;

/* Zeroed but for fd, which is borrowed, open for writing and seeking. */
struct tar {
	int fd;
	uint64_t off;		/* bytes of archive so far */
	int64_t mtime;		/* seconds; of every member */
};

/*
 * Begin a file with this name (relative, UTF-8) and size; then exactly size
 * bytes with tar_write, then tar_finish. mode: 0644 or 0755.
 */
int tar_begin(struct tar *t, const char *name, uint64_t size, unsigned mode,
	      struct err *err);
int tar_write(struct tar *t, const void *data, size_t len, struct err *err);
/* Pads the file to whole blocks. */
int tar_finish(struct tar *t, struct err *err);
/* All three. */
int tar_add(struct tar *t, const char *name, const void *data, size_t len,
	    unsigned mode, struct err *err);
/* Forget everything from byte off of the archive on. */
int tar_rewind(struct tar *t, uint64_t off, struct err *err);
/* The two empty blocks at the end. */
int tar_end(struct tar *t, struct err *err);
