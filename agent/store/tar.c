/* See tar.h. Numbers in a header are octal text that ends with a NUL. */
#include "agent/store/tar.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/fs.h"

#define BLOCK 512
#define SIZE_MAX_OCTAL 077777777777LL	/* eleven digits: 8 GiB less one */

struct header {				/* POSIX.1-2017, pax, ustar */
	char name[100], mode[8], uid[8], gid[8], size[12], mtime[12];
	char chksum[8], typeflag, linkname[100], magic[6], version[2];
	char uname[32], gname[32], devmajor[8], devminor[8], prefix[155];
	char rest[12];
};

_Static_assert(sizeof(struct header) == BLOCK, "a header is one block");

static int put(struct tar *t, const void *data, size_t len, struct err *err)
{
	if (fs_write_all(t->fd, data, len))
		return err_sys(err, ERR_io, "writing the archive");
	t->off += len;
	return 0;
}

static int pad(struct tar *t, struct err *err)
{
	static const char zeros[BLOCK];
	size_t over = t->off % BLOCK;

	return over ? put(t, zeros, BLOCK - over, err) : 0;
}

/* A name of up to 256 bytes goes into two fields, parted at a slash. */
static int set_name(struct header *h, const char *name)
{
	size_t len = strlen(name);
	const char *slash;

	if (len <= sizeof(h->name)) {
		memcpy(h->name, name, len);
		return 0;
	}
	for (slash = strchr(name, '/'); slash; slash = strchr(slash + 1, '/'))
		if (strlen(slash + 1) <= sizeof(h->name))
			break;
	if (!slash || !slash[1] || slash == name ||
	    (size_t)(slash - name) > sizeof(h->prefix))
		return -1;
	memcpy(h->prefix, name, (size_t)(slash - name));
	memcpy(h->name, slash + 1, strlen(slash + 1));
	return 0;
}

static void octal(char *field, size_t width, uint64_t value)
{
	for (field[--width] = 0; width--; value >>= 3)
		field[width] = (char)('0' + (value & 7));
}

/* The sum of all bytes of the header, its own field as spaces. */
static void set_sum(struct header *h)
{
	unsigned char bytes[BLOCK];
	uint64_t sum = 0;

	memset(h->chksum, ' ', sizeof(h->chksum));
	memcpy(bytes, h, BLOCK);
	for (size_t i = 0; i < BLOCK; i++)
		sum += bytes[i];
	octal(h->chksum, 7, sum);
}

static int put_header(struct tar *t, struct header *h, char type,
		      uint64_t size, unsigned mode, struct err *err)
{
	octal(h->mode, sizeof(h->mode), mode);
	octal(h->uid, sizeof(h->uid), 0);
	octal(h->gid, sizeof(h->gid), 0);
	octal(h->size, sizeof(h->size), size);
	octal(h->mtime, sizeof(h->mtime),
	      t->mtime > 0 ? (uint64_t)t->mtime : 0);
	h->typeflag = type;
	memcpy(h->magic, "ustar", 6);
	memcpy(h->version, "00", 2);
	octal(h->devmajor, sizeof(h->devmajor), 0);
	octal(h->devminor, sizeof(h->devminor), 0);
	set_sum(h);
	return put(t, h, sizeof(*h), err);
}

/* "LENGTH key=value LF", where LENGTH counts itself. */
static void add_record(struct buf *b, const char *key, const char *value)
{
	size_t rest = strlen(key) + strlen(value) + 3, len = rest, digits;

	do {
		digits = (size_t)snprintf(NULL, 0, "%zu", len);
		len = rest + digits;
	} while (digits != (size_t)snprintf(NULL, 0, "%zu", len));
	buf_addf(b, "%zu %s=%s\n", len, key, value);
}

/* What the next header cannot say. */
static int put_extended(struct tar *t, const char *name, uint64_t size,
			struct err *err)
{
	struct header h = {.name = "pax"};
	struct buf b = {0};
	char text[24];
	int rc;

	if (name)
		add_record(&b, "path", name);
	snprintf(text, sizeof(text), "%llu", (unsigned long long)size);
	if (size > SIZE_MAX_OCTAL)
		add_record(&b, "size", text);
	rc = put_header(t, &h, 'x', b.len, 0644, err) ||
	     put(t, b.data, b.len, err) || pad(t, err) ? -1 : 0;
	buf_fini(&b);
	return rc;
}

int tar_begin(struct tar *t, const char *name, uint64_t size, unsigned mode,
	      struct err *err)
{
	struct header h = {0};
	bool longer = set_name(&h, name), larger = size > SIZE_MAX_OCTAL;

	if (longer)
		memcpy(h.name, name, sizeof(h.name));
	if ((longer || larger) &&
	    put_extended(t, longer ? name : NULL, size, err))
		return -1;
	return put_header(t, &h, '0', larger ? 0 : size, mode, err);
}

int tar_write(struct tar *t, const void *data, size_t len, struct err *err)
{
	return put(t, data, len, err);
}

int tar_finish(struct tar *t, struct err *err)
{
	return pad(t, err);
}

int tar_add(struct tar *t, const char *name, const void *data, size_t len,
	    unsigned mode, struct err *err)
{
	return tar_begin(t, name, len, mode, err) || put(t, data, len, err) ||
	       pad(t, err) ? -1 : 0;
}

int tar_rewind(struct tar *t, uint64_t off, struct err *err)
{
	if (lseek(t->fd, (off_t)off, SEEK_SET) < 0 ||
	    ftruncate(t->fd, (off_t)off))
		return err_sys(err, ERR_io, "writing the archive");
	t->off = off;
	return 0;
}

int tar_end(struct tar *t, struct err *err)
{
	static const char zeros[2 * BLOCK];

	return put(t, zeros, sizeof(zeros), err);
}
