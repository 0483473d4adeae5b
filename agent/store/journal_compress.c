/*
 * journal_compress: sealed segments, one after the other. A plain one goes
 * when its .zst is durable, whole and was read back; a crash at any step
 * leaves the plain one, which counts.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/store/journal.h"
#include "agent/store/journal_segments.h"
#include "agent/store/journal_zst.h"
#include "common/err.h"
#include "common/fs.h"
#include "common/mem.h"

#define CHUNK (256u << 10)

struct packing {
	char *plain, *packed, *temporary;	/* paths */
	int in, out;
	struct stat st;				/* of in */
};

static void packing_fini(struct packing *p)
{
	if (p->in >= 0)
		close(p->in);
	if (p->out >= 0)
		close(p->out);
	free(p->plain);
	free(p->packed);
	free(p->temporary);
}

static int open_both(struct packing *p, struct err *err)
{
	p->in = open(p->plain, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (p->in < 0 || fstat(p->in, &p->st))
		return err_sys(err, ERR_io, "%s", p->plain);
	p->out = open(p->temporary, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
		      0600);
	return p->out < 0 ? err_sys(err, ERR_io, "%s", p->temporary) : 0;
}

/* Who has the lock of the file that is still there may write it. */
static int lock(struct packing *p, struct err *err)
{
	struct stat own, path;

	if (flock(p->out, LOCK_EX | LOCK_NB) || fstat(p->out, &own) ||
	    stat(p->temporary, &path) || own.st_ino != path.st_ino) {
		xfree(p->temporary);	/* it is not ours to remove */
		return err_set(err, ERR_io, "somebody else compresses %s just "
			       "now", p->plain);
	}
	return ftruncate(p->out, 0) ?
		       err_sys(err, ERR_io, "%s", p->temporary) : 0;
}

/* Sealed ones end in one LF; in others a crash has left what was ahead. */
static int check_sealed(const struct packing *p, struct err *err)
{
	char end[2] = "";

	if (p->st.st_size > 1 &&
	    pread(p->in, end, 2, p->st.st_size - 2) == 2 &&
	    end[0] != '\n' && end[1] == '\n')
		return 0;
	err_set(err, ERR_io, "%s was not brought to its end", p->plain);
	return err_hint(err, "Start the agent, which does that, and ask "
			"again.");
}

static int hash_packed(struct packing *p, char hex[SHA256_HEX],
		       struct err *err)
{
	struct sha256 *h;
	struct zst *z;
	char *chunk;
	uint8_t raw[SHA256_RAW];
	int rc = 0;

	if (zst_open(&z, p->out, err))
		return -1;
	h = sha256_new();
	chunk = xmalloc(CHUNK);
	for (uint64_t at = 0, n; at < zst_size(z) && !rc; at += n) {
		n = zst_size(z) - at < CHUNK ? zst_size(z) - at : CHUNK;
		rc = zst_pread(z, at, (size_t)n, chunk, err);
		if (!rc)
			sha256_add(h, chunk, (size_t)n);
	}
	sha256_end(h, raw);
	hex_of(raw, sizeof(raw), hex);
	free(chunk);
	zst_close(z);
	return rc;
}

/* What was written gives the plain file's bytes, and that one is as it was. */
static int check_packed(struct packing *p, struct err *err)
{
	char plain[SHA256_HEX], packed[SHA256_HEX];
	uint64_t size;

	if (sha256_fd(p->in, plain, &size, err) ||
	    hash_packed(p, packed, err))
		return -1;
	return strcmp(plain, packed) || size != (uint64_t)p->st.st_size ?
		       err_set(err, ERR_io, "%s does not give the bytes of %s",
			       p->temporary, p->plain) : 0;
}

static int pack(struct packing *p, const char *dir, struct err *err)
{
	if (open_both(p, err) || lock(p, err) || check_sealed(p, err) ||
	    zst_write(p->in, p->out, err))
		return -1;
	if (fsync(p->out))
		return err_sys(err, ERR_io, "syncing %s", p->temporary);
	if (check_packed(p, err))
		return -1;
	if (rename(p->temporary, p->packed))
		return err_sys(err, ERR_io, "%s", p->packed);
	if (fs_sync_dir(dir, err))
		return -1;
	if (unlink(p->plain) && errno != ENOENT)
		return err_sys(err, ERR_io, "%s", p->plain);
	return fs_sync_dir(dir, err);
}

static int pack_segment(const char *dir, uint64_t first,
			journal_compressed *each, void *data, struct err *err)
{
	struct packing p = {.in = -1, .out = -1};
	struct stat packed;
	int rc;

	p.plain = segment_path(dir, first, false);
	p.packed = segment_path(dir, first, true);
	p.temporary = xasprintf("%s.tmp", p.packed);
	rc = pack(&p, dir, err);
	if (rc && p.temporary)
		unlink(p.temporary);
	if (!rc && each && !fstat(p.out, &packed))
		each(data, p.packed, (uint64_t)p.st.st_size,
		     (uint64_t)packed.st_size);
	packing_fini(&p);
	return rc;
}

int journal_compress(const char *dir, uint64_t keep, journal_compressed *each,
		     void *data, struct err *err)
{
	struct segments s = {0};
	int rc = segments_read(&s, dir, err);

	for (size_t i = 0; !rc && i + 1 < s.n && s.n - 1 - i > keep; i++)
		if (!s.at[i].packed)
			rc = pack_segment(dir, s.at[i].first, each, data, err);
	segments_fini(&s);
	return rc;
}
