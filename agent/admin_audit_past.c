/* See admin_audit_past.h. */
#include "agent/admin_audit_past.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/store/merkle.h"
#include "common/mem.h"

#define HOP 256
#define HOPS (PAST_MEMORY / HOP)
#define BLOCK 4096		/* leaves read at a time */

struct past {
	struct merkle tree;
	struct merkle hop[HOPS];	/* the tree, every HOP leaves */
	uint8_t leaf[PAST_MEMORY][SHA256_RAW];
	int fd;
	struct past_witness witness;
	uint64_t block;			/* that is in said; from 1 */
	uint8_t said[BLOCK][SHA256_RAW];
};

struct past *past_new(const char *leaves)
{
	struct past *p = xcalloc(1, sizeof(*p));
	struct stat st;

	p->fd = open(leaves, O_RDONLY | O_CLOEXEC);
	if (p->fd >= 0 && !fstat(p->fd, &st))
		p->witness.known = (uint64_t)st.st_size / SHA256_RAW;
	return p;
}

void past_free(struct past *p)
{
	if (!p)
		return;
	if (p->fd >= 0)
		close(p->fd);
	free(p);
}

/* The hash that the file has for this leaf; NULL: none, or all zeros. */
static const uint8_t *said(struct past *p, uint64_t index)
{
	static const uint8_t none[SHA256_RAW];
	const uint64_t block = index / BLOCK + 1;
	ssize_t n;

	if (index >= p->witness.known)
		return NULL;
	if (p->block != block) {
		memset(p->said, 0, sizeof(p->said));
		n = pread(p->fd, p->said, sizeof(p->said),
			  (off_t)((block - 1) * sizeof(p->said)));
		if (n < 0)
			p->witness.known = 0;
		p->block = block;
	}
	return memcmp(p->said[index % BLOCK], none, SHA256_RAW) ?
		       p->said[index % BLOCK] : NULL;
}

void past_add(struct past *p, const uint8_t leaf[SHA256_RAW])
{
	const uint64_t i = p->tree.size;
	const uint8_t *other;

	if (i % HOP == 0)
		p->hop[i / HOP % HOPS] = p->tree;
	memcpy(p->leaf[i % PAST_MEMORY], leaf, SHA256_RAW);
	merkle_add(&p->tree, leaf);
	if (p->witness.differs)
		return;
	other = said(p, i);
	if (other && memcmp(other, leaf, SHA256_RAW))
		p->witness.differs = i + 1;
}

uint64_t past_size(const struct past *p)
{
	return p->tree.size;
}

bool past_root(const struct past *p, uint64_t size, uint8_t root[SHA256_RAW])
{
	const uint64_t now = p->tree.size;
	struct merkle m;

	if (size > now || (size < now && now - size > PAST_MEMORY - HOP))
		return false;
	if (size == now) {
		merkle_root(&p->tree, root);
		return true;
	}
	m = p->hop[size / HOP % HOPS];
	while (m.size < size)
		merkle_add(&m, p->leaf[m.size % PAST_MEMORY]);
	merkle_root(&m, root);
	return true;
}

struct past_witness past_witness(const struct past *p)
{
	return p->witness;
}
